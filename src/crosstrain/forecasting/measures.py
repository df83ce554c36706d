"""Measures of forecasts, on arrays in the series' own units: (origins, horizon), a row for each forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

NAMES = ("MAE", "RMSE", "MASE", "sMAPE", "direction", "NRMSE")
"""In the order of tables; sMAPE is in percent, direction a share, the others have the series' unit or
none."""


@dataclass(frozen=True)
class Yardstick:
    """What errors are measured by. ``naive`` is the mean absolute error of the (seasonal) naive forecast on
    the training part, ``last`` the last known value at each origin, (origins,)."""

    naive: float
    last: np.ndarray

    @classmethod
    def of(cls, series: np.ndarray, training_steps: int, season: int, origins: np.ndarray) -> Yardstick:
        """From a series (steps,), of whose beginning networks learn."""
        known = series[:training_steps]
        season = season if 1 <= season < len(known) else 1
        return cls(float(np.abs(known[season:] - known[:-season]).mean()), series[origins])


def measured(forecast: np.ndarray, actual: np.ndarray, by: Yardstick) -> dict[str, float | None]:
    """All measures of forecasts against what came, both (origins, horizon); None where one is not defined.

    MASE is Hyndman and Koehler's (2006): the mean absolute error over that of the naive forecast on the
    training part. sMAPE is that of the M4 competition, in percent. Direction is the share of forecasts that
    go up or down from the last value as the series did, where both change. NRMSE is the root mean square
    error over the standard deviation of what came: 1 is no better than its mean.
    """
    error = forecast - actual
    mae, rmse = float(np.abs(error).mean()), float(np.sqrt((error**2).mean()))
    deviation = float(actual.std())
    return {
        "MAE": mae,
        "RMSE": rmse,
        "MASE": mae / by.naive if by.naive > 0 else None,
        "sMAPE": smape(forecast, actual),
        "direction": direction(forecast, actual, by.last),
        "NRMSE": rmse / deviation if deviation > 0 else None,
    }


def means(measures: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Each measure's mean over those that have it; None where none has."""
    known = {name: [each[name] for each in measures if each[name] is not None] for name in NAMES}
    return {name: fmean(values) if values else None for name, values in known.items()}


def smape(forecast: np.ndarray, actual: np.ndarray) -> float:
    """200 · mean(|forecast - actual| / (|forecast| + |actual|)), 0 where both are 0."""
    size = np.abs(forecast) + np.abs(actual)
    return float(200 * np.mean(np.abs(forecast - actual) / np.where(size > 0, size, 1.0)))


def direction(forecast: np.ndarray, actual: np.ndarray, last: np.ndarray) -> float | None:
    """The share of right signs of the change from ``last``; None where nothing, or no forecast, changes."""
    foretold, came = np.sign(forecast - last[:, None]), np.sign(actual - last[:, None])
    both = (foretold != 0) & (came != 0)
    return float((foretold[both] == came[both]).mean()) if both.any() else None
