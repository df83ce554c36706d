"""Transfer functions and their derivatives, on a vector of net inputs or on a matrix of them, row by row.

``out_minmax`` is the range of the outputs, ``inp_active`` that of the net inputs where the function is steep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import expit

Vector = np.ndarray
INFINITE = [-np.inf, np.inf]


class TanSig:
    """The hyperbolic tangent."""

    out_minmax: Sequence[float] = [-1, 1]
    inp_active: Sequence[float] = [-2, 2]
    ufunc = np.tanh

    def __call__(self, x: Any) -> Vector:
        result: np.ndarray = np.tanh(x)
        return result

    def deriv(self, x: Vector, y: Vector) -> Vector:
        result: np.ndarray = 1.0 - y * y
        return result


class PureLin:
    """The identity."""

    out_minmax: Sequence[float] = INFINITE
    inp_active: Sequence[float] = INFINITE

    def __call__(self, x: Any) -> Vector:
        return np.array(x)

    def deriv(self, x: Vector, y: Vector) -> Vector:
        return np.ones_like(x)


class LogSig:
    """The logistic function."""

    out_minmax: Sequence[float] = [0, 1]
    inp_active: Sequence[float] = [-4, 4]
    ufunc = expit

    def __call__(self, x: Any) -> Vector:
        result: Vector = expit(x)
        return result

    def deriv(self, x: Vector, y: Vector) -> Vector:
        result: np.ndarray = y * (1 - y)
        return result


class HardLim:
    """1 above 0, otherwise 0."""

    out_minmax: Sequence[float] = [0, 1]
    inp_active: Sequence[float] = [0, 0]

    def __call__(self, x: Any) -> Vector:
        return (np.asarray(x) > 0.0).astype(float)

    def deriv(self, x: Vector, y: Vector) -> Vector:
        return np.zeros_like(x)


class HardLims:
    """1 above 0, otherwise -1."""

    out_minmax: Sequence[float] = [-1, 1]
    inp_active: Sequence[float] = [0, 0]

    def __call__(self, x: Any) -> Vector:
        return np.where(np.asarray(x) > 0.0, 1.0, -1.0)

    def deriv(self, x: Vector, y: Vector) -> Vector:
        return np.zeros_like(x)


THRESHOLDS: dict[type, tuple[float, float]] = {HardLim: (0.0, 1.0), HardLims: (-1.0, 1.0)}
"""Threshold functions, and their outputs up to 0 and above."""


class Competitive:
    """1 for the first of the smallest, otherwise 0."""

    out_minmax: Sequence[float] = [0, 1]
    inp_active: Sequence[float] = INFINITE

    def __call__(self, dist: Any) -> Vector:
        dist = np.asarray(dist)
        winner = dist.argmin(axis=-1)
        result: np.ndarray = (np.arange(dist.shape[-1]) == winner[..., None]) * 1.0
        return result


class SoftMax:
    """Shares that sum to 1. ``deriv`` is the diagonal of the derivative, as NeuroLab has it."""

    out_minmax: Sequence[float] = [0, 1]
    inp_active: Sequence[float] = INFINITE

    def __call__(self, dist: Any) -> Vector:
        powers = np.exp(dist)
        result: Vector = powers / powers.sum(axis=-1, keepdims=True)
        return result

    def deriv(self, x: Vector, y: Vector) -> Vector:
        result: np.ndarray = y * (1 - y)
        return result


class SatLins:
    """Linear between -1 and 1."""

    out_minmax: Sequence[float] = [-1, 1]
    inp_active: Sequence[float] = [-1, 1]

    def __call__(self, x: Any) -> Vector:
        result: np.ndarray = np.clip(x, -1.0, 1.0)
        return result

    def deriv(self, x: Vector, y: Vector) -> Vector:
        return ((x > -1) & (x < 1)) * 1.0


class SatLin:
    """Linear between 0 and 1."""

    out_minmax: Sequence[float] = [0, 1]
    inp_active: Sequence[float] = [0, 1]

    def __call__(self, x: Any) -> Vector:
        result: np.ndarray = np.clip(x, 0.0, 1.0)
        return result

    def deriv(self, x: Vector, y: Vector) -> Vector:
        return ((x > 0) & (x < 1)) * 1.0


@lru_cache
def _held(low: float, high: float, k: float) -> Callable[[Any], Vector]:
    """``k * min(max(x, low), high)`` with the limits as arrays, so that NumPy need not convert them at each
    call."""
    lower, upper = np.array(low), np.array(high)
    minimum, maximum = np.minimum, np.maximum

    def held(x: Any) -> Vector:
        result: np.ndarray = minimum(maximum(x, lower), upper)
        return result

    def steeper(x: Any) -> Vector:
        result: np.ndarray = minimum(maximum(x, lower), upper) * k
        return result

    return held if k == 1 else steeper


class SatLinPrm:
    """``k`` times the net input, which is first held between ``out_min`` and ``out_max``."""

    def __init__(self, k: float = 1, out_min: float = 0, out_max: float = 1) -> None:
        self.k, self.out_min, self.out_max = k, out_min, out_max
        self.out_minmax: Sequence[float] = [out_min, out_max]
        self.inp_active: Sequence[float] = [out_min, out_max]

    def __call__(self, x: Any) -> Vector:
        return self.bound()(x)

    def bound(self) -> Callable[[Any], Vector]:
        """The function as it is now."""
        return _held(float(self.out_min), float(self.out_max), self.k)

    def deriv(self, x: Vector, y: Vector) -> Vector:
        return ((x > self.out_min) & (x < self.out_max)) * float(self.k)


ROWWISE = frozenset(
    (TanSig, PureLin, LogSig, HardLim, HardLims, Competitive, SoftMax, SatLins, SatLin, SatLinPrm)
)
"""The functions that treat each row of a matrix as they would the row alone. Those of users need not."""
CONTINUOUS = ROWWISE - {HardLim, HardLims, Competitive}
"""Functions whose outputs differ as little as their net inputs do: the order of adding matters little."""


def by_rows(transf: Any, s: np.ndarray) -> np.ndarray:
    """The outputs for each row of ``s``."""
    result: np.ndarray = rowwise(transf)(s)
    return result


def rowwise(transf: Any) -> Any:
    """A transfer function that takes a matrix of net inputs, row by row."""
    if type(transf) is SatLinPrm:
        return transf.bound()
    return transf if type(transf) in ROWWISE else lambda s: np.stack([transf(row) for row in s])


def deriv_by_rows(transf: Any, s: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The derivatives for each row of net inputs ``s`` and outputs ``y``."""
    if type(transf) in ROWWISE:
        result: np.ndarray = transf.deriv(s, y)
        return result
    return np.stack([transf.deriv(*each) for each in zip(s, y, strict=True)])
