"""IDSIA's traffic-sign network."""

from __future__ import annotations

import keras
from keras import layers

from crosstrain.zoo.layers import scaled


def idsia(
    input_shape: tuple[int, ...] = (48, 48, 3), classes: int = 43, *, units: int = 300, width: float = 1.0
) -> keras.Model:
    """One column of the committee that won the German Traffic Sign Recognition Benchmark (Cireşan,
    Meier, Masci and Schmidhuber, IJCNN 2011, table I): 1,793,943 parameters at 48×48×3 and 43 classes.

    100 maps 3×3, pool, 150 maps 4×4, pool, 250 maps 3×3, pool, 300 ``units``. Later comparisons have other
    dense layers: 230 units in a Russian study's table, 200 in its public code. ``width`` scales maps and
    units. ReLU in place of the scaled tanh, as in the later comparisons; logits, (batch, classes).
    """
    conv = {"activation": "relu", "kernel_initializer": "he_normal"}
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(scaled(100, width), 3, **conv),
            layers.MaxPooling2D(2),
            layers.Conv2D(scaled(150, width), 4, **conv),
            layers.MaxPooling2D(2),
            layers.Conv2D(scaled(250, width), 3, **conv),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(scaled(units, width), activation="relu", kernel_initializer="he_normal"),
            layers.Dense(classes, name="logits"),
        ],
        name="idsia",
    )
