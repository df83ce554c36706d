"""Recurrent layers, with Keras's gates: LSTM i, f, c, o in one kernel and one bias; GRU z, r, h.

x is (N, T, F). Each op gives (outputs over time (N, T, units), last state(s) (N, units)). A layer that
goes backwards reads time from its end and gives its outputs in the order in which it made them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from crosstrain.graph.ops.row import composite, primitive


@primitive(lambda *_, **__: [])
def scan(step: Callable[..., Any], state: tuple[Any, ...], xs: Any, *, reverse: bool = False) -> Any:
    """``state, y = step(state, xs[t])`` for t in 0 … T-1 (or back); gives (state, stacked ys).

    A primitive of the namespace, for composites: its first argument is a function, so no graph names it.
    """
    ys = []
    for t in range(len(xs))[:: -1 if reverse else 1]:
        state, y = step(state, xs[t])
        ys.append(y)
    return state, np.stack(ys)


def _units(states: int) -> Callable[..., Any]:
    def rule(x: Any, kernel: Any, recurrent_kernel: Any, *_: Any, **__: Any) -> Any:
        units = recurrent_kernel.shape[0]
        last = type(x)((x.shape[0], units), x.dtype)
        return [type(x)((*x.shape[:2], units), x.dtype), *[last] * states]

    return rule


def _run(xp: Any, x: Any, step: Any, states: tuple[Any, ...], units: int, backwards: bool) -> Any:
    """Scan ``step`` over the time axis of ``x`` (already multiplied by the input kernel)."""
    start = tuple(xp.full_like(x[:, 0, :units], value=0.0) if s is None else s for s in states)
    last, ys = xp.scan(step, start, xp.transpose(x, axes=(1, 0, 2)), reverse=backwards)
    return xp.transpose(ys, axes=(1, 0, 2)), *last


@composite(_units(1))
def simple_rnn(
    xp: Any,
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    state: Any,
    *,
    activation: str,
    backwards: bool = False,
) -> Any:
    """h' = activation(x W + h U + b) (Elman 1990)."""
    act = getattr(xp, activation)

    def step(carry: Any, projected: Any) -> Any:
        h = act(projected + xp.matmul(carry[0], recurrent_kernel))
        return (h,), h

    return _run(xp, xp.dense(x, kernel, bias), step, (state,), recurrent_kernel.shape[0], backwards)


@composite(_units(2))
def lstm(
    xp: Any, x: Any, kernel: Any, recurrent_kernel: Any, bias: Any, hidden: Any, cell: Any,
    *, activation: str, recurrent_activation: str, backwards: bool = False,
) -> Any:  # fmt: skip
    """c' = f c + i act(g), h' = o act(c') (Hochreiter and Schmidhuber 1997; Gers 2000 for f).

    kernel (F, 4 units), recurrent_kernel (units, 4 units), bias (4 units,): parts i, f, c, o.
    """
    act, gate = getattr(xp, activation), getattr(xp, recurrent_activation)
    units = recurrent_kernel.shape[0]

    def step(carry: Any, projected: Any) -> Any:
        h, c = carry
        i, f, g, o = xp.split(projected + xp.matmul(h, recurrent_kernel), sizes=(units,) * 4, axis=-1)
        c = gate(f) * c + gate(i) * act(g)
        h = gate(o) * act(c)
        return (h, c), h

    return _run(xp, xp.dense(x, kernel, bias), step, (hidden, cell), units, backwards)


@composite(_units(1))
def gru(
    xp: Any, x: Any, kernel: Any, recurrent_kernel: Any, bias: Any, state: Any,
    *, activation: str, recurrent_activation: str, reset_after: bool, backwards: bool = False,
) -> Any:  # fmt: skip
    """h' = z h + (1 - z) act(candidate) (Cho et al. 2014).

    kernel (F, 3 units), recurrent_kernel (units, 3 units): parts z, r, h. With ``reset_after`` the reset
    gate multiplies (h U + recurrent bias) and bias is (2, 3 units); without, it multiplies h and bias is
    (3 units,).
    """
    act, gate = getattr(xp, activation), getattr(xp, recurrent_activation)
    units = recurrent_kernel.shape[0]
    input_bias = bias if bias is None or not reset_after else bias[0]

    def step(carry: Any, projected: Any) -> Any:
        (h,) = carry
        xz, xr, xh = xp.split(projected, sizes=(units,) * 3, axis=-1)
        if reset_after:
            inner = xp.dense(h, recurrent_kernel, None if bias is None else bias[1])
            hz, hr, hh = xp.split(inner, sizes=(units,) * 3, axis=-1)
            z, r = gate(xz + hz), gate(xr + hr)
            candidate = act(xh + r * hh)
        else:
            hz, hr = xp.split(xp.matmul(h, recurrent_kernel[:, : 2 * units]), sizes=(units,) * 2, axis=-1)
            z, r = gate(xz + hz), gate(xr + hr)
            candidate = act(xh + xp.matmul(r * h, recurrent_kernel[:, 2 * units :]))
        h = z * h + (1 - z) * candidate
        return (h,), h

    return _run(xp, xp.dense(x, kernel, input_bias), step, (state,), units, backwards)
