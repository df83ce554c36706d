"""Residual networks for small images (He, Zhang, Ren and Sun 2015, section 4.2): 6n + 2 layers."""

from __future__ import annotations

import keras
from keras import layers

from crosstrain.zoo.layers import scaled
from crosstrain.zoo.residual.parts import conv, conv_norm, norm_relu, padded_shortcut


def residual(
    input_shape: tuple[int, ...] = (32, 32, 3), classes: int = 10, *, n: int = 3, projection: bool = False,
    width: float = 1.0,
) -> keras.Model:  # fmt: skip
    """Three stages of n blocks with 16, 32 and 64 maps; stages two and three begin with stride 2.

    Where a block changes the shape, its shortcut takes every second pixel and adds zero maps (option A)
    or projects by a 1×1 convolution with stride 2 (option B, ``projection``). Kernels are he_normal and
    have no bias, BatchNorm follows each; logits, (batch, classes).

    The paper's table 6 gives option A's millions of parameters: 0.27, 0.46, 0.66, 0.85, 1.7 and 19.4 for 20,
    32, 44, 56, 110 and 1202 layers.
    """
    inputs = keras.Input(input_shape)
    x = conv_norm(inputs, scaled(16, width), 3, 1, "stem")
    x = layers.ReLU(name="stem_relu")(x)
    for filters, stride, name in _blocks(n, width):
        x = _block(x, filters, stride, projection, name)
    x = layers.GlobalAveragePooling2D()(x)
    name = f"resnet{6 * n + 2}{'-b' if projection else ''}"
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=name)


def preactivated(
    input_shape: tuple[int, ...] = (32, 32, 3), classes: int = 10, *, n: int = 3, width: float = 1.0
) -> keras.Model:
    """The same with full pre-activation (He, Zhang, Ren and Sun, "Identity mappings in deep residual
    networks", 2016, figure 1 b and appendix): BatchNorm and ReLU stand before each convolution, nothing
    after the addition.

    The first block shares its activation with its shortcut, the last is followed by a BatchNorm and a ReLU.
    Shortcuts are of option A; logits, (batch, classes).
    """
    inputs = keras.Input(input_shape)
    x = norm_relu(conv(inputs, scaled(16, width), 3, 1, "stem"), "stem")
    for number, (filters, stride, name) in enumerate(_blocks(n, width)):
        y = norm_relu(x, f"{name}_1") if number else x
        y = norm_relu(conv(y, filters, 3, stride, f"{name}_1"), f"{name}_2")
        y = conv(y, filters, 3, 1, f"{name}_2")
        x = layers.Add(name=f"{name}_add")([y, padded_shortcut(x, filters, stride) if stride > 1 else x])
    x = layers.GlobalAveragePooling2D()(norm_relu(x, "last"))
    name = f"resnet{6 * n + 2}-preact"
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=name)


def _blocks(n: int, width: float) -> list[tuple[int, int, str]]:
    """Maps, stride and name of each block."""
    return [
        (scaled(filters, width), 2 if stage > 1 and block == 1 else 1, f"stage{stage}_block{block}")
        for stage, filters in enumerate((16, 32, 64), start=1)
        for block in range(1, n + 1)
    ]


def _block(x: keras.KerasTensor, filters: int, stride: int, projection: bool, name: str) -> keras.KerasTensor:
    shortcut = x
    if stride != 1 and projection:
        shortcut = conv_norm(x, filters, 1, stride, f"{name}_shortcut")
    elif stride != 1:
        shortcut = padded_shortcut(x, filters, stride)
    y = layers.ReLU(name=f"{name}_relu1")(conv_norm(x, filters, 3, stride, f"{name}_1"))
    y = layers.Add(name=f"{name}_add")([conv_norm(y, filters, 3, 1, f"{name}_2"), shortcut])
    return layers.ReLU(name=f"{name}_relu2")(y)
