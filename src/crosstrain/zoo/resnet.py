"""Residual networks for small images (He, Zhang, Ren and Sun 2015, section 4.2): 6n + 2 layers."""

from __future__ import annotations

import keras
from keras import layers, ops

BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}


def resnet20(input_shape: tuple[int, ...] = (32, 32, 3), classes: int = 10) -> keras.Model:
    """n = 3, option A: 269,722 parameters at 10 classes (the paper's table 6 says 0.27 M)."""
    return residual("resnet20", 3, input_shape, classes, projection=False)


def resnet20_b(input_shape: tuple[int, ...] = (32, 32, 3), classes: int = 10) -> keras.Model:
    """n = 3, option B: 272,474 parameters at 10 classes."""
    return residual("resnet20-b", 3, input_shape, classes, projection=True)


def resnet32(input_shape: tuple[int, ...] = (32, 32, 3), classes: int = 10) -> keras.Model:
    """n = 5, option A: 464,154 parameters at 10 classes (the paper's table 6 says 0.46 M)."""
    return residual("resnet32", 5, input_shape, classes, projection=False)


def resnet32_b(input_shape: tuple[int, ...] = (32, 32, 3), classes: int = 10) -> keras.Model:
    """n = 5, option B: 466,906 parameters at 10 classes."""
    return residual("resnet32-b", 5, input_shape, classes, projection=True)


def residual(
    name: str, n: int, input_shape: tuple[int, ...], classes: int, *, projection: bool
) -> keras.Model:
    """Three stages of n blocks with 16, 32 and 64 maps; stages two and three begin with stride 2.

    Where a block changes the shape, its shortcut takes every second pixel and adds zero maps (option A)
    or projects by a 1×1 convolution with stride 2 (option B, ``projection``). Kernels are he_normal and
    have no bias, BatchNorm follows each; logits, (batch, classes).
    """
    inputs = keras.Input(input_shape)
    x = _conv_norm(inputs, 16, 3, 1, "stem")
    x = layers.ReLU(name="stem_relu")(x)
    for stage, filters in enumerate((16, 32, 64), start=1):
        for block in range(1, n + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            x = _block(x, filters, stride, projection, f"stage{stage}_block{block}")
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=name)


def _conv_norm(x: keras.KerasTensor, filters: int, size: int, stride: int, name: str) -> keras.KerasTensor:
    x = layers.Conv2D(
        filters, size, strides=stride, padding="same", use_bias=False,
        kernel_initializer="he_normal", name=f"{name}_conv",
    )(x)  # fmt: skip
    return layers.BatchNormalization(**BATCH_NORM, name=f"{name}_bn")(x)


def _block(x: keras.KerasTensor, filters: int, stride: int, projection: bool, name: str) -> keras.KerasTensor:
    shortcut = x
    if stride != 1 and projection:
        shortcut = _conv_norm(x, filters, 1, stride, f"{name}_shortcut")
    elif stride != 1:
        missing = filters - x.shape[-1]
        before = missing // 2
        shortcut = ops.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), (before, missing - before)))
    y = layers.ReLU(name=f"{name}_relu1")(_conv_norm(x, filters, 3, stride, f"{name}_1"))
    y = layers.Add(name=f"{name}_add")([_conv_norm(y, filters, 3, 1, f"{name}_2"), shortcut])
    return layers.ReLU(name=f"{name}_relu2")(y)
