"""Rounding twins: the same training from weights that are moved by one unit in the last place.

What engines do otherwise in the last place, training amplifies: a step depends on the one before. The spread
of twins is what that alone does to a result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np


def moved(weights: Mapping[str, np.ndarray], names: Iterable[str], twin: int) -> dict[str, np.ndarray]:
    """``weights`` with each number in the arrays ``names`` moved to the next one of its dtype, up or down as
    ``twin`` (1 or more) draws it. Zeros stay: the numbers next to zero are too small to change a sum, and
    slow on many processors."""
    random = np.random.default_rng((0x7717, twin))
    changed = dict(weights)
    for name in sorted(names):
        array = np.asarray(weights[name])
        if array.dtype.kind != "f":
            continue
        ends = np.where(random.integers(0, 2, array.shape), np.inf, -np.inf).astype(array.dtype)
        changed[name] = np.where(array == 0, array, np.nextafter(array, ends))
    return changed
