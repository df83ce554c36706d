"""Recurrent layers, with Keras's gates: LSTM i, f, c, o in one kernel and one bias; GRU z, r, h.

x is (N, T, F). Each op gives (outputs over time (N, T, units), last state(s) (N, units)). A layer that
goes backwards reads time from its end and gives its outputs in the order in which it made them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from crosstrain.graph.ops.randomness import dtype_of
from crosstrain.graph.ops.row import composite, primitive

if TYPE_CHECKING:
    from crosstrain.graph.graph import Node


@primitive(lambda *_, **__: [])
def scan(
    step: Callable[..., Any], state: tuple[Any, ...], xs: Any, *, reverse: bool = False, stacked: bool = True
) -> Any:
    """``state, y = step(state, xs[t])`` for t in 0 … T-1 (or back); gives (state, stacked ys), or None for
    the ys where they are not wanted.

    A primitive of the namespace, for composites: its first argument is a function, so no graph names it.
    A framework's own may have a method ``products_inside(inputs, units, gates)``: whether, for inputs of this
    shape, (T, N, F), one product of all steps is slower than one in each step.
    """
    ys = []
    for t in range(len(xs))[:: -1 if reverse else 1]:
        state, y = step(state, xs[t])
        ys.append(y)
    return state, np.stack(ys) if stacked else None


def products_inside(scan: Any, inputs: Sequence[int], units: int, gates: int) -> bool:
    """What a framework's scan says; False where it says nothing."""
    rule = getattr(scan, "products_inside", None)
    return rule is not None and rule(inputs, units, gates)


def _units(states: int) -> Callable[..., Any]:
    def rule(x: Any, kernel: Any, recurrent_kernel: Any, *_: Any, **__: Any) -> Any:
        units = recurrent_kernel.shape[0]
        last = type(x)((x.shape[0], units), x.dtype)
        return [type(x)((*x.shape[:2], units), x.dtype), *[last] * states]

    return rule


def _run(
    xp: Any, x: Any, kernel: Any, bias: Any, step: Any, states: tuple[Any, ...], units: int,
    *, backwards: bool, sequences: bool = True,
) -> Any:  # fmt: skip
    """Scan ``step`` over x W + b: of all steps at once, or step by step where ``xp.scan`` is faster so.
    Without a kernel ``x`` was multiplied before; without ``sequences`` only the last states are given."""
    xs = xp.transpose(x, axes=(1, 0, 2))
    each = step
    if kernel is None:
        begin = xs[0, :, :units]
    elif products_inside(xp.scan, xs.shape, units, kernel.shape[1] // units):
        begin = xp.matmul(xs[0], kernel[:, :units])  # for its shape alone

        def each(carry: Any, part: Any) -> Any:
            return step(carry, xp.dense(part, kernel, bias))

    else:
        xs = xp.dense(xs, kernel, bias)
        begin = xs[0, :, :units]
    start = tuple(xp.full_like(begin, value=0.0) if s is None else s for s in states)
    unread = {} if sequences else {"stacked": False}
    last, ys = xp.scan(each, start, xs, reverse=backwards, **unread)
    return xp.transpose(ys, axes=(1, 0, 2)) if sequences else None, *last


def _recurrence(xp: Any, h: Any, kernel: Any, noise: Any, bias: Any = None) -> Any:
    """h U + b; with ``noise`` (N, columns of U) each gate sees h times its own part of it."""
    if noise is None:
        return xp.matmul(h, kernel) if bias is None else xp.dense(h, kernel, bias)
    units = kernel.shape[0]
    cuts = [slice(start, start + units) for start in range(0, kernel.shape[1], units)]
    parts = [xp.matmul(h * noise[:, cut], kernel[:, cut]) for cut in cuts]
    y = xp.concatenate(*parts, axis=-1) if len(parts) > 1 else parts[0]
    return y if bias is None else y + bias


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
    sequences: bool = True,
) -> Any:
    """h' = activation(x W + h U + b) (Elman 1990)."""
    return _simple_rnn(xp, x, None, kernel, recurrent_kernel, bias, state,
                       activation=activation, backwards=backwards, sequences=sequences)  # fmt: skip


def _simple_rnn(
    xp: Any, x: Any, noise: Any, kernel: Any, recurrent_kernel: Any, bias: Any, state: Any,
    *, activation: str, **how: bool,
) -> Any:  # fmt: skip
    act = getattr(xp, activation)

    def step(carry: Any, projected: Any) -> Any:
        h = act(projected + _recurrence(xp, carry[0], recurrent_kernel, noise))
        return (h,), h

    return _run(xp, x, kernel, bias, step, (state,), recurrent_kernel.shape[0], **how)


@composite(_units(2))
def lstm(
    xp: Any, x: Any, kernel: Any, recurrent_kernel: Any, bias: Any, hidden: Any, cell: Any,
    *, activation: str, recurrent_activation: str, backwards: bool = False, sequences: bool = True,
) -> Any:  # fmt: skip
    """c' = f c + i act(g), h' = o act(c') (Hochreiter and Schmidhuber 1997; Gers 2000 for f).

    kernel (F, 4 units), recurrent_kernel (units, 4 units), bias (4 units,): parts i, f, c, o.
    """
    return _lstm(xp, x, None, kernel, recurrent_kernel, bias, hidden, cell, activation=activation,
                 recurrent_activation=recurrent_activation, backwards=backwards,
                 sequences=sequences)  # fmt: skip


def _lstm(
    xp: Any, x: Any, noise: Any, kernel: Any, recurrent_kernel: Any, bias: Any, hidden: Any, cell: Any,
    *, activation: str, recurrent_activation: str, **how: bool,
) -> Any:  # fmt: skip
    act, gate = getattr(xp, activation), getattr(xp, recurrent_activation)
    units = recurrent_kernel.shape[0]

    def step(carry: Any, projected: Any) -> Any:
        h, c = carry
        inner = _recurrence(xp, h, recurrent_kernel, noise)
        i, f, g, o = xp.split(projected + inner, sizes=(units,) * 4, axis=-1)
        c = gate(f) * c + gate(i) * act(g)
        h = gate(o) * act(c)
        return (h, c), h

    return _run(xp, x, kernel, bias, step, (hidden, cell), units, **how)


@composite(_units(1))
def gru(
    xp: Any, x: Any, kernel: Any, recurrent_kernel: Any, bias: Any, state: Any,
    *, activation: str, recurrent_activation: str, reset_after: bool, backwards: bool = False,
    sequences: bool = True,
) -> Any:  # fmt: skip
    """h' = z h + (1 - z) act(candidate) (Cho et al. 2014).

    kernel (F, 3 units), recurrent_kernel (units, 3 units): parts z, r, h. With ``reset_after`` the reset
    gate multiplies (h U + recurrent bias) and bias is (2, 3 units); without, it multiplies h and bias is
    (3 units,).
    """
    return _gru(xp, x, None, kernel, recurrent_kernel, bias, state, activation=activation,
                recurrent_activation=recurrent_activation, reset_after=reset_after,
                backwards=backwards, sequences=sequences)  # fmt: skip


def _gru(
    xp: Any, x: Any, noise: Any, kernel: Any, recurrent_kernel: Any, bias: Any, state: Any,
    *, activation: str, recurrent_activation: str, reset_after: bool, **how: bool,
) -> Any:  # fmt: skip
    act, gate = getattr(xp, activation), getattr(xp, recurrent_activation)
    units = recurrent_kernel.shape[0]
    input_bias = bias if bias is None or not reset_after else bias[0]

    def step(carry: Any, projected: Any) -> Any:
        (h,) = carry
        xz, xr, xh = xp.split(projected, sizes=(units,) * 3, axis=-1)
        if reset_after:
            inner = _recurrence(xp, h, recurrent_kernel, noise, None if bias is None else bias[1])
            hz, hr, hh = xp.split(inner, sizes=(units,) * 3, axis=-1)
            z, r = gate(xz + hz), gate(xr + hr)
            candidate = act(xh + r * hh)
        else:
            gates = None if noise is None else noise[:, : 2 * units]
            inner = _recurrence(xp, h, recurrent_kernel[:, : 2 * units], gates)
            hz, hr = xp.split(inner, sizes=(units,) * 2, axis=-1)
            z, r = gate(xz + hz), gate(xr + hr)
            reset = r * h if noise is None else r * (h * noise[:, 2 * units :])
            candidate = act(xh + xp.matmul(reset, recurrent_kernel[:, 2 * units :]))
        h = z * h + (1 - z) * candidate
        return (h,), h

    return _run(xp, x, kernel, input_bias, step, (state,), units, **how)


# -- with masks and noise ---------------------------------------------------------------------------
class _MaskedScan:
    """A ``scan`` that stands still wherever the mask (N, T) says that there is no step: the state stays, and
    the output repeats the state (or is 0 with ``zero_output``)."""

    def __init__(self, xp: Any, mask: Any, zero_output: bool) -> None:
        self._xp, self._mask, self._zero_output = xp, mask, zero_output

    def products_inside(self, inputs: Sequence[int], units: int, gates: int) -> bool:
        return products_inside(self._xp.scan, inputs, units, gates)

    def __call__(self, step: Callable[..., Any], state: Any, xs: Any, **how: bool) -> Any:
        xp = self._xp
        present = xp.cast(xp.transpose(self._mask, axes=(1, 0)), dtype=dtype_of(xs))

        def masked(before: Any, now: Any) -> Any:
            part, on = xp.split(now, sizes=(xs.shape[-1], 1), axis=-1)
            keep = xp.greater(on, xp.full_like(on, value=0.5))
            after, _ = step(before, part)
            after = tuple(xp.where(keep, new, old) for new, old in zip(after, before, strict=True))
            zero = xp.full_like(after[0], value=0.0)
            return after, xp.where(keep, after[0], zero) if self._zero_output else after[0]

        joined = xp.concatenate(xs, xp.expand_dims(present, axis=-1), axis=-1)
        return xp.scan(masked, state, joined, **how)


class _Masked:
    """An op namespace with a masked ``scan``."""

    def __init__(self, xp: Any, mask: Any, zero_output: bool) -> None:
        self._xp = xp
        self.scan = _MaskedScan(xp, mask, zero_output)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._xp, name)


def _phase(plain: str) -> Callable[..., Any]:
    def rule(node: Node, training: bool) -> Node | str:
        """Noise is for training; without it and without a mask the plain op does."""
        x, mask, noise, kernel, *rest = node.inputs
        noise = noise if training else None
        if mask is None and noise is None and kernel is not None:
            settings = {k: v for k, v in node.attributes.items() if k != "zero_output"}
            return replace(node, op=plain, inputs=(x, kernel, *rest), attributes=settings)
        return replace(node, inputs=(x, mask, noise, kernel, *rest))

    return rule


def _stepwise(plain: str, function: Callable[..., Any], states: int) -> None:
    """Add ``stepwise_NAME``: the op ``plain`` with two inputs more behind x, each of which may be absent.

    mask (N, T) bool: steps where it is False leave the state as it is. noise (N, gates · units): what each
    gate's share of the state is multiplied by (recurrent dropout), one draw for all steps; training only.
    Without a kernel, x is what the kernel and the bias have made of the input already.
    """

    def meaning(
        xp: Any, x: Any, mask: Any, noise: Any, *rest: Any, zero_output: bool = False, **settings: Any
    ) -> Any:
        space = xp if mask is None else _Masked(xp, mask, zero_output)
        settings = {"backwards": False, **settings}
        return function(space, x, noise, *rest, **settings)

    def shape(x: Any, mask: Any, noise: Any, *rest: Any, **settings: Any) -> Any:
        return _units(states)(x, *rest, **settings)

    composite(shape, f"stepwise_{plain}", _phase(plain))(meaning)


_stepwise("simple_rnn", _simple_rnn, 1)
_stepwise("lstm", _lstm, 2)
_stepwise("gru", _gru, 1)
