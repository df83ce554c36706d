"""The LeNet family."""

from __future__ import annotations

import keras
from keras import layers

from crosstrain.zoo.layers import scaled


def lenet1(
    input_shape: tuple[int, ...] = (28, 28, 1), classes: int = 10, *, width: float = 1.0
) -> keras.Model:
    """LeNet-1 (LeCun et al. 1990, figure 3): 3,246 parameters at 28×28×1.

    The paper's has 2,578: its twelve maps of the second convolution each read one or two of the first four,
    here all four; its poolings have a weight and a bias, here none. Logits, (batch, classes).
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(scaled(4, width), 5, activation="tanh", name="h1"),
            layers.AveragePooling2D(2, name="h2"),
            layers.Conv2D(scaled(12, width), 5, activation="tanh", name="h3"),
            layers.AveragePooling2D(2, name="h4"),
            layers.Flatten(),
            layers.Dense(classes, name="logits"),
        ],
        name="lenet1",
    )


def lenet5(
    input_shape: tuple[int, ...] = (32, 32, 1), classes: int = 10, *, width: float = 1.0
) -> keras.Model:
    """LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998, figure 2): 61,706 parameters at 32×32×1.

    C1 6 maps 5×5, S2, C3 16 maps 5×5, S4, C5 120, F6 84, output; tanh. In the form in which it is compared
    today: C3 sees all maps of S2 (the paper's table I leaves some out, for 60,000 parameters), pooling has
    no coefficients of its own, and the output gives logits, (batch, classes), in place of RBF units.
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Conv2D(scaled(6, width), 5, activation="tanh", name="c1"),
            layers.AveragePooling2D(2, name="s2"),
            layers.Conv2D(scaled(16, width), 5, activation="tanh", name="c3"),
            layers.AveragePooling2D(2, name="s4"),
            layers.Flatten(),
            layers.Dense(scaled(120, width), activation="tanh", name="c5"),
            layers.Dense(scaled(84, width), activation="tanh", name="f6"),
            layers.Dense(classes, name="logits"),
        ],
        name="lenet5",
    )
