"""PaddlePaddle by hand: nn.Layer, channels-first (its CPU kernels transpose anything else), Momentum, and the
library of matrix products told what processor it is on. Not to_static: it is no faster on a CPU."""

from __future__ import annotations

import time

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from crosstrain.engines.paddle.products import use_the_processor
from native_loops import LEARNING_RATE, MOMENTUM, Run, Task, batches


class Block(nn.Layer):
    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2D(channels, filters, 3, stride, padding=1, bias_attr=False)
        self.bn1 = nn.BatchNorm2D(filters)
        self.conv2 = nn.Conv2D(filters, filters, 3, padding=1, bias_attr=False)
        self.bn2 = nn.BatchNorm2D(filters)
        self.stride, self.missing = stride, filters - channels

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.stride != 1:
            half = self.missing // 2
            x = F.pad(x[:, :, :: self.stride, :: self.stride], [0, 0, half, self.missing - half, 0, 0, 0, 0])
        return F.relu(y + x)


def resnet20(classes: int) -> nn.Layer:
    blocks: list[nn.Layer] = []
    channels = 16
    for stage, filters in enumerate((16, 32, 64)):
        for index in range(3):
            blocks.append(Block(channels, filters, 2 if stage and index == 0 else 1))
            channels = filters
    return nn.Sequential(
        nn.Conv2D(3, 16, 3, padding=1, bias_attr=False), nn.BatchNorm2D(16), nn.ReLU(),
        *blocks, nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(64, classes),
    )  # fmt: skip


def idsia(classes: int) -> nn.Layer:
    return nn.Sequential(
        nn.Conv2D(3, 100, 3), nn.ReLU(), nn.MaxPool2D(2),
        nn.Conv2D(100, 150, 4), nn.ReLU(), nn.MaxPool2D(2),
        nn.Conv2D(150, 250, 3), nn.ReLU(), nn.MaxPool2D(2),
        nn.Flatten(), nn.Linear(4000, 300), nn.ReLU(), nn.Linear(300, classes),
    )  # fmt: skip


def contender(task: Task, batch_size: int) -> Run:
    use_the_processor()
    paddle.set_device("cpu")
    model = {"resnet20": resnet20, "idsia": idsia}[task.network](task.classes)
    optimizer = paddle.optimizer.Momentum(LEARNING_RATE, MOMENTUM, parameters=model.parameters())

    def run(steps: int) -> float:
        begin = time.perf_counter()
        for x, y in batches(task, steps, batch_size):
            images = paddle.to_tensor(x).transpose([0, 3, 1, 2])
            loss = F.cross_entropy(model(images), paddle.to_tensor(y))
            loss.backward()
            optimizer.step()
            optimizer.clear_grad(set_to_zero=False)
        return time.perf_counter() - begin

    return run
