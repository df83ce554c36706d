"""Recurrent networks: one state that goes from step to step."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from crosstrain.zoo.sequences.inputs import steps

WINDOW = (20, 1)
"""Twenty steps of one variable."""
CELLS: dict[str, Any] = {"rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}


def recurrent(
    input_shape: tuple[int, ...] = WINDOW, classes: int = 1, *, cell: str = "lstm", units: int = 64,
    depth: int = 1, both_ways: bool = False, dropout: float = 0.0, vocabulary: int = 0,
) -> keras.Model:  # fmt: skip
    """``depth`` recurrent layers of ``units``, the last one's final state into a dense layer.

    ``cell`` is ``rnn`` (a tanh of input and state: Rumelhart, Hinton and Williams 1986), ``lstm`` (Hochreiter
    and Schmidhuber 1997, with the forget gate of Gers et al. 2000 and without peepholes) or ``gru`` (Cho et
    al. 2014, with Keras's reset after the product, as cuDNN has it). ``both_ways`` adds a layer that reads
    backwards (Schuster and Paliwal 1997). The orthogonal start of the recurrent weights and the forget gate's
    bias of 1 are Keras's. Padding of texts is masked. Output (batch, classes): scores, or numbers to predict.
    """
    inputs, x = steps(input_shape, vocabulary, masked=True)
    for number in range(1, depth + 1):
        layer = CELLS[cell](units, return_sequences=number < depth, name=f"{cell}{number}")
        x = (layers.Bidirectional(layer, name=f"both{number}") if both_ways else layer)(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"dropout{number}")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=cell)


def seq2seq(input_shape: tuple[int, ...] = WINDOW, classes: int = 12, *, units: int = 64) -> keras.Model:
    """An encoder and a decoder with attention, for forecasts of ``classes`` steps.

    The LSTM encoder's last states are the decoder's first (Sutskever, Vinyals and Le 2014); at each step
    ahead the decoder attends to all of the encoder's outputs by their dot products with its own (Luong, Pham
    and Manning 2015, section 3.1), and one dense layer makes a number of both. The decoder sees the encoder's
    last output at every step, not its own last forecast: nothing is fed back in training, and nothing is
    unlike it afterwards. Output (batch, classes), a number for each step ahead.
    """
    inputs, x = steps(input_shape)
    encoded, hidden, cell = layers.LSTM(units, return_sequences=True, return_state=True, name="encoder")(x)
    repeated = layers.RepeatVector(classes, name="ahead")(hidden)
    decoded = layers.LSTM(units, return_sequences=True, name="decoder")(
        repeated, initial_state=[hidden, cell]
    )
    attended = layers.Attention(name="attention")([decoded, encoded])
    both = layers.Concatenate(name="both")([decoded, attended])
    both = layers.Dense(units, activation="tanh", name="attentional")(both)
    outputs = layers.Reshape((classes,), name="forecast")(layers.Dense(1, name="numbers")(both))
    return keras.Model(inputs, outputs, name="seq2seq")
