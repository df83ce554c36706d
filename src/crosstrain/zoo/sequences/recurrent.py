"""Recurrent networks: one state that goes from step to step."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
from keras import layers

from crosstrain.zoo.sequences.inputs import steps

WINDOW = (20, 1)
"""Twenty steps of one variable."""
CELLS: dict[str, Any] = {"rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}


def recurrent(
    input_shape: tuple[int, ...] = WINDOW, classes: int = 1, *, cell: str = "lstm", units: int = 64,
    depth: int = 1, both_ways: bool = False, dropout: float = 0.0, truncate: int = 0, vocabulary: int = 0,
) -> keras.Model:  # fmt: skip
    """``depth`` recurrent layers of ``units``, the last one's final state into a dense layer.

    ``cell`` is ``rnn`` (a tanh of input and state: Rumelhart, Hinton and Williams 1986), ``lstm`` (Hochreiter
    and Schmidhuber 1997, with the forget gate of Gers et al. 2000 and without peepholes) or ``gru`` (Cho et
    al. 2014, with Keras's reset after the product, as cuDNN has it). ``both_ways`` adds a layer that reads
    backwards (Schuster and Paliwal 1997). The orthogonal start of the recurrent weights and the forget gate's
    bias of 1 are Keras's. Padding of texts is masked. ``truncate`` ends back-propagation at the borders of
    windows of so many steps (``in_windows``). Output (batch, classes): scores, or numbers to predict.
    ``ValueError`` where layers read backwards, or padding is masked, in windows.
    """
    if truncate and (both_ways or vocabulary):
        what = "texts with labels, whose padding is masked" if vocabulary else "layers that read backwards"
        raise ValueError(f"truncate={truncate} carries a state between windows, which is not done for {what}")
    inputs, x = steps(input_shape, vocabulary, masked=True)
    for number in range(1, depth + 1):
        layer = recurrent_layer(cell, units, f"{cell}{number}", truncate, every_step=number < depth)
        x = (layers.Bidirectional(layer, name=f"both{number}") if both_ways else layer)(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"dropout{number}")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=cell)


def language_model(
    input_shape: tuple[int, ...] = (64,), classes: int = 65, *, cell: str = "lstm", units: int = 128,
    depth: int = 1, dropout: float = 0.0, truncate: int = 0, vocabulary: int = 65,
) -> keras.Model:  # fmt: skip
    """A recurrent language model (Mikolov et al. 2010): embedded tokens, ``depth`` recurrent layers of
    ``units``, scores of the next token at every step.

    ``cell`` is that of ``recurrent``: ``rnn`` is Mikolov's, ``lstm`` that of Karpathy's char-rnn (2015).
    ``truncate`` ends back-propagation at the borders of windows of so many steps, as both train
    (``in_windows``). Logits, (batch, steps, classes).
    """
    inputs, x = steps(input_shape, vocabulary)
    for number in range(1, depth + 1):
        x = recurrent_layer(cell, units, f"{cell}{number}", truncate, every_step=True)(x)
        x = layers.Dropout(dropout, name=f"dropout{number}")(x) if dropout else x
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="rnn-lm")


def recurrent_layer(cell: str, units: int, name: str, truncate: int, *, every_step: bool) -> Any:
    """A recurrent layer to be called with (batch, steps, numbers), in windows of ``truncate`` steps (0: of
    all). ``ValueError`` for a cell that there is not."""
    if cell not in CELLS:
        raise ValueError(f"cell is {', '.join(CELLS)}, not {cell!r}")
    if not truncate:
        return CELLS[cell](units, return_sequences=every_step, name=name)
    layer = CELLS[cell](units, return_sequences=every_step, return_state=True, name=name)
    return partial(in_windows, layer, truncate)


def in_windows(layer: Any, truncate: int, x: Any) -> Any:
    """Truncated back-propagation through time (Williams and Peng 1990; Sutskever 2013, section 2.8.6).

    ``layer``, a recurrent one that returns its states, reads ``x`` (batch, steps, numbers) in windows of
    ``truncate`` steps. Each begins with the states in which the one before ended, and no gradient flows back
    through these: values are those of the layer over all steps, a step's gradient reaches back to its
    window's first step. The last window may be shorter. Weights are updated once for all windows of an
    example. Output: that of every step, (batch, steps, units), or of the last one, as ``layer`` returns it.
    ``ValueError`` for windows of less than one step.
    """
    if truncate < 1:
        raise ValueError(f"truncate is a number of steps, 1 or more (0: all), not {truncate}")
    outputs, state = [], None
    for start in range(0, x.shape[1], truncate):
        output, *last = layer(x[:, start : start + truncate], initial_state=state)
        state = [keras.ops.stop_gradient(each) for each in last]
        outputs.append(output)
    if not layer.return_sequences:
        return outputs[-1]
    return layers.Concatenate(axis=1, name=f"{layer.name}_steps")(outputs) if len(outputs) > 1 else outputs[0]


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
