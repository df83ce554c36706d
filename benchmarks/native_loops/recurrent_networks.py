"""The grid of recurrent networks: an embedding of 128, one or two layers of 128 units or one in both
directions, and two classes. A name is CELL-LAYERS-STEPS: lstm-1-100, gru-2-20, simple_rnn-both-400.

The file stands alone: workers load it as ``file.py:lstm_1_100``."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

CELLS = ("lstm", "gru", "simple_rnn")
LAYERS = ("1", "2", "both")
STEPS = ("20", "100", "400")
GRID = tuple("-".join(cell) for cell in itertools.product(CELLS, LAYERS, STEPS))

VOCABULARY, UNITS, CLASSES = 5000, 128, 2


def build(cell: str, layers: str, steps: str) -> keras.Model:
    """Tokens (batch, steps) to the logits (batch, 2) of the last step."""
    import keras

    kinds = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "simple_rnn": keras.layers.SimpleRNN}
    layer = kinds[cell]
    if layers == "both":
        body = [keras.layers.Bidirectional(layer(UNITS))]
    else:
        body = [layer(UNITS, return_sequences=number < int(layers)) for number in range(1, int(layers) + 1)]
    return keras.Sequential(
        [
            keras.Input((int(steps),), dtype="int32"),
            keras.layers.Embedding(VOCABULARY, UNITS),
            *body,
            keras.layers.Dense(CLASSES),
        ],
        name=f"{cell}_{layers}_{steps}",
    )


def _maker(name: str) -> Callable[[], keras.Model]:
    return lambda: build(*name.split("-"))


globals().update({name.replace("-", "_"): _maker(name) for name in GRID})
