"""Reads ONNX's recurrent layers, whose gates stand in another order than the vocabulary's (Keras's)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from crosstrain.exchange.onnx.reading.ops import _value
from crosstrain.exchange.onnx.reading.values import NodeView, reads
from crosstrain.exchange.reading.values import Reader, Value

GATES = {"RNN": [0], "LSTM": [0, 2, 3, 1], "GRU": [0, 1, 2]}
"""ONNX's gates (LSTM: i, o, f, c; GRU: z, r, h) by number, in the vocabulary's order."""
DEFAULTS = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}
ACTIVATIONS = {
    "tanh": "tanh", "sigmoid": "sigmoid", "relu": "relu", "softsign": "softsign", "softplus": "softplus",
}  # fmt: skip
WITH_NUMBERS = {
    "affine": ("linear", 1.0, 0.0), "hardsigmoid": ("hard_sigmoid", 1 / 6, 0.5), "elu": ("elu", 1.0, None),
}  # fmt: skip
"""Activations that take numbers: the vocabulary has them for these."""


@reads("RNN", "LSTM", "GRU")
def recurrent(r: Reader, n: NodeView) -> tuple[Value, ...]:
    x, w, u, b = _value(r, n), _value(r, n, 1), _value(r, n, 2), n.input(3)
    _check(r, n, x)
    units, batch_first = int(n.get("hidden_size") or u.shape[2] or 0), bool(n.get("layout", 0))
    source = x.first if batch_first else r.transposed(x.first, (1, 0, 2))
    batch = x.shape[0 if batch_first else 1]
    direction = n.get("direction", "forward")
    ways = [False, True] if direction == "bidirectional" else [direction == "reverse"]
    activations = [_activations(r, n, i) for i in range(len(ways))]
    runs = []
    for i, backwards in enumerate(ways):
        kernel = _matrix(r, w, i, n.op)
        inner = _matrix(r, u, i, n.op)
        bias = None if b is None else _bias(r, n, b, i, units)
        states = [_state(r, n, k, i, batch_first, batch) for k in ([5, 6] if n.op == "LSTM" else [5])]
        runs.append(_run(r, n, [source, kernel, inner, bias, *states], activations[i], backwards))
    return _results(r, runs, batch_first)


def _check(r: Reader, n: NodeView, x: Value) -> None:
    if n.get("clip"):
        raise r.refusal("clips its gates")
    if n.get("input_forget", 0):
        raise r.refusal("couples its input and forget gates")
    peep = n.input(7)
    if peep is not None and (peep.array is None or np.any(peep.array)):
        raise r.refusal("has peepholes")
    lengths = n.input(4)
    if lengths is not None:
        steps = x.shape[1 if n.get("layout", 0) else 0]
        if lengths.filled is not None and lengths.filled == steps:
            return
        if lengths.array is None or steps is None or np.any(lengths.array != steps):
            raise r.refusal("takes sequences of different lengths")


def _activations(r: Reader, n: NodeView, way: int) -> list[str]:
    count = len(DEFAULTS[n.op])
    names = n.get("activations") or DEFAULTS[n.op] * (way + 1)
    alphas, betas = list(n.get("activation_alpha") or []), list(n.get("activation_beta") or [])
    activations = []
    for index in range(way * count, (way + 1) * count):
        name = names[index].lower()
        if name in ACTIVATIONS:
            activations.append(ACTIVATIONS[name])
            continue
        op, alpha, beta = WITH_NUMBERS.get(name, ("", 0.0, None))
        own = alphas[index] if index < len(alphas) else {"hardsigmoid": 0.2}.get(name, 1.0)
        shift = betas[index] if index < len(betas) else {"hardsigmoid": 0.5}.get(name, 0.0)
        fits = op and math.isclose(own, alpha, rel_tol=1e-6) and beta in (None, shift)
        if not fits:
            raise r.refusal(f"has the activation {names[index]} with numbers that the vocabulary's has not")
        activations.append(op)
    if n.op == "LSTM" and activations[1] != activations[2]:
        raise r.refusal("has two different activations for the cell and the output")
    return activations


def _one_way(r: Reader, value: Value, way: int) -> Any:
    """The part of one direction: an array where it is constant, else a reference."""
    if value.array is not None:
        return value.array[way]
    starts: list[int | None] = [way, *[None] * (value.rank - 1)]
    stops: list[int | None] = [way + 1, *[None] * (value.rank - 1)]
    part = value.first if value.shape[0] == 1 else r.emit(
        "slice", value.first, starts=starts, stops=stops, strides=[1] * value.rank
    )  # fmt: skip
    return r.emit("squeeze", part, axis=0)


def _named(value: Value, way: int) -> Value:
    """The value under a name of its own for each direction."""
    if value.shape[0] == 1:
        return value
    side = "backward" if way else "forward"
    return Value(
        value.reader, value.shape, value.dtype, array=value.array, label=f"{value.label}/{side}",
        parameter=value.parameter,
    )  # fmt: skip


def _matrix(r: Reader, value: Value, way: int, op: str) -> str:
    """(gates · units, in) as the vocabulary's (in, gates · units)."""
    part, order = _one_way(r, value, way), GATES[op]
    if isinstance(part, np.ndarray):
        gates = part.reshape(len(order), -1, part.shape[-1])[order]
        return r.parameter(_named(value, way), np.ascontiguousarray(gates.reshape(part.shape).T))
    return _ordered(r, r.transposed(part, (1, 0)), order, (value.shape[1] or 0) // len(order))


def _ordered(r: Reader, ref: str, order: Sequence[int], units: int) -> str:
    if list(order) == sorted(order):
        return ref
    parts = r.several("split", ref, sizes=[units] * len(order), axis=-1)
    return r.emit("concatenate", *(parts[i] for i in order), axis=-1)


def _bias(r: Reader, n: NodeView, value: Value, way: int, units: int) -> str:
    """ONNX's two biases: their sum, or both where the reset gate lies between them."""
    part, order = _one_way(r, value, way), GATES[n.op]
    both = n.op == "GRU" and bool(n.get("linear_before_reset", 0))
    if isinstance(part, np.ndarray):
        pair = part.reshape(2, len(order), units)[:, order].reshape(2, -1)
        return r.parameter(_named(value, way), pair if both else pair.sum(0))
    pair_ref = r.emit("reshape", part, shape=(2, len(order) * units))
    ref = pair_ref if both else r.emit("sum", pair_ref, axis=0)
    return _ordered(r, ref, order, units)


def _state(r: Reader, n: NodeView, index: int, way: int, batch_first: bool, batch: int | None) -> str | None:
    value = n.input(index)
    if value is None or value.filled == 0.0 or (value.array is not None and not np.any(value.array)):
        return None
    if value.filled is not None or (value.array is not None and batch is None):
        raise r.refusal("begins from a state that is neither zero nor computed")
    if value.array is not None:
        return r.as_constant(value.array[:, way] if batch_first else value.array[way]).first
    if batch_first:
        value = r.as_value(r.transposed(value.first, (1, 0, 2)))
    ref: str = _one_way(r, value, way)
    return ref


def _run(r: Reader, n: NodeView, inputs: list[Any], names: list[str], backwards: bool) -> tuple[str, ...]:
    """One direction: outputs in the order of time (N, T, units), last states (N, units)."""
    if n.op == "RNN":
        refs = r.several("simple_rnn", *inputs, activation=names[0], backwards=backwards)
    else:
        more: dict[str, Any] = {}
        if n.op == "GRU":
            more["reset_after"] = bool(n.get("linear_before_reset", 0))
        more |= {"activation": names[1], "recurrent_activation": names[0], "backwards": backwards}
        refs = r.several(n.op.lower(), *inputs, **more)
    # The vocabulary gives outputs in the order of their making.
    return (r.emit("flip", refs[0], axis=1), *refs[1:]) if backwards else refs


def _results(r: Reader, runs: list[tuple[str, ...]], batch_first: bool) -> tuple[Value, ...]:
    """ONNX's shapes: (T, ways, N, units) and (ways, N, units), or batch first (N, T, ways, units)."""

    def joined(refs: list[str], axis: int) -> Value:
        if len(refs) > 1:
            return r.as_value(r.emit("stack", *refs, axis=axis))
        ref = r.emit("expand_dims", refs[0], axis=axis)
        r.expanded[ref] = (refs[0], axis)
        return r.as_value(ref)

    ys = [run[0] if batch_first else r.transposed(run[0], (1, 0, 2)) for run in runs]
    last = [joined([run[k] for run in runs], 1 if batch_first else 0) for k in range(1, len(runs[0]))]
    return joined(ys, 2 if batch_first else 1), *last
