"""Forecasts that need no network: what any forecast has to be better than.

Each takes the whole series and the origins, sees nothing after them, and gives (origins, horizon) in the
series' own units. The definitions are those of Hyndman and Athanasopoulos, "Forecasting: Principles and
Practice" (3rd edition, 2021), section 5.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LAST = "last value"


@dataclass(frozen=True)
class Problem:
    """``series`` (steps, variables), of which the column ``target`` is forecast for ``horizon`` steps from
    each of ``origins`` (positions of last known values); ``train`` are the origins of training, ``window``
    the steps that a network sees, ``season`` the steps of a season (1: none)."""

    series: np.ndarray
    target: int
    origins: np.ndarray
    train: np.ndarray
    window: int
    horizon: int
    season: int

    @property
    def values(self) -> np.ndarray:
        """The variable that is forecast, (steps,)."""
        values: np.ndarray = self.series[:, self.target]
        return values

    @property
    def ahead(self) -> np.ndarray:
        """1 to ``horizon``."""
        return np.arange(1, self.horizon + 1)

    def actual(self, origins: np.ndarray) -> np.ndarray:
        """What came, (origins, horizon)."""
        came: np.ndarray = self.values[origins[:, None] + self.ahead]
        return came

    def seen(self, origins: np.ndarray) -> np.ndarray:
        """What a network sees, (origins, window · variables)."""
        steps = origins[:, None] + np.arange(1 - self.window, 1)
        seen: np.ndarray = self.series[steps].reshape(len(origins), -1)
        return seen


def last_value(problem: Problem) -> np.ndarray:
    """Tomorrow equals today."""
    return np.repeat(problem.values[problem.origins][:, None], problem.horizon, axis=1)


def drift(problem: Problem) -> np.ndarray:
    """On from the last value as it went from the first value to the last on average."""
    last = problem.values[problem.origins]
    slope = (last - problem.values[0]) / np.maximum(problem.origins, 1)
    drifted: np.ndarray = last[:, None] + slope[:, None] * problem.ahead
    return drifted


def seasonal_naive(problem: Problem) -> np.ndarray | None:
    """The value of the last season at the same place; None without a season, or before the first is over."""
    if problem.season < 2 or problem.origins.min() + 1 < problem.season:
        return None
    back = problem.season * -(-problem.ahead // problem.season)
    repeated: np.ndarray = problem.values[problem.origins[:, None] + problem.ahead - back]
    return repeated


def moving_average(problem: Problem) -> np.ndarray:
    """The mean of the window."""
    steps = problem.origins[:, None] + np.arange(1 - problem.window, 1)
    return np.repeat(problem.values[steps].mean(axis=1, keepdims=True), problem.horizon, axis=1)


def autoregression(problem: Problem) -> np.ndarray:
    """Least squares from the window (all variables) to each step ahead, fitted on the windows of training."""
    from sklearn.linear_model import LinearRegression  # not at start-up: it takes a second

    known = problem.series[: problem.train[-1] + 1]
    centre, scale = known.mean(axis=0), known.std(axis=0)
    scaled = (problem.series - centre) / np.where(scale > 0, scale, 1.0)
    inner = Problem(
        scaled, problem.target, problem.origins, problem.train, problem.window, problem.horizon, 1
    )
    model = LinearRegression().fit(inner.seen(problem.train), problem.actual(problem.train))
    return np.asarray(model.predict(inner.seen(problem.origins)))


BASELINES: dict[str, Callable[[Problem], np.ndarray | None]] = {
    LAST: last_value,
    "drift": drift,
    "seasonal naive": seasonal_naive,
    "moving average": moving_average,
    "linear autoregression": autoregression,
}


def forecasts(problem: Problem) -> dict[str, np.ndarray]:
    """Of each baseline that there is for this series."""
    made = {name: make(problem) for name, make in BASELINES.items()}
    return {name: forecast for name, forecast in made.items() if forecast is not None}
