"""Small networks drawn from a seed: chains of layers that fit each other, sometimes with a branch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import layers

Draw = Callable[[np.random.Generator], keras.layers.Layer]

ACTIVATIONS = ("relu", "tanh", "sigmoid", "elu", "gelu", "silu", "softplus", "leaky_relu", "relu6")


def chosen(generator: np.random.Generator, *options: object) -> object:
    return options[int(generator.integers(len(options)))]


def activation(generator: np.random.Generator) -> str:
    return str(chosen(generator, *ACTIVATIONS))


ANYWHERE: tuple[Draw, ...] = (
    lambda g: layers.Activation(activation(g)),
    lambda g: layers.BatchNormalization(momentum=float(chosen(g, 0.9, 0.99))),
    lambda g: layers.LayerNormalization(),
    lambda g: layers.Dropout(0.3),
)

PICTURES: tuple[Draw, ...] = (
    lambda g: layers.Conv2D(
        int(g.integers(2, 7)), int(g.integers(1, 4)), strides=int(g.integers(1, 3)), padding="same",
        use_bias=bool(g.integers(2)), activation=activation(g),
    ),
    lambda g: layers.DepthwiseConv2D(3, padding="same", depth_multiplier=int(g.integers(1, 3))),
    lambda g: layers.SeparableConv2D(int(g.integers(2, 6)), 3, padding="same"),
    lambda g: layers.Conv2DTranspose(int(g.integers(2, 5)), 3, strides=2, padding="same"),
    lambda g: layers.MaxPooling2D(2, padding="same"),
    lambda g: layers.AveragePooling2D(int(g.integers(2, 4)), strides=1, padding="same"),
    lambda g: layers.UpSampling2D(2, interpolation=str(chosen(g, "nearest", "bilinear"))),
    lambda g: layers.ZeroPadding2D(1),
)  # fmt: skip

SERIES: tuple[Draw, ...] = (
    lambda g: layers.LSTM(int(g.integers(2, 6)), return_sequences=True),
    lambda g: layers.GRU(int(g.integers(2, 6)), return_sequences=True, reset_after=bool(g.integers(2))),
    lambda g: layers.SimpleRNN(int(g.integers(2, 6)), return_sequences=True),
    lambda g: layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
    lambda g: layers.Conv1D(int(g.integers(2, 6)), 3, padding=str(chosen(g, "same", "causal"))),
    lambda g: layers.Dense(int(g.integers(2, 8)), activation=activation(g)),
)  # fmt: skip

VECTORS: tuple[Draw, ...] = (
    lambda g: layers.Dense(int(g.integers(2, 9)), activation=activation(g), use_bias=bool(g.integers(2))),
)

KINDS: tuple[tuple[tuple[int, ...], tuple[Draw, ...], tuple[Draw, ...]], ...] = (
    ((6, 6, 3), PICTURES, (
        lambda g: layers.GlobalAveragePooling2D(), lambda g: layers.GlobalMaxPooling2D(),
        lambda g: layers.Flatten(),
    )),
    ((5, 4), SERIES, (
        lambda g: layers.GlobalAveragePooling1D(), lambda g: layers.GRU(4), lambda g: layers.Flatten(),
    )),
    ((7,), VECTORS, (lambda g: layers.Dense(6, activation="tanh"),)),
)  # fmt: skip
"""Shapes of inputs, the layers between, and those that leave one vector for each example."""


def network(seed: int) -> keras.Model:
    """The network of a seed: two to five layers, one time in three with a branch that is added or joined."""
    generator = np.random.default_rng((seed, 11))
    shape, between, ends = KINDS[int(generator.integers(len(KINDS)))]
    x = inputs = keras.Input(shape)
    for _ in range(int(generator.integers(2, 6))):
        draw = (between + ANYWHERE)[int(generator.integers(len(between) + len(ANYWHERE)))]
        y = draw(generator)(x)
        if generator.random() < 1 / 3 and y.shape[1:-1] == x.shape[1:-1]:
            same = y.shape == x.shape and generator.random() < 0.5
            y = layers.Add()([x, y]) if same else layers.Concatenate()([x, y])
        x = y
    x = ends[int(generator.integers(len(ends)))](generator)(x)
    head = str(chosen(generator, "softmax", "linear"))
    return keras.Model(inputs, layers.Dense(3, activation=head, name="out")(x), name=f"drawn{seed}")


def __getattr__(name: str) -> Callable[[], keras.Model]:
    """``drawn17`` is the function that makes network 17."""
    if name.startswith("drawn") and name[5:].isdigit():
        return lambda: network(int(name[5:]))
    raise AttributeError(name)


PLACE = Path(__file__)
