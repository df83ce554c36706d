"""Functions that MLX computes in single precision even for float64, from others that it computes exactly.

In float64 on the CPU, MLX's ``exp``, ``sin``, ``cos``, ``erf`` and ``sigmoid`` (and what rests on them) are
right to 1e-7 only, its convolutions too; ``expm1``, ``tan``, ``log1p`` and products of matrices are right to
the last digits. Each function here has a gradient written out, since MLX's own would use the inexact ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mlx.core as mx

Array = Any


def with_slope(
    function: Callable[[Array], Array], slope: Callable[[Array, Array], Array]
) -> Callable[[Array], Array]:
    """An elementwise function with its derivative ``slope(x, y)``, y being the function's value at x."""
    differentiable = mx.custom_function(function)
    differentiable.vjp(lambda x, dy, y: dy * slope(x, y))
    return differentiable  # type: ignore[no-any-return]


def _exp(x: Array) -> Array:
    # 1 + expm1(x) has no correct digits far below 0, its inverse at -x has.
    negative = 1 / (1 + mx.expm1(mx.maximum(-x, 0)))
    return mx.where(x < 0, negative, 1 + mx.expm1(mx.maximum(x, 0)))


def _sigmoid(x: Array) -> Array:
    e = _exp(-mx.abs(x))
    return mx.where(x < 0, e, 1) / (1 + e)


def _softplus(x: Array) -> Array:
    return mx.maximum(x, 0) + mx.log1p(_exp(-mx.abs(x)))


def _sin(x: Array) -> Array:
    t = mx.tan(x / 2)
    return 2 * t / (1 + t * t)


def _cos(x: Array) -> Array:
    t = mx.tan(x / 2)
    return (1 - t * t) / (1 + t * t)


TERMS = 100
"""Enough for the last digit of erf up to 6, beyond which it is 1."""


def _erf(x: Array) -> Array:
    # 2/√π · exp(-x²) · Σ 2ⁿ x²ⁿ⁺¹ / (2n + 1)!!, all terms of one sign (Abramowitz and Stegun 7.1.6).
    x = mx.clip(x, -6, 6)
    double, total = 2 * x * x, mx.ones_like(x)
    for n in range(TERMS, 0, -1):
        total = 1 + total * double / (2 * n + 1)
    return 2 / math.sqrt(math.pi) * _exp(-x * x) * x * total


exp = with_slope(_exp, lambda x, y: y)
expm1 = with_slope(mx.expm1, lambda x, y: y + 1)
sigmoid = with_slope(_sigmoid, lambda x, y: y * (1 - y))
softplus = with_slope(_softplus, lambda x, y: _sigmoid(x))
sin = with_slope(_sin, lambda x, y: _cos(x))
cos = with_slope(_cos, lambda x, y: -_sin(x))
tan = with_slope(mx.tan, lambda x, y: 1 + y * y)
erf = with_slope(_erf, lambda x, y: 2 / math.sqrt(math.pi) * _exp(-x * x))


def softmax(x: Array, *, axis: Any = -1) -> Array:
    e = exp(x - mx.stop_gradient(mx.max(x, axis=axis, keepdims=True)))
    return e / mx.sum(e, axis=axis, keepdims=True)


def log_softmax(x: Array, *, axis: Any = -1) -> Array:
    shifted = x - mx.stop_gradient(mx.max(x, axis=axis, keepdims=True))
    return shifted - mx.log(mx.sum(exp(shifted), axis=axis, keepdims=True))


def logsumexp(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
    shift = mx.stop_gradient(mx.max(x, axis=axis, keepdims=True))
    total = mx.log(mx.sum(exp(x - shift), axis=axis, keepdims=True)) + shift
    return total if keepdims else mx.squeeze(total, axis=axis)


def logaddexp(a: Array, b: Array) -> Array:
    # The larger one as a constant: its gradient cancels, and nothing has a kink where both are equal.
    shift = mx.stop_gradient(mx.maximum(a, b))
    return shift + mx.log(exp(a - shift) + exp(b - shift))


TABLE: dict[str, Callable[..., Array]] = {
    "exp": exp, "expm1": expm1, "sigmoid": sigmoid, "softplus": softplus, "sin": sin, "cos": cos, "tan": tan,
    "erf": erf, "softmax": softmax, "log_softmax": log_softmax, "logsumexp": logsumexp,
    "logaddexp": logaddexp,
}  # fmt: skip
"""What replaces MLX's own where the run is in float64."""
