"""Hand-written training loops, as an expert in each framework would write them, and keras.Model.fit.

Each module has ``contender(network, batch_size) -> run``; ``run(steps)`` trains that many steps on
batches out of host memory, waits until they are done, and returns the seconds it took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

Run = Callable[[int], float]

LEARNING_RATE, MOMENTUM = 0.01, 0.9


@dataclass(frozen=True)
class Task:
    """A network of the zoo at a size, and data of that shape; ``maps`` says that every pixel has a class."""

    network: str
    size: int
    classes: int = 43
    examples: int = 1024
    maps: bool = False

    @property
    def target(self) -> tuple[int, ...]:
        """The shape of one example's target."""
        return (self.size, self.size) if self.maps else ()


@cache
def data(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """x (examples, size, size, 3) float32, y (examples,) or (examples, size, size) int64."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((task.examples, task.size, task.size, 3), dtype=np.float32)
    return x, generator.integers(0, task.classes, (task.examples, *task.target))


TASKS = {
    "idsia": Task("idsia", 48),
    "resnet20": Task("resnet20", 32),
    "unet": Task("unet:width=0.25", 96, classes=11, examples=128, maps=True),
}


def batches(task: Task, steps: int, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Shuffled batches of full size, each gathered from host memory when it is asked for."""
    x, y = data(task)
    generator = np.random.default_rng(1)
    done = 0
    while True:
        order = generator.permutation(task.examples)
        for start in range(0, task.examples - batch_size + 1, batch_size):
            if done == steps:
                return
            index = order[start : start + batch_size]
            yield x[index], y[index]
            done += 1
