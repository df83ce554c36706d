"""What all residual networks are made of."""

from __future__ import annotations

import keras
from keras import layers, ops

BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}


def conv(x: keras.KerasTensor, filters: int, size: int, stride: int, name: str) -> keras.KerasTensor:
    """A convolution without bias; he_normal."""
    return layers.Conv2D(
        filters, size, strides=stride, padding="same", use_bias=False,
        kernel_initializer="he_normal", name=f"{name}_conv",
    )(x)  # fmt: skip


def norm(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.BatchNormalization(**BATCH_NORM, name=f"{name}_bn")(x)


def conv_norm(x: keras.KerasTensor, filters: int, size: int, stride: int, name: str) -> keras.KerasTensor:
    return norm(conv(x, filters, size, stride, name), name)


def norm_relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.ReLU(name=f"{name}_relu")(norm(x, name))


def padded_shortcut(x: keras.KerasTensor, filters: int, stride: int) -> keras.KerasTensor:
    """Option A: every ``stride``-th pixel, and maps of zeros before and after those of ``x``."""
    missing = filters - x.shape[-1]
    before = missing // 2
    return ops.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), (before, missing - before)))
