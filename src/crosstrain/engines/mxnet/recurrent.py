"""Recurrent layers on MXNet: steps written out one after the other, or its fused RNN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mxnet as mx

from crosstrain.engines.mxnet.values import Symbol, Value, cut, filled, npi
from crosstrain.graph.evaluate import Ops
from crosstrain.graph.ops.row import VOCABULARY


def scan(step: Callable[..., Any], state: Any, xs: Value, *, reverse: bool = False) -> tuple[Any, Value]:
    count, shape = len(xs), xs.shape[1:]
    parts = mx.sym.split(xs.symbol, num_outputs=count, axis=0, squeeze_axis=True) if count > 1 else None
    ys = []
    for t in range(count)[:: -1 if reverse else 1]:
        x = xs[0] if parts is None else Value(parts[t], shape, xs.dtype)
        state, y = step(state, x)
        ys.append(y)
    stacked = mx.sym.stack(*(y.symbol for y in ys), axis=0)
    return state, Value(stacked, (count, *ys[0].shape), ys[0].dtype)


# -- the fused layer ---------------------------------------------------------------------------------------
# One op for all steps. It takes all weights in one vector: input kernel and recurrent kernel as (gates,
# units, in), then a bias for each of them.
def lstm(
    ops: Ops, x: Value, kernel: Value, recurrent_kernel: Value, bias: Value | None, hidden: Value | None,
    cell: Value | None, *, activation: str, recurrent_activation: str, backwards: bool = False,
) -> Any:  # fmt: skip
    if (activation, recurrent_activation) != ("tanh", "sigmoid"):
        return _composite("lstm")(
            ops, x, kernel, recurrent_kernel, bias, hidden, cell, activation=activation,
            recurrent_activation=recurrent_activation, backwards=backwards,
        )  # fmt: skip
    units = recurrent_kernel.shape[0]
    biases = [_vector(bias, 4 * units, x.dtype), _vector(None, 4 * units, x.dtype)]
    return _fused("lstm", x, (kernel, recurrent_kernel), biases, (hidden, cell), backwards)


def gru(
    ops: Ops, x: Value, kernel: Value, recurrent_kernel: Value, bias: Value | None, state: Value | None,
    *, activation: str, recurrent_activation: str, reset_after: bool, backwards: bool = False,
) -> Any:  # fmt: skip
    if (activation, recurrent_activation, reset_after) != ("tanh", "sigmoid", True):
        return _composite("gru")(
            ops, x, kernel, recurrent_kernel, bias, state, activation=activation, backwards=backwards,
            recurrent_activation=recurrent_activation, reset_after=reset_after,
        )  # fmt: skip
    # MXNet's gates stand as r, z, h; Keras's as z, r, h.
    units = recurrent_kernel.shape[0]
    swapped = lambda v: _gates_swapped(v, units)
    both = [None, None] if bias is None else [swapped(bias[0]), swapped(bias[1])]
    biases = [_vector(b, 3 * units, x.dtype) for b in both]
    return _fused("gru", x, (swapped(kernel), swapped(recurrent_kernel)), biases, (state,), backwards)


def simple_rnn(
    ops: Ops, x: Value, kernel: Value, recurrent_kernel: Value, bias: Value | None, state: Value | None,
    *, activation: str, backwards: bool = False,
) -> Any:  # fmt: skip
    if activation not in ("tanh", "relu"):
        return _composite("simple_rnn")(
            ops, x, kernel, recurrent_kernel, bias, state, activation=activation, backwards=backwards
        )
    units = recurrent_kernel.shape[0]
    biases = [_vector(bias, units, x.dtype), _vector(None, units, x.dtype)]
    return _fused(f"rnn_{activation}", x, (kernel, recurrent_kernel), biases, (state,), backwards)


def _composite(name: str) -> Callable[..., Any]:
    meaning: Callable[..., Any] | None = VOCABULARY[name].meaning
    assert meaning is not None
    return meaning


def _vector(value: Value | None, length: int, dtype: str) -> Symbol:
    return filled((length,), 0.0, dtype).symbol if value is None else value.symbol


def _gates_swapped(value: Value, units: int) -> Value:
    """The first two of three gates, along the last axis, in the other order."""
    rest = [slice(None)] * (value.ndim - 1)
    parts = [cut(value, [*rest, slice(g * units, (g + 1) * units)]).symbol for g in (1, 0, 2)]
    return Value(mx.sym.concat(*parts, dim=value.ndim - 1), value.shape, value.dtype)


def _fused(
    mode: str, x: Value, kernels: tuple[Value, ...], biases: list[Symbol], states: tuple[Value | None, ...],
    backwards: bool,
) -> tuple[Value, ...]:  # fmt: skip
    batch, steps, _ = x.shape
    units = kernels[1].shape[0]
    flat = [npi.reshape(k.symbol_in((1, 0)), newshape=(-1,)) for k in kernels]
    weights = mx.sym.concat(*flat, *biases, dim=0)
    series = mx.sym.transpose(x.symbol, axes=(1, 0, 2))
    series = mx.sym.reverse(series, axis=(0,)) if backwards else series
    begins = [
        filled((1, batch, units), 0.0, x.dtype) if s is None else s.reshaped(1, batch, units) for s in states
    ]
    results = mx.sym.RNN(
        series, weights, *(b.symbol for b in begins), mode=mode, state_size=units, num_layers=1, p=0.0,
        state_outputs=True,
    )  # fmt: skip
    outputs = Value(mx.sym.transpose(results[0], axes=(1, 0, 2)), (batch, steps, units), x.dtype)
    last = [
        Value(results[i + 1], (1, batch, units), x.dtype).reshaped(batch, units) for i in range(len(states))
    ]
    return outputs, *last


LAYERS: dict[str, Callable[..., Any]] = {"lstm": lstm, "gru": gru, "simple_rnn": simple_rnn}
"""Layers that have the fused form."""
