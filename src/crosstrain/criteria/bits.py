"""Compares trained weights bit by bit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """Of ``arrays`` arrays, ``differing`` are not the same bits; no two numbers are further apart than
    ``largest`` (infinite where a number stands against none, or shapes differ)."""

    arrays: int
    differing: int
    largest: float

    @property
    def none(self) -> bool:
        return self.differing == 0


def compared(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> Difference:
    """How two sets of arrays differ. The same NaN is equal to itself; 0.0 and -0.0 are different bits."""
    names = [*first, *(name for name in second if name not in first)]
    apart = [name for name in names if not _same(first.get(name), second.get(name))]
    largest = max((_largest(first.get(name), second.get(name)) for name in apart), default=0.0)
    return Difference(len(names), len(apart), largest)


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None or a.dtype != b.dtype or a.shape != b.shape:
        return False
    return a.tobytes() == b.tobytes()


def _largest(a: np.ndarray | None, b: np.ndarray | None) -> float:
    if a is None or b is None or a.shape != b.shape:
        return math.inf
    x, y = a.astype("float64"), b.astype("float64")
    with np.errstate(invalid="ignore"):  # infinity minus itself
        distance = np.abs(x - y)
    distance = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, distance)
    return float(np.where(np.isnan(distance), math.inf, distance).max(initial=0.0))
