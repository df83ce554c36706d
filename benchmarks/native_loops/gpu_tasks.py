"""The networks of benchmarks/gpu.py, each with its batch, and data of its shape. Imports no framework."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crosstrain.training.optimizers import Optimizer

LEARNING_RATE, MOMENTUM = 0.001, 0.9
TOKENS = 10_000
EXAMPLES = 4096

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class GpuTask:
    """A network: ``source`` as ``crosstrain.define`` takes it, the shape of one example (int: tokens), and
    how it is timed (``batch`` None: it is proved only)."""

    name: str
    title: str
    source: str
    shape: tuple[int, ...]
    classes: int
    batch: int | None = None
    optimizer: str = "sgd"
    proved: bool = True

    @property
    def text(self) -> bool:
        return len(self.shape) == 1 and self.name != "mlp"

    @property
    def rule(self) -> Optimizer:
        return Optimizer("sgd", momentum=MOMENTUM) if self.optimizer == "sgd" else Optimizer(self.optimizer)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """x (EXAMPLES, shape) float32 or int32 tokens, y (EXAMPLES,) int64."""
        generator = np.random.default_rng(0)
        shape = (EXAMPLES, *self.shape)
        x = (
            generator.integers(0, TOKENS, shape, dtype=np.int32)
            if self.text
            else generator.standard_normal(shape, dtype=np.float32)
        )
        return x, generator.integers(0, self.classes, EXAMPLES)


def _own(function: str) -> str:
    return f"{HERE / 'gpu_networks.py'}:{function}"


TASKS = {
    task.name: task
    for task in (
        GpuTask("lenet5", "LeNet-5", "lenet5", (32, 32, 1), 10),
        GpuTask("idsia", "IDSIA@48", "idsia", (48, 48, 3), 43),
        GpuTask("gru2", "two GRUs of 32, 20 tokens", _own("gru2"), (20,), 2),
        GpuTask("resnet20", "ResNet-20@32", "resnet20", (32, 32, 3), 10, 128),
        GpuTask("lstm", "LSTM 128, 100 tokens", _own("lstm"), (100,), 2, 64, "adam"),
        GpuTask(
            "transformer",
            "transformer, 2 blocks of 128, 64 tokens",
            _own("transformer"),
            (64,),
            10,
            64,
            "adam",
        ),
        GpuTask("mlp", "MLP 20-64-64-3", _own("mlp"), (20,), 3, 64, proved=False),
        GpuTask("mobilenetv2", "MobileNetV2@64", _own("mobilenetv2"), (64, 64, 3), 10, 64),
    )
}
"""By name, in the order of the table's rows."""


def batches(
    x: np.ndarray, y: np.ndarray, steps: int, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Shuffled batches of full size, each gathered from host memory when it is asked for."""
    generator = np.random.default_rng(1)
    done = 0
    while True:
        order = generator.permutation(len(x))
        for start in range(0, len(x) - batch_size + 1, batch_size):
            if done == steps:
                return
            index = order[start : start + batch_size]
            yield x[index], y[index]
            done += 1
