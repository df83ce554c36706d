"""Convolutions over time, alone and before a recurrent layer."""

from __future__ import annotations

import keras
from keras import layers

from crosstrain.zoo.sequences.inputs import steps
from crosstrain.zoo.sequences.recurrent import WINDOW


def conv1d(
    input_shape: tuple[int, ...] = WINDOW, classes: int = 1, *, filters: int = 64, width: int = 3,
    dropout: float = 0.5, vocabulary: int = 0,
) -> keras.Model:  # fmt: skip
    """Filters over ``width``, ``width`` + 1 and ``width`` + 2 steps, each one's maximum over time, dropout,
    and a dense layer: the convolutional network for sentences of Kim 2014, section 2, with 64 filters of each
    width in place of 100 and an embedding that is learned from the start. Output (batch, classes)."""
    inputs, x = steps(input_shape, vocabulary)
    parts = [
        layers.GlobalMaxPooling1D(name=f"max{w}")(
            layers.Conv1D(filters, w, padding="same", activation="relu", name=f"conv{w}")(x)
        )
        for w in range(width, width + 3)
    ]
    x = layers.Dropout(dropout, name="dropout")(layers.Concatenate(name="all")(parts))
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="conv1d")


def tcn(
    input_shape: tuple[int, ...] = WINDOW, classes: int = 1, *, filters: int = 32, width: int = 3,
    depth: int = 4, dropout: float = 0.0, vocabulary: int = 0,
) -> keras.Model:  # fmt: skip
    """The temporal convolutional network of Bai, Kolter and Koltun 2018, section 3: ``depth`` residual blocks
    of two causal convolutions whose dilation doubles from block to block, the last step into a dense layer.

    A block sees 2 · (``width`` - 1) · dilation steps further back. Layer normalisation stands where the paper
    normalises weights, dropout (of single numbers, not of whole maps) is off unless asked for. Output (batch,
    classes).
    """
    inputs, x = steps(input_shape, vocabulary)
    for block in range(depth):
        y = x
        for half in (1, 2):
            name = f"block{block + 1}_{half}"
            y = layers.Conv1D(filters, width, padding="causal", dilation_rate=2**block, name=f"{name}_conv")(
                y
            )
            y = layers.Activation("relu", name=f"{name}_relu")(
                layers.LayerNormalization(name=f"{name}_norm")(y)
            )
            if dropout:
                y = layers.Dropout(dropout, name=f"{name}_dropout")(y)
        if x.shape[-1] != filters:
            x = layers.Conv1D(filters, 1, name=f"block{block + 1}_shortcut")(x)
        x = layers.Activation("relu", name=f"block{block + 1}")(
            layers.Add(name=f"block{block + 1}_add")([x, y])
        )
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x[:, -1]), name="tcn")


def cnn_lstm(
    input_shape: tuple[int, ...] = WINDOW, classes: int = 1, *, filters: int = 32, units: int = 64,
    vocabulary: int = 0,
) -> keras.Model:  # fmt: skip
    """A convolution over time, pooling, an LSTM and a dense layer, as Sainath et al. 2015 order them for
    speech.

    For series and texts; pictures are read row by row. Output (batch, classes).
    """
    inputs, x = steps(input_shape, vocabulary)
    x = layers.Conv1D(filters, 3, padding="same", activation="relu", name="conv")(x)
    x = layers.MaxPooling1D(2, padding="same", name="pool")(x)
    x = layers.LSTM(units, name="lstm")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="cnn-lstm")
