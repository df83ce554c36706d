"""The simple recurrent networks, on pictures read line by line."""

from __future__ import annotations

import math

import keras
from keras import layers

from crosstrain.layers import JordanCell
from crosstrain.zoo.layers import scaled


def elman(
    input_shape: tuple[int, ...] = (28, 28, 1), classes: int = 10, *, width: float = 1.0
) -> keras.Model:
    """Elman's network (Elman 1990, figure 2) with 100 hidden units: 13,910 parameters at 28×28.

    The hidden units also hear what they said a step before. A step is a line of the picture, from the top;
    Elman's are bits, letters and words. Errors go back through all steps, and the units are tanh, where
    Elman has logistic units and takes the context as an input. Logits after the last line, (batch, classes).
    """
    return keras.Sequential(
        [
            *_lines(input_shape),
            layers.SimpleRNN(scaled(100, width), name="hidden"),
            layers.Dense(classes, name="logits"),
        ],
        name="elman",
    )


def jordan(
    input_shape: tuple[int, ...] = (28, 28, 1),
    classes: int = 10,
    *,
    width: float = 1.0,
    memory: float = 0.5,
) -> keras.Model:
    """Jordan's network (Jordan 1986, figure 3) with 100 hidden units: 4,910 parameters at 28×28.

    The hidden units also hear what the network answered before; ``memory`` is the share of that which stays
    from step to step. A step is a line of the picture, from the top; Jordan's network produces sequences of
    movements. Errors go back through all steps; the hidden units are tanh. Logits after the last line,
    (batch, classes).
    """
    return keras.Sequential(
        [*_lines(input_shape), layers.RNN(JordanCell(scaled(100, width), classes, memory), name="logits")],
        name="jordan",
    )


def _lines(input_shape: tuple[int, ...]) -> list[keras.layers.Layer]:
    """The picture as a sequence: (batch, height, width · channels)."""
    height, *line = input_shape
    return [keras.Input(input_shape), layers.Reshape((height, math.prod(line)), name="lines")]
