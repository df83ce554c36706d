"""Networks that read lines of text: scores of labels along the line, for CTC."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from crosstrain.zoo.layers import scaled

LINE = (32, 100, 1)
"""A line 32 pixels high, 100 wide, grey."""


def crnn(
    input_shape: tuple[int, ...] = LINE, classes: int = 37, *, width: float = 1.0, units: int = 256
) -> keras.Model:
    """The convolutional recurrent network of Shi, Bai and Yao 2017, table 1: seven convolutions, of whose
    four poolings two halve the height alone, two bidirectional LSTM layers along the line, scores of each
    label. A dense layer of ``units`` stands between these two, as in the authors' program; the paper's 8.3
    million parameters count it.

    ``width`` multiplies the maps. The last convolution, 2×2 in the paper, is as high as what is left of the
    line, so that lines of another height fit. Label 0 is the blank. Output (batch, steps, classes), logits,
    with a step for every four pixels of the line but one. ``ValueError`` for lines lower than 16 pixels, or
    narrower than 8.
    """
    if len(input_shape) != 3 or input_shape[0] < 16 or input_shape[1] < 8:
        size = "×".join(map(str, input_shape))
        raise ValueError(f"lines are pictures at least 16 pixels high and 8 wide, and the data is {size}")
    inputs = keras.Input(input_shape)
    x = _convolved(inputs, 1, scaled(64, width))
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = _convolved(x, 2, scaled(128, width))
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = _convolved(x, 3, scaled(256, width))
    x = _convolved(x, 4, scaled(256, width))
    x = layers.MaxPooling2D((2, 1), name="pool3")(x)
    x = _convolved(x, 5, scaled(512, width), normalized=True)
    x = _convolved(x, 6, scaled(512, width), normalized=True)
    x = layers.MaxPooling2D((2, 1), name="pool4")(x)
    maps = scaled(512, width)
    x = layers.Conv2D(maps, (x.shape[1], 2), activation="relu", name="conv7")(x)
    x = layers.Reshape((x.shape[2], maps), name="steps")(x)
    x = _both_ways(x, 1, units)
    x = _both_ways(layers.Dense(units, name="between")(x), 2, units)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="crnn")


def _both_ways(x: Any, number: int, units: int) -> Any:
    layer = layers.LSTM(units, return_sequences=True, name=f"lstm{number}")
    return layers.Bidirectional(layer, name=f"both{number}")(x)


def _convolved(x: Any, number: int, maps: int, *, normalized: bool = False) -> Any:
    x = layers.Conv2D(maps, 3, padding="same", name=f"conv{number}")(x)
    if normalized:
        x = layers.BatchNormalization(name=f"norm{number}")(x)
    return layers.ReLU(name=f"relu{number}")(x)
