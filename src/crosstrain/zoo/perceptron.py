"""Multi-layer perceptrons."""

from __future__ import annotations

import keras
from keras import layers


def mlp(input_shape: tuple[int, ...] = (28, 28, 1), classes: int = 10) -> keras.Model:
    """The fully connected 28×28-300-100-10 network of LeCun, Bottou, Bengio and Haffner 1998, section
    III.C.4: 266,610 parameters. ReLU in place of the paper's scaled tanh; logits, (batch, classes)."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Flatten(),
            layers.Dense(300, activation="relu", kernel_initializer="he_normal"),
            layers.Dense(100, activation="relu", kernel_initializer="he_normal"),
            layers.Dense(classes, name="logits"),
        ],
        name="mlp",
    )
