"""The numbers of the cases: the same in every process."""

from __future__ import annotations

import numpy as np

_random = np.random.default_rng(7)


def normal(*shape: int) -> np.ndarray:
    return _random.standard_normal(shape)


def within(low: float, high: float, *shape: int) -> np.ndarray:
    return _random.uniform(low, high, shape)


def spread(*shape: int) -> np.ndarray:
    """Numbers with gaps between them, so that a small step changes no order; none within 0.01 of a kink."""
    count = int(np.prod(shape))
    values = np.linspace(-4.03, 4.09, count)
    return _random.permutation(values).reshape(shape)


def whole(high: int, *shape: int) -> np.ndarray:
    return _random.integers(0, high, shape)


def truth(*shape: int) -> np.ndarray:
    return _random.random(shape) < 0.5
