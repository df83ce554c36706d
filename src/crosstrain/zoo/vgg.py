"""The networks of Oxford's Visual Geometry Group."""

from __future__ import annotations

import keras
from keras import layers

from crosstrain.zoo.layers import scaled

CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions before each pooling, by depth: the columns A, B, D and E of the paper's table 1."""


def vgg(
    input_shape: tuple[int, ...] = (224, 224, 3), classes: int = 1000, *, depth: int = 16, width: float = 1.0,
    dropout: float = 0.5,
) -> keras.Model:  # fmt: skip
    """VGG (Simonyan and Zisserman, ICLR 2015, tables 1 and 2) of 11, 13, 16 or 19 layers: 132,863,336,
    133,047,848, 138,357,544 and 143,667,240 parameters.

    3×3 convolutions of 64, 128, 256, 512 and 512 maps, each stage pooled, then 4096, 4096 and ``classes``.
    Glorot's initial weights: the paper began the deep ones from the trained shallow one and found later
    (section 3.1) that Glorot's do as well. Logits, (batch, classes).
    """
    inputs = x = keras.Input(input_shape)
    for stage, (count, maps) in enumerate(zip(CONVOLUTIONS[depth], (64, 128, 256, 512, 512), strict=True), 1):
        for number in range(1, count + 1):
            conv = layers.Conv2D(
                scaled(maps, width), 3, padding="same", activation="relu", name=f"conv{stage}_{number}"
            )
            x = conv(x)
        x = layers.MaxPooling2D(2, name=f"pool{stage}")(x)
    x = layers.Flatten()(x)
    for name in ("fc6", "fc7"):
        x = layers.Dense(scaled(4096, width), activation="relu", name=name)(x)
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=f"vgg{depth}")
