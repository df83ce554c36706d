"""Hand-written training loops, as an expert in each framework would write them, and keras.Model.fit.

Each module has ``contender(network, batch_size) -> run``; ``run(steps)`` trains that many steps on
batches out of host memory, waits until they are done, and returns the seconds it took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

Run = Callable[[int], float]

LEARNING_RATE, MOMENTUM = 0.01, 0.9
OF_BOX = 5
"""Numbers of a box: ymin, xmin, ymax, xmax, class."""


@dataclass(frozen=True)
class Task:
    """A network as ``crosstrain.define`` takes it, and the shapes of its data: examples of ``shape`` (floats,
    or whole numbers below ``tokens``), each with a class, with one at each place of ``target``, or with up to
    ``boxes`` boxes."""

    network: str
    shape: tuple[int, ...]
    classes: int = 43
    examples: int = 1024
    target: tuple[int, ...] = ()
    tokens: int = 0
    boxes: int = 0

    @property
    def declared(self) -> dict[str, Any]:
        """The target as ``crosstrain.define`` takes it."""
        if self.boxes:
            shape = [self.boxes, OF_BOX]
            return {"shape": shape, "classes": self.classes, "dtype": "float32", "boxes": True}
        return {"shape": list(self.target), "classes": self.classes, "dtype": "int64"}


@cache
def data(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """x (examples, *shape) float32 or int32, y (examples, *target) int64 or (examples, boxes, 5) float32."""
    generator = np.random.default_rng(0)
    shape = (task.examples, *task.shape)
    x = (
        generator.integers(0, task.tokens, shape, dtype=np.int32)
        if task.tokens
        else generator.standard_normal(shape, dtype=np.float32)
    )
    if task.boxes:
        return x, _boxes(task, generator)
    return x, generator.integers(0, task.classes, (task.examples, *task.target))


def _boxes(task: Task, generator: np.random.Generator) -> np.ndarray:
    """ymin, xmin, ymax, xmax in pixels and the class; on average half of an example's rows stand for nothing,
    zeros and class -1."""
    rows = (task.examples, task.boxes)
    sides = generator.uniform(0.1, 0.3, (*rows, 2))
    corner = generator.uniform(0, 1 - sides)
    boxes = np.concatenate([corner, corner + sides], axis=2) * (task.shape[:2] * 2)
    y = np.concatenate([boxes, generator.integers(0, task.classes, (*rows, 1))], axis=2).astype(np.float32)
    y[np.arange(task.boxes) >= generator.integers(1, task.boxes + 1, (task.examples, 1))] = (0, 0, 0, 0, -1)
    return y


TASKS = {
    "idsia": Task("idsia", (48, 48, 3)),
    "resnet20": Task("resnet20", (32, 32, 3)),
    "unet": Task("unet:width=0.25", (96, 96, 3), classes=11, examples=128, target=(96, 96)),
    "yolo-tiny": Task(
        "yolo-tiny:dense=false:poolings=4:width=0.25", (192, 256, 3), classes=3, examples=128, boxes=24
    ),
}


def task_of(name: str) -> Task:
    """A task of ``TASKS``, or one of the grid of recurrent networks, as lstm-2-100."""
    from native_loops.recurrent import task

    return TASKS.get(name) or task(name)


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
