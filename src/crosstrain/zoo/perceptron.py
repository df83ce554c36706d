"""Single-layer and multi-layer perceptrons."""

from __future__ import annotations

import keras
from keras import layers

from crosstrain.zoo.layers import scaled


def perceptron(input_shape: tuple[int, ...] = (28, 28, 1), classes: int = 10) -> keras.Model:
    """The linear classifier of LeCun, Bottou, Bengio and Haffner 1998, section III.C.1: 7,850 parameters.

    Rosenblatt's 1958 perceptron with a differentiable loss in place of its threshold. Logits,
    (batch, classes).
    """
    return keras.Sequential(
        [keras.Input(input_shape), layers.Flatten(), layers.Dense(classes, name="logits")], name="perceptron"
    )


def mlp(input_shape: tuple[int, ...] = (28, 28, 1), classes: int = 10, *, width: float = 1.0) -> keras.Model:
    """The fully connected 28×28-300-100-10 network of LeCun, Bottou, Bengio and Haffner 1998, section
    III.C.4: 266,610 parameters. ReLU in place of the paper's scaled tanh; logits, (batch, classes)."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Flatten(),
            layers.Dense(scaled(300, width), activation="relu", kernel_initializer="he_normal"),
            layers.Dense(scaled(100, width), activation="relu", kernel_initializer="he_normal"),
            layers.Dense(classes, name="logits"),
        ],
        name="mlp",
    )
