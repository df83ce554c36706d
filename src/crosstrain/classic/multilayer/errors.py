"""Error functions: how far outputs are from targets, as one number, and its derivative by the outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from crosstrain.classic.arrays import Array

TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class Error:
    """An error function of targets and outputs, both (samples, outputs).

    ``fused`` names the output function with which the derivative by the *net input* is just
    ``slope × (output − target)``: the quotient of two small numbers is then never formed. ``least_squares``
    is the factor ``c`` of an error that is ``c/2`` times the sum of squares, as Levenberg–Marquardt needs.
    """

    value: Callable[[ModuleType, Array, Array], Array]
    derivative: Callable[[ModuleType, Array, Array], Array]
    fused: str | None = None
    least_squares: Callable[[Array], float] | None = None


@dataclass(frozen=True)
class BoundError:
    """An error function for the arrays of one library."""

    error: Error
    xp: ModuleType

    def __call__(self, target: Array, output: Array) -> float:
        return float(self.error.value(self.xp, target, output))

    def derivative(self, target: Array, output: Array) -> Array:
        return self.error.derivative(self.xp, target, output)


def _size(array: Array) -> int:
    return math.prod(array.shape)


def _log(xp: ModuleType, probability: Array) -> Array:
    return xp.log(xp.clip(probability, TINY, 1.0))


def _binary(xp: ModuleType, t: Array, o: Array) -> Array:
    return -xp.sum(t * _log(xp, o) + (1.0 - t) * _log(xp, 1.0 - o)) / t.shape[0]


def _categorical(xp: ModuleType, t: Array, o: Array) -> Array:
    return -xp.sum(t * _log(xp, o)) / t.shape[0]


ERRORS: dict[str, Error] = {
    "sse": Error(
        lambda xp, t, o: 0.5 * xp.sum((o - t) ** 2), lambda xp, t, o: o - t, least_squares=lambda t: 1.0
    ),
    "mse": Error(
        lambda xp, t, o: xp.sum((o - t) ** 2) / _size(t),
        lambda xp, t, o: (o - t) * (2.0 / _size(t)),
        least_squares=lambda t: 2.0 / _size(t),
    ),
    "sae": Error(lambda xp, t, o: xp.sum(xp.abs(o - t)), lambda xp, t, o: xp.sign(o - t)),
    "mae": Error(
        lambda xp, t, o: xp.sum(xp.abs(o - t)) / _size(t), lambda xp, t, o: xp.sign(o - t) / _size(t)
    ),
    "binary cross-entropy": Error(
        _binary,
        lambda xp, t, o: (o - t) / (xp.clip(o, TINY, 1.0) * xp.clip(1.0 - o, TINY, 1.0) * t.shape[0]),
        fused="logistic",
    ),
    "categorical cross-entropy": Error(
        _categorical,
        lambda xp, t, o: -t / (xp.clip(o, TINY, 1.0) * t.shape[0]),
        fused="softmax",
    ),
}
"""``sse`` is half the sum of squares; ``mse`` and ``mae`` are means over samples and outputs; the
cross-entropies sum over the outputs and are means over the samples."""
