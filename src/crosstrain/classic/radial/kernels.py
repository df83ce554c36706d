"""Gaussian kernels around stored samples, and the width that leaves one out best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator

from crosstrain.classic import parameters
from crosstrain.classic.arrays import Array
from crosstrain.classic.distances import squared_distances

MOST = 2000
"""Samples that choose the width; more are thinned out evenly."""
BY_LEAVING_ONE_OUT = "leave_one_out"


def check_width(estimator: Any) -> None:
    """:raises ValueError: ``width`` is neither a positive number nor "leave_one_out"."""
    if isinstance(estimator.width, str):
        parameters.one_of(estimator, "width", (BY_LEAVING_ONE_OUT,))
    else:
        parameters.within(estimator, "width", low=0, high=np.inf, open_low=True)


def kernel(xp: Any, squared: Array, width: float) -> Array:
    """exp(−d² / 2 width²) for each row, up to a factor that makes the row's largest 1: ratios stay, and
    samples far from all others do not become 0/0."""
    return xp.exp((xp.min(squared, axis=1, keepdims=True) - squared) / (2 * width * width))


def best_width(
    estimator: BaseEstimator, data: np.ndarray, loss: Callable[[np.ndarray, np.ndarray], float]
) -> float:
    """The width of least ``loss(kernel without the sample itself, positions of the samples)``.

    Searched over a hundredth to ten times the typical distance between samples.
    """
    chosen = np.unique(np.linspace(0, len(data) - 1, min(MOST, len(data))).astype(np.int64))
    squared = squared_distances(np, data[chosen], data[chosen])
    typical = float(np.sqrt(np.median(squared[squared > 0]))) if (squared > 0).any() else 1.0
    if len(chosen) < 3:
        return typical
    np.fill_diagonal(squared, np.inf)

    def judged(log_width: float) -> float:
        return loss(kernel(np, squared, float(np.exp(log_width))), chosen)

    low, high = np.log(typical / 100), np.log(typical * 10)
    grid = np.linspace(low, high, 15)
    losses = [judged(each) for each in grid]
    best = int(np.argmin(losses))
    span = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    refined = minimize_scalar(judged, bounds=span, method="bounded", options={"maxiter": 12})
    return float(np.exp(refined.x if refined.fun < losses[best] else grid[best]))
