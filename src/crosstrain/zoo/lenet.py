"""The LeNet family."""

from __future__ import annotations

import keras
from keras import layers


def lenet5(input_shape: tuple[int, ...] = (32, 32, 1), classes: int = 10) -> keras.Model:
    """LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998, figure 2): 61,706 parameters at 32×32×1.

    C1 6 maps 5×5, S2, C3 16 maps 5×5, S4, C5 120, F6 84, output; tanh. In the form in which it is
    compared today: C3 sees all maps of S2 (the paper's table I leaves some out), pooling has no
    coefficients of its own, and the output gives logits, (batch, classes), in place of RBF units.
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(6, 5, activation="tanh", name="c1"),
            layers.AveragePooling2D(2, name="s2"),
            layers.Conv2D(16, 5, activation="tanh", name="c3"),
            layers.AveragePooling2D(2, name="s4"),
            layers.Flatten(),
            layers.Dense(120, activation="tanh", name="c5"),
            layers.Dense(84, activation="tanh", name="f6"),
            layers.Dense(classes, name="logits"),
        ],
        name="lenet5",
    )
