"""Forecasting: the next values of a series from those before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from crosstrain.classic.multilayer.perceptron import MultilayerPerceptronRegressor


@dataclass(frozen=True)
class Forecast:
    """On the end of a series that the network did not see: the true ``values`` and the ``forecasts``,
    (points,) each. ``error`` is their root mean square difference, ``persistence`` that of repeating the last
    known value, ``deviation`` that of always saying the mean."""

    values: np.ndarray
    forecasts: np.ndarray
    error: float
    persistence: float
    deviation: float


def mackey_glass(points: int = 1500, delay: int = 17, every: int = 1, seed: int = 0) -> np.ndarray:
    """A chaotic series, dx/dt = 0.2 x(t - delay) / (1 + x(t - delay)¹⁰) - 0.1 x; (points,).

    M. Mackey, L. Glass (1977): Oscillation and chaos in physiological control systems. Integrated with ten
    steps of Runge and Kutta in a unit of time, after 500 units to settle; ``every`` is the distance of
    points.
    """
    fine, settle = 10, 500
    lag, steps = delay * fine, (settle + points * every) * fine
    x = np.empty(lag + steps + 1)
    x[: lag + 1] = 1.2 + 0.05 * np.random.default_rng(seed).standard_normal()
    h = 1.0 / fine

    def slope(now: float, past: float) -> float:
        return 0.2 * past / (1 + past**10) - 0.1 * now

    for i in range(lag, lag + steps):
        start, end = float(x[i - lag]), float(x[i - lag + 1])
        now, middle = float(x[i]), (start + end) / 2
        k1 = slope(now, start)
        k2 = slope(now + h / 2 * k1, middle)
        k3 = slope(now + h / 2 * k2, middle)
        x[i + 1] = now + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(now + h * k3, end))
    return x[lag + settle * fine :: fine * every][:points].copy()


def forecasting(
    series: Any = None,
    network: Any = None,
    *,
    window: int = 4,
    spacing: int = 6,
    ahead: int = 6,
    test: float = 0.3,
    seed: int = 0,
) -> Forecast:
    """Forecast a series ``ahead`` points from ``window`` values that are ``spacing`` points apart; the last
    part of it, ``test``, judges. Without a series: that of Mackey and Glass, with the inputs that the
    literature uses (x(t), x(t - 6), x(t - 12), x(t - 18)). The default network is a multilayer perceptron.

    :raises ValueError: the series is too short.
    """
    values = mackey_glass(seed=seed) if series is None else np.asarray(series, dtype=float)
    first = (window - 1) * spacing
    rows = len(values) - first - ahead
    if values.ndim != 1 or rows < 10:
        raise ValueError(
            f"a series needs at least {first + ahead + 10} values for this window, not {values.shape}"
        )
    now = first + np.arange(rows)
    inputs = values[now[:, None] - spacing * np.arange(window)]
    targets = values[now + ahead]
    known = rows - int(test * rows)
    mean, scale = values[: known + first].mean(), values[: known + first].std()
    learnt = network or MultilayerPerceptronRegressor((12,), max_iter=300, random_state=seed)
    model = clone(learnt).fit((inputs[:known] - mean) / scale, (targets[:known] - mean) / scale)
    forecasts = np.asarray(model.predict((inputs[known:] - mean) / scale)) * scale + mean
    truth = targets[known:]
    return Forecast(
        truth,
        forecasts,
        error=_rms(forecasts - truth),
        persistence=_rms(inputs[known:, 0] - truth),
        deviation=_rms(mean - truth),
    )


def _rms(difference: np.ndarray) -> float:
    return float(np.sqrt(np.mean(difference**2)))
