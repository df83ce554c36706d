"""PyTorch by hand: nn.Module, channels-last, torch.optim.SGD."""

from __future__ import annotations

import itertools
import time
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from native_loops import LEARNING_RATE, MOMENTUM, Run, Task, batches
from native_loops.detection_torch import YoloTiny, yolo_loss


class Block(nn.Module):
    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.stride, self.missing = stride, filters - channels

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        if self.stride != 1:
            half = self.missing // 2
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.missing - half))
        return F.relu(y + x, inplace=True)


def resnet20(classes: int) -> nn.Module:
    blocks: list[nn.Module] = []
    channels = 16
    for stage, filters in enumerate((16, 32, 64)):
        for index in range(3):
            blocks.append(Block(channels, filters, 2 if stage and index == 0 else 1))
            channels = filters
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True),
        *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes),
    )  # fmt: skip


def idsia(classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 100, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(100, 150, 4), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(150, 250, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(4000, 300), nn.ReLU(inplace=True), nn.Linear(300, classes),
    )  # fmt: skip


class Stage(nn.Sequential):
    def __init__(self, channels: int, maps: int, dropout: float = 0.0) -> None:
        super().__init__(
            nn.Conv2d(channels, maps, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(maps, maps, 3, padding=1), nn.ReLU(inplace=True),
            *([nn.Dropout(dropout)] if dropout else []),
        )  # fmt: skip


class UNet(nn.Module):
    """Ronneberger et al. 2015 with padded convolutions and a quarter of the maps."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        maps = [3, 16, 32, 64, 128, 256]
        self.down = nn.ModuleList(
            Stage(before, after, 0.5 if after >= 128 else 0.0) for before, after in itertools.pairwise(maps)
        )
        up = maps[:0:-1]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 2, 2) for before, after in itertools.pairwise(up)
        )
        self.level = nn.ModuleList(Stage(before, after) for before, after in itertools.pairwise(up))
        self.logits = nn.Conv2d(maps[1], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for number, stage in enumerate(self.down):
            x = stage(F.max_pool2d(x, 2) if number else x)
            skips.append(x)
        for up, level, skip in zip(self.up, self.level, skips[-2::-1], strict=True):
            x = level(torch.cat([skip, F.relu(up(x), inplace=True)], dim=1))
        return self.logits(x)


def contender(task: Task, batch_size: int) -> Run:
    makers = {"resnet20": resnet20, "idsia": idsia, "unet": UNet, "yolo-tiny": YoloTiny}
    loss = partial(yolo_loss, size=task.shape[:2]) if task.boxes else F.cross_entropy
    model = makers[task.network.partition(":")[0]](task.classes)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, foreach=True)

    def run(steps: int) -> float:
        begin = time.perf_counter()
        for x, y in batches(task, steps, batch_size):
            images = torch.from_numpy(x).permute(0, 3, 1, 2)  # NHWC memory is channels-last already
            optimizer.zero_grad(set_to_none=True)
            loss(model(images), torch.from_numpy(y)).backward()
            optimizer.step()
        return time.perf_counter() - begin

    return run
