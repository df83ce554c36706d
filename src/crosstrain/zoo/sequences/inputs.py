"""What networks for sequences begin with, whatever the data: steps of numbers."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

EMBEDDING = 64
"""Numbers for each token, where a network does not say otherwise."""


def steps(
    input_shape: tuple[int, ...], vocabulary: int = 0, *, size: int = EMBEDDING, masked: bool = False
) -> tuple[Any, Any]:
    """An input, and the same as (batch, steps, numbers).

    (steps, variables) stay as they are; with a ``vocabulary``, (steps,) are tokens, embedded in ``size``
    numbers, and padding (0) is ``masked`` on request; other (steps,) are one number each; the rows of a
    picture (height, width, channels) are steps. ``ValueError`` for tokens of another shape.
    """
    if vocabulary and len(input_shape) != 1:
        raise ValueError(f"tokens come as (steps,), and the data is {'×'.join(map(str, input_shape))}")
    if vocabulary:
        inputs = keras.Input(input_shape, dtype="int32")
        return inputs, layers.Embedding(vocabulary, size, mask_zero=masked, name="embedding")(inputs)
    inputs = keras.Input(input_shape)
    if len(input_shape) == 1:
        return inputs, layers.Reshape((*input_shape, 1), name="steps")(inputs)
    if len(input_shape) == 3:
        height, width, channels = input_shape
        return inputs, layers.Reshape((height, width * channels), name="rows")(inputs)
    return inputs, inputs
