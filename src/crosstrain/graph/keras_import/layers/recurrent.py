"""Recurrent layers: the three native ones as one op each, any other cell unrolled."""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
from keras import activations as ka
from keras import layers as kl

from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import.layers.noise import noisy
from crosstrain.graph.keras_import.registry import native
from crosstrain.graph.keras_import.tensors import Traced
from crosstrain.graph.keras_import.trace import Tracer

LONGEST = 256
"""The most steps for which a cell that is not native is unrolled."""

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


def start_states(t: Tracer, layer: Any, initial_state: Any) -> list[Any]:
    """The initial states ([] for zeros). Raises ``CrosstrainError`` for stateful layers."""
    if layer.stateful:
        raise CrosstrainError(
            f"{t.where} keeps its state from batch to batch (stateful=True), which crosstrain does not "
            "support; use stateful=False and longer sequences, or pass states on with return_state and "
            "initial_state"
        )
    if initial_state is None:
        return []
    return list(initial_state) if isinstance(initial_state, list | tuple) else [initial_state]


def single_mask(mask: Any) -> Any:
    """The mask of the sequence, or None (Keras passes a list if there are states)."""
    flat = [mask] if isinstance(mask, Traced) else keras.tree.flatten(mask)
    return flat[0] if flat else None


def gates(layer: Any) -> int:
    return {kl.SimpleRNN: 1, kl.GRU: 3, kl.LSTM: 4}[type(layer)]


def with_dropout(t: Tracer, layer: Any, x: Any, weights: Any, training: Any) -> tuple[Any, Any]:
    """(x, weights) with dropout on the inputs: one draw for all steps, as in Keras. If each gate has its own
    draw (implementation=1), the input is multiplied by its kernel here, and the kernel is None."""
    cell = layer.cell
    settings = {"rate": float(cell.dropout), "noise_shape": (None, 1, None)}
    if not cell.dropout:
        return x, weights
    if getattr(cell, "implementation", 2) != 1 or gates(layer) == 1:
        return noisy(t, "dropout", cell.dropout, training, x, **settings), weights
    kernel, recurrent_kernel, bias = weights
    input_bias = bias if bias is None or len(bias.shape) == 1 else bias[0]
    parts = []
    for gate in range(gates(layer)):
        cut = slice(gate * cell.units, (gate + 1) * cell.units)
        dropped = noisy(t, "dropout", cell.dropout, training, x, **settings)
        inputs = [dropped, kernel[:, cut], *([] if input_bias is None else [input_bias[cut]])]
        parts.append(t.op.dense(*inputs))
    recurrent_bias = bias if bias is not None and len(bias.shape) > 1 else None
    return t.op.concatenate(*parts, axis=-1), (None, recurrent_kernel, recurrent_bias)


def recurrent_noise(t: Tracer, layer: Any, x: Any, training: Any) -> Any:
    """The factor of the state before each gate in training (recurrent dropout), or None."""
    rate, count = layer.cell.recurrent_dropout, gates(layer)
    if not rate:
        return None
    one = t.op.full_like(t.cast(x[:, 0, :1], "float32"), value=1.0)
    ones = t.op.tile(one, repeats=(1, count * layer.cell.units))
    drawn = noisy(t, "dropout", rate, training, ones, rate=float(rate))
    return None if drawn is ones else drawn


def layer_outputs(t: Tracer, layer: Any, outputs: Any, states: list[Any]) -> Any:
    zeroed = getattr(layer, "zero_output_for_mask", False)
    result = outputs if layer.return_sequences else outputs[:, -1] if zeroed else states[0]
    return (result, *states) if layer.return_state else result


@native(kl.SimpleRNN, kl.LSTM, kl.GRU)
def recurrent(
    t: Tracer, layer: Any, x: Any, initial_state: Any = None, mask: Any = None, training: Any = None, **_: Any
) -> Any:
    states = start_states(t, layer, initial_state)
    cell, mask = layer.cell, single_mask(mask)
    x = t.cast(x, "float32")
    weights = (cell.kernel, cell.recurrent_kernel, cell.bias if cell.use_bias else None)
    noise = recurrent_noise(t, layer, x, training)
    x, weights = with_dropout(t, layer, x, weights, training)
    settings = {"activation": named(t, cell.activation), "backwards": bool(layer.go_backwards)}
    if not isinstance(layer, kl.SimpleRNN):
        settings["recurrent_activation"] = named(t, cell.recurrent_activation)
    if isinstance(layer, kl.GRU):
        settings["reset_after"] = bool(cell.reset_after)
    op = {kl.SimpleRNN: "simple_rnn", kl.LSTM: "lstm", kl.GRU: "gru"}[type(layer)]
    start = states or [None] * (2 if op == "lstm" else 1)
    if mask is None and noise is None and weights[0] is not None:
        result = t.emit(op, x, *weights, *start, **settings)
    else:
        settings["zero_output"] = bool(layer.zero_output_for_mask)
        mask = mask if mask is None else t.cast(mask, "bool")
        result = t.emit(f"stepwise_{op}", x, mask, noise, *weights, *start, **settings)
    outputs, *last = result
    return layer_outputs(t, layer, outputs, last)


@native(kl.RNN, kl.ConvLSTM1D, kl.ConvLSTM2D, kl.ConvLSTM3D)
def written_out(
    t: Tracer, layer: Any, x: Any, initial_state: Any = None, mask: Any = None, training: Any = None, **_: Any
) -> Any:
    """A recurrent layer whose cell is not native: the cell is traced once for each step."""
    start, mask = start_states(t, layer, initial_state), single_mask(mask)
    steps = x.shape[1]
    if steps is None or steps > LONGEST:
        raise CrosstrainError(
            f"{t.where} has a cell of its own, which crosstrain writes out step by step; that needs a "
            f"fixed length of at most {LONGEST}"
        )
    if start:
        state: Any = start
    elif isinstance(layer, kl.RNN) and type(layer) is not kl.RNN:
        state = layer.get_initial_state(t.batch_size(x))
    else:
        state = layer.get_initial_state(batch_size=t.batch_size(x))
    nested = keras.tree.is_nested(state)
    state = list(state) if nested else [state]
    outputs: list[Any] = []
    for step in range(steps)[:: -1 if layer.go_backwards else 1]:
        output, after = layer.cell(x[:, step], state)
        if mask is not None:
            present = mask[:, step]
            zero = not outputs or getattr(layer, "zero_output_for_mask", False)
            output = select(t, present, output, t.op.full_like(output, value=0) if zero else outputs[-1])
            after = keras.tree.map_structure(partial(select, t, present), after, state_like(after, state))
        state = list(after) if keras.tree.is_nested(after) else [after]
        outputs.append(output)
    result = t.op.stack(*outputs, axis=1) if layer.return_sequences else outputs[-1]
    return (result, *state) if layer.return_state else result


def state_like(after: Any, before: list[Any]) -> Any:
    """The states before a step, in the structure of those after it."""
    return keras.tree.pack_sequence_as(after, keras.tree.flatten(before))


def select(t: Tracer, present: Any, new: Any, old: Any) -> Any:
    """``new`` for the examples whose step is present (N,), ``old`` for the others."""
    shape = (-1,) + (1,) * (len(new.shape) - 1)
    return t.op.where(t.op.reshape(t.cast(present, "bool"), shape=shape), new, old)


def sees_the_batch(layer: Any) -> bool:
    """Whether one example's output may depend on the others (so that time must not be merged into the
    batch)."""
    inner = layer._flatten_layers()
    return any(
        not type(x).__module__.startswith("keras.") or isinstance(x, kl.BatchNormalization) for x in inner
    )


@native(kl.TimeDistributed)
def time_distributed(t: Tracer, layer: Any, x: Any, training: Any = None, mask: Any = None, **_: Any) -> Any:
    """The inner layer at every step: time is merged into the batch where examples do not mix. An inner layer
    that takes a mask gets that of its step."""
    if type(layer.layer) is kl.Dense:
        return layer.layer(x)
    steps = x.shape[1]
    if steps is None or None in x.shape[2:]:
        raise CrosstrainError(
            f"{t.where} goes over an unknown number of steps; give the input a fixed length"
        )
    kwargs = {} if training is None or not layer.layer._call_has_training_arg else {"training": training}
    masked = mask is not None and layer.layer._call_has_mask_arg
    if masked or sees_the_batch(layer.layer):
        per_step = [{**kwargs, **({"mask": mask[:, i]} if masked else {})} for i in range(steps)]
        return t.op.stack(*[layer.layer(x[:, i], **per_step[i]) for i in range(steps)], axis=1)
    inner = layer.layer(t.op.reshape(x, shape=(-1, *x.shape[2:])), **kwargs)
    return t.op.reshape(inner, shape=(-1, steps, *inner.shape[1:]))


@native(kl.Bidirectional)
def bidirectional(
    t: Tracer, layer: Any, x: Any, initial_state: Any = None, mask: Any = None, training: Any = None, **_: Any
) -> Any:
    """As Keras's own call, without its detour to fused kernels."""
    half = len(initial_state) // 2 if initial_state is not None else 0
    states = (initial_state[:half], initial_state[half:]) if half else (None, None)
    kwargs = {} if training is None else {"training": training}
    if mask is not None and layer.forward_layer._call_has_mask_arg:
        kwargs["mask"] = mask
    both = [
        inner(x, initial_state=state, **kwargs)
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
