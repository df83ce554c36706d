"""Transfer functions: what a unit makes of its net input, and how an error goes back through it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from crosstrain.classic.arrays import Array


@dataclass(frozen=True)
class Transfer:
    """A transfer function on arrays (samples, units) of any array library.

    ``derivative(xp, s, y)`` is the slope at net input ``s``, where the output is ``y``. Only softmax, whose
    units depend on one another, has none. ``active`` is the range of net inputs in which the function is
    steep: Nguyen and Widrow spread the units over it.
    """

    function: Callable[[ModuleType, Array], Array]
    derivative: Callable[[ModuleType, Array, Array], Array] | None
    active: tuple[float, float]


@dataclass(frozen=True)
class BoundTransfer:
    """A transfer function for the arrays of one library."""

    transfer: Transfer
    xp: ModuleType

    def __call__(self, s: Array) -> Array:
        return self.transfer.function(self.xp, s)

    def backward(self, s: Array, y: Array, upstream: Array) -> Array:
        """The error's derivative by the net input ``s``, from that by the output ``y``."""
        if self.transfer.derivative is None:
            return y * (upstream - self.xp.sum(upstream * y, axis=-1, keepdims=True))
        return upstream * self.transfer.derivative(self.xp, s, y)


def _logistic(xp: ModuleType, s: Array) -> Array:
    return 0.5 * (1.0 + xp.tanh(0.5 * s))  # never overflows


def _softmax(xp: ModuleType, s: Array) -> Array:
    powers = xp.exp(s - xp.max(s, axis=-1, keepdims=True))
    return powers / xp.sum(powers, axis=-1, keepdims=True)


def _between(xp: ModuleType, s: Array, low: float, high: float) -> Array:
    return xp.astype((s > low) & (s < high), s.dtype)


TRANSFERS: dict[str, Transfer] = {
    "identity": Transfer(lambda xp, s: s, lambda xp, s, y: xp.ones_like(s), (-1, 1)),
    "tanh": Transfer(lambda xp, s: xp.tanh(s), lambda xp, s, y: 1.0 - y * y, (-2, 2)),
    "logistic": Transfer(_logistic, lambda xp, s, y: y * (1.0 - y), (-4, 4)),
    "relu": Transfer(
        lambda xp, s: xp.where(s > 0, s, xp.zeros_like(s)),
        lambda xp, s, y: xp.astype(s > 0, s.dtype),
        (0, 1),
    ),
    "saturating": Transfer(
        lambda xp, s: xp.clip(s, 0.0, 1.0), lambda xp, s, y: _between(xp, s, 0.0, 1.0), (0, 1)
    ),
    "symmetric saturating": Transfer(
        lambda xp, s: xp.clip(s, -1.0, 1.0), lambda xp, s, y: _between(xp, s, -1.0, 1.0), (-1, 1)
    ),
    "radial": Transfer(lambda xp, s: xp.exp(-s * s), lambda xp, s, y: -2.0 * s * y, (-1, 1)),
    "softmax": Transfer(_softmax, None, (-1, 1)),
}
"""By name. ``saturating`` is linear between 0 and 1, ``symmetric saturating`` between -1 and 1."""


def steep_range(active: tuple[float, float]) -> tuple[float, float]:
    """The active range, with 1 in place of infinity."""
    low, high = active
    return (-1.0 if np.isneginf(low) else float(low), 1.0 if np.isposinf(high) else float(high))
