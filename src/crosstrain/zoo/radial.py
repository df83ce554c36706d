"""Radial basis networks."""

from __future__ import annotations

import keras
from keras import layers

from crosstrain.layers import RadialBasis
from crosstrain.zoo.layers import scaled


def rbf(input_shape: tuple[int, ...] = (28, 28, 1), classes: int = 10, *, width: float = 1.0) -> keras.Model:
    """The radial basis network of LeCun, Bottou, Bengio and Haffner 1998, section III.C: 1,000 Gaussian units
    on the pixels and a linear layer, 795,010 parameters (the network is Broomhead and Lowe's, 1988).

    The paper places the centres by k-means, 100 for each class, and solves for the linear layer; here all
    weights are trained together. Logits, (batch, classes).
    """
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Flatten(),
            RadialBasis(scaled(1000, width), name="radial"),
            layers.Dense(classes, name="logits"),
        ],
        name="rbf",
    )
