"""Recurrent layers: the native three as one op each, any other cell by writing out its steps."""

from __future__ import annotations

from typing import Any

import keras
from keras import activations as ka
from keras import layers as kl

from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import.layers.native import unmasked
from crosstrain.graph.keras_import.layers.noise import noisy
from crosstrain.graph.keras_import.registry import native
from crosstrain.graph.keras_import.trace import Tracer

LONGEST = 256
"""Most steps of a cell that is not native that are written out one by one."""

ACTIVATIONS = {
    ka.tanh: "tanh", ka.sigmoid: "sigmoid", ka.relu: "relu", ka.linear: "linear",
    ka.hard_sigmoid: "hard_sigmoid",
    ka.elu: "elu", ka.selu: "selu", ka.softplus: "softplus", ka.softsign: "softsign", ka.silu: "silu",
    ka.exponential: "exp", ka.hard_silu: "hard_silu", ka.relu6: "relu6", ka.softmax: "softmax",
}  # fmt: skip
"""Keras's activation functions that are ops without settings."""


def named(t: Tracer, function: Any) -> str:
    name = "linear" if function is None else ACTIVATIONS.get(function)
    if name is None:
        known = ", ".join(sorted(set(ACTIVATIONS.values())))
        raise CrosstrainError(
            f"{t.where} has the activation {getattr(function, '__name__', function)!r}; in a recurrent "
            f"layer crosstrain has {known}"
        )
    return name


def begun(t: Tracer, layer: Any, mask: Any, initial_state: Any) -> list[Any]:
    """The states to start from ([] for zeros), after refusing what crosstrain lacks."""
    unmasked(t, None if mask is None or all(m is None for m in keras.tree.flatten(mask)) else mask)
    if layer.stateful:
        raise CrosstrainError(
            f"{t.where} keeps its state from batch to batch (stateful=True), which crosstrain has no form of"
        )
    if initial_state is None:
        return []
    return list(initial_state) if isinstance(initial_state, list | tuple) else [initial_state]


def with_dropout(t: Tracer, layer: Any, x: Any, training: Any) -> Any:
    """Dropout on the inputs: one mask for all steps, as Keras has it."""
    cell = layer.cell
    if cell.recurrent_dropout:
        raise CrosstrainError(
            f"{t.where} has recurrent_dropout, which crosstrain has no form of; use dropout"
        )
    if not cell.dropout:
        return x
    if getattr(cell, "implementation", 2) == 1:
        raise CrosstrainError(
            f"{t.where} has dropout with implementation=1 (a mask for each gate); use implementation=2"
        )
    return noisy(
        t, "dropout", cell.dropout, training, x, rate=float(cell.dropout), noise_shape=(None, 1, None)
    )


def ended(t: Tracer, layer: Any, outputs: Any, states: list[Any]) -> Any:
    result = outputs if layer.return_sequences else states[0]
    return (result, *states) if layer.return_state else result


@native(kl.SimpleRNN, kl.LSTM, kl.GRU)
def recurrent(
    t: Tracer, layer: Any, x: Any, initial_state: Any = None, mask: Any = None, training: Any = None, **_: Any
) -> Any:
    states = begun(t, layer, mask, initial_state)
    cell = layer.cell
    x = with_dropout(t, layer, t.cast(x, "float32"), training)
    weights = (cell.kernel, cell.recurrent_kernel, cell.bias if cell.use_bias else None)
    settings = {"activation": named(t, cell.activation), "backwards": bool(layer.go_backwards)}
    if isinstance(layer, kl.SimpleRNN):
        made = t.op.simple_rnn(x, *weights, *(states or [None]), **settings)
    else:
        settings["recurrent_activation"] = named(t, cell.recurrent_activation)
        if isinstance(layer, kl.LSTM):
            made = t.op.lstm(x, *weights, *(states or [None, None]), **settings)
        else:
            made = t.op.gru(x, *weights, *(states or [None]), reset_after=bool(cell.reset_after), **settings)
    outputs, *last = made
    return ended(t, layer, outputs, last)


@native(kl.RNN, kl.ConvLSTM1D, kl.ConvLSTM2D, kl.ConvLSTM3D)
def written_out(
    t: Tracer, layer: Any, x: Any, initial_state: Any = None, mask: Any = None, training: Any = None, **_: Any
) -> Any:
    """A recurrent layer whose cell is not native: the cell is traced once for each step."""
    given = begun(t, layer, mask, initial_state)
    steps = x.shape[1]
    if steps is None or steps > LONGEST:
        raise CrosstrainError(
            f"{t.where} has a cell of its own, which crosstrain writes out step by step; that needs a "
            f"fixed length of at most {LONGEST}"
        )
    if given:
        state: Any = given
    elif isinstance(layer, kl.RNN) and type(layer) is not kl.RNN:
        state = layer.get_initial_state(t.batch_size(x))
    else:
        state = layer.get_initial_state(batch_size=t.batch_size(x))
    nested = keras.tree.is_nested(state)
    state = list(state) if nested else [state]
    outputs = []
    for step in range(steps)[:: -1 if layer.go_backwards else 1]:
        output, state = layer.cell(x[:, step], state)
        state = list(state) if keras.tree.is_nested(state) else [state]
        outputs.append(output)
    result = t.op.stack(*outputs, axis=1) if layer.return_sequences else outputs[-1]
    return (result, *state) if layer.return_state else result


def sees_the_batch(layer: Any) -> bool:
    """Whether one example's output may depend on the others (so that time must not join the batch)."""
    inner = layer._flatten_layers()
    return any(
        not type(x).__module__.startswith("keras.") or isinstance(x, kl.BatchNormalization) for x in inner
    )


@native(kl.TimeDistributed)
def time_distributed(t: Tracer, layer: Any, x: Any, training: Any = None, mask: Any = None, **_: Any) -> Any:
    """The inner layer at every step: time joins the batch where examples do not mix."""
    unmasked(t, mask)
    if type(layer.layer) is kl.Dense:
        return layer.layer(x)
    steps = x.shape[1]
    if steps is None or None in x.shape[2:]:
        raise CrosstrainError(
            f"{t.where} goes over an unknown number of steps; give the input a fixed length"
        )
    given = {} if training is None or not layer.layer._call_has_training_arg else {"training": training}
    if sees_the_batch(layer.layer):
        return t.op.stack(*[layer.layer(x[:, i], **given) for i in range(steps)], axis=1)
    inner = layer.layer(t.op.reshape(x, shape=(-1, *x.shape[2:])), **given)
    return t.op.reshape(inner, shape=(-1, steps, *inner.shape[1:]))


@native(kl.Bidirectional)
def bidirectional(
    t: Tracer, layer: Any, x: Any, initial_state: Any = None, mask: Any = None, training: Any = None, **_: Any
) -> Any:
    """Keras's own call, without its way around to fused kernels."""
    unmasked(t, mask)
    half = len(initial_state) // 2 if initial_state is not None else 0
    states = (initial_state[:half], initial_state[half:]) if half else (None, None)
    given = {} if training is None else {"training": training}
    both = [
        inner(x, initial_state=state, **given)
        for inner, state in zip((layer.forward_layer, layer.backward_layer), states, strict=True)
    ]
    ahead, back = ([b] if not isinstance(b, list | tuple) else list(b) for b in both)
    y, reverse, last = ahead[0], back[0], (*ahead[1:], *back[1:])
    if layer.return_sequences:
        reverse = t.op.flip(reverse, axis=1)
    merged = {
        "concat": lambda: t.op.concatenate(y, reverse, axis=-1),
        "sum": lambda: t.op.add(y, reverse),
        "ave": lambda: t.op.divide(t.op.add(y, reverse), 2.0),
        "mul": lambda: t.op.multiply(y, reverse),
        None: lambda: (y, reverse),
    }[layer.merge_mode]()
    if not layer.return_state:
        return merged
    return (*merged, *last) if layer.merge_mode is None else (merged, *last)
