"""Patterns of two values: read, checked, or made of any numbers by a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from crosstrain.classic import arrays


def read_patterns(
    estimator: BaseEstimator, X: Any, *, reset: bool, binarize: float | None, low: float = -1.0
) -> np.ndarray:
    """``X`` as a float64 matrix of ``low`` and 1 on the host, (patterns, units).

    With ``binarize`` every value above it counts as 1 and the rest as ``low``; without (None) the values have
    to be these two.

    :raises ValueError: ``X`` is no finite matrix, has the wrong number of columns, or holds other values.
    """
    _, read = arrays.read(estimator, X, reset=reset)
    return two_valued(arrays.to_numpy(read), binarize, low)


def two_valued(values: np.ndarray, binarize: float | None, low: float = -1.0, what: str = "X") -> np.ndarray:
    """``values`` made two-valued by the threshold ``binarize``, or checked to be so where that is None."""
    if binarize is not None:
        return np.where(values > binarize, 1.0, low)
    strange = (values != 1) & (values != low)
    if strange.any():
        first = values[strange][0]
        raise ValueError(
            f"{what} must hold {low:g} and 1 only, not {first:g}; set binarize to the threshold above which "
            "a value counts as 1"
        )
    return values
