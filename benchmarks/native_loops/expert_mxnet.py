"""MXNet by hand: Gluon blocks, hybridized with static memory and shapes, gluon.Trainer."""

from __future__ import annotations

import time
import warnings
from typing import Any

from native_loops import LEARNING_RATE, MOMENTUM, Run, Task, batches

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import mxnet as mx
    from mxnet import autograd, gluon
    from mxnet.gluon import nn


class Block(gluon.HybridBlock):
    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.stride, self.missing = stride, filters - channels
        with self.name_scope():
            self.body = nn.HybridSequential()
            self.body.add(
                nn.Conv2D(filters, 3, stride, 1, use_bias=False, in_channels=channels), nn.BatchNorm(),
                nn.Activation("relu"),
                nn.Conv2D(filters, 3, 1, 1, use_bias=False, in_channels=filters), nn.BatchNorm(),
            )  # fmt: skip

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        y = self.body(x)
        if self.stride != 1:
            x = F.slice(x, begin=(None,) * 4, end=(None,) * 4, step=(1, 1, self.stride, self.stride))
            nothing = F.zeros_like(F.slice_axis(x, axis=1, begin=0, end=self.missing // 2))
            x = F.concat(nothing, x, nothing, dim=1)
        return F.Activation(y + x, act_type="relu")


def resnet20(classes: int) -> Any:
    network = nn.HybridSequential()
    network.add(nn.Conv2D(16, 3, 1, 1, use_bias=False, in_channels=3), nn.BatchNorm(), nn.Activation("relu"))
    channels = 16
    for stage, filters in enumerate((16, 32, 64)):
        for index in range(3):
            network.add(Block(channels, filters, 2 if stage and index == 0 else 1))
            channels = filters
    network.add(nn.GlobalAvgPool2D(), nn.Dense(classes))
    return network


def idsia(classes: int) -> Any:
    network = nn.HybridSequential()
    for filters, size in ((100, 3), (150, 4), (250, 3)):
        network.add(nn.Conv2D(filters, size, activation="relu"), nn.MaxPool2D(2))
    network.add(nn.Dense(300, activation="relu"), nn.Dense(classes))
    return network


def contender(task: Task, batch_size: int) -> Run:
    network = {"resnet20": resnet20, "idsia": idsia}[task.network](task.classes)
    network.initialize(mx.init.Xavier())
    network.hybridize(static_alloc=True, static_shape=True)
    criterion = gluon.loss.SoftmaxCrossEntropyLoss()
    criterion.hybridize(static_alloc=True, static_shape=True)
    trainer = gluon.Trainer(
        network.collect_params(), "sgd", {"learning_rate": LEARNING_RATE, "momentum": MOMENTUM}, kvstore=None
    )

    def run(steps: int) -> float:
        begin = time.perf_counter()
        for x, y in batches(task, steps, batch_size):
            images = mx.nd.array(x.transpose(0, 3, 1, 2))
            labels = mx.nd.array(y, dtype="int32")
            with autograd.record():
                loss = criterion(network(images), labels)
            loss.backward()
            trainer.step(batch_size)
        mx.nd.waitall()
        return time.perf_counter() - begin

    return run
