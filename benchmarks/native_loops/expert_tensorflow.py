"""TensorFlow by hand: tf.Variables, tf.nn, one tf.function for the whole step."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from native_loops import LEARNING_RATE, MOMENTUM, Run, Task, batches

Forward = Callable[[Any], Any]


class Parameters:
    """Makes variables: he_normal kernels, zero biases."""

    def __init__(self) -> None:
        self.trainable: list[Any] = []
        self._generator = np.random.default_rng(0)

    def kernel(self, *shape: int) -> Any:
        scale = np.sqrt(2 / np.prod(shape[:-1]))
        return self._add(self._generator.normal(0, scale, shape))

    def vector(self, length: int, value: float = 0.0) -> Any:
        return self._add(np.full(length, value))

    def _add(self, value: Any) -> Any:
        self.trainable.append(tf.Variable(value.astype("float32")))
        return self.trainable[-1]


def conv_norm(p: Parameters, channels: int, filters: int, stride: int) -> Forward:
    kernel, gamma, beta = p.kernel(3, 3, channels, filters), p.vector(filters, 1.0), p.vector(filters)
    mean, variance = tf.Variable(tf.zeros(filters)), tf.Variable(tf.ones(filters))

    def forward(x: Any) -> Any:
        y = tf.nn.conv2d(x, kernel, stride, "SAME")
        y, batch_mean, batch_variance = tf.compat.v1.nn.fused_batch_norm(y, gamma, beta, epsilon=1e-5)
        mean.assign_sub((mean - batch_mean) * 0.1)
        variance.assign_sub((variance - batch_variance) * 0.1)
        return y

    return forward


def resnet20(p: Parameters, classes: int) -> Forward:
    stem = conv_norm(p, 3, 16, 1)
    blocks = []
    channels = 16
    for stage, filters in enumerate((16, 32, 64)):
        for index in range(3):
            stride = 2 if stage and index == 0 else 1
            first, second = conv_norm(p, channels, filters, stride), conv_norm(p, filters, filters, 1)
            blocks.append((first, second, stride, (filters - channels) // 2))
            channels = filters
    kernel, bias = p.kernel(64, classes), p.vector(classes)

    def forward(x: Any) -> Any:
        x = tf.nn.relu(stem(x))
        for first, second, stride, half in blocks:
            y = second(tf.nn.relu(first(x)))
            if stride != 1:
                x = tf.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), (half, half)))
            x = tf.nn.relu(y + x)
        return tf.linalg.matmul(tf.reduce_mean(x, (1, 2)), kernel) + bias

    return forward


def idsia(p: Parameters, classes: int) -> Forward:
    convs = [
        (p.kernel(*shape), p.vector(shape[-1]))
        for shape in ((3, 3, 3, 100), (4, 4, 100, 150), (3, 3, 150, 250))
    ]
    denses = [(p.kernel(*shape), p.vector(shape[-1])) for shape in ((4000, 300), (300, classes))]

    def forward(x: Any) -> Any:
        for kernel, bias in convs:
            x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "VALID"), bias))
            x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        x = tf.reshape(x, (-1, 4000))
        x = tf.nn.relu(tf.linalg.matmul(x, denses[0][0]) + denses[0][1])
        return tf.linalg.matmul(x, denses[1][0]) + denses[1][1]

    return forward


def contender(task: Task, batch_size: int) -> Run:
    p = Parameters()
    forward = {"resnet20": resnet20, "idsia": idsia}[task.network](p, task.classes)
    return loop(task, batch_size, p.trainable, forward)


def loop(task: Task, batch_size: int, trainable: list[Any], forward: Forward) -> Run:
    """SGD with momentum."""
    velocities = [tf.Variable(tf.zeros_like(w)) for w in trainable]

    @tf.function
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, forward(x)))
        for w, v, g in zip(trainable, velocities, tape.gradient(loss, trainable), strict=True):
            g = tf.convert_to_tensor(g)  # of an embedding: slices
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=w.handle, accum=v.handle, lr=LEARNING_RATE, grad=g, momentum=MOMENTUM
            )
        return loss

    def run(steps: int) -> float:
        begin = time.perf_counter()
        loss = None
        for x, y in batches(task, steps, batch_size):
            loss = step(tf.constant(x), tf.constant(y))
        np.asarray(loss)
        return time.perf_counter() - begin

    return run
