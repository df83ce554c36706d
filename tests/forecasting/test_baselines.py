"""Baselines see nothing after the origin and are what the textbook says; measures agree with their
definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from crosstrain.forecasting.baselines import BASELINES, Problem, forecasts
from crosstrain.forecasting.measures import Yardstick, direction, measured, smape

RANDOM = np.random.default_rng(0)
WALK = RANDOM.normal(size=(120, 2)).cumsum(axis=0)


def problem(series: np.ndarray = WALK, horizon: int = 3, season: int = 7) -> Problem:
    return Problem(series, 1, np.arange(99, 115), np.arange(9, 80), 10, horizon, season)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_sees_nothing_after_its_origin(name: str) -> None:
    one = problem()
    changed = WALK.copy()
    changed[105:] += 1000 * RANDOM.normal(size=(15, 2))
    before = BASELINES[name](one)
    after = BASELINES[name](replace(one, series=changed))
    assert before is not None
    assert after is not None
    assert before.shape == (16, 3)
    assert np.array_equal(before[:6], after[:6])
    assert not np.array_equal(before[6:], after[6:])


def test_baselines_by_hand() -> None:
    series = np.arange(120.0)[:, None] ** 2
    one = Problem(series, 0, np.array([99, 110]), np.arange(9, 80), 10, 3, 7)
    found = forecasts(one)
    assert found["last value"].tolist() == [[9801] * 3, [12100] * 3]
    assert found["drift"][0] == pytest.approx([9801 + 99, 9801 + 198, 9801 + 297])
    assert found["seasonal naive"].tolist() == [[93**2, 94**2, 95**2], [104**2, 105**2, 106**2]]
    assert found["moving average"][0] == pytest.approx([np.mean(np.arange(90, 100) ** 2)] * 3)
    assert found["linear autoregression"] == pytest.approx(one.actual(one.origins), rel=1e-4), (
        "a parabola is linear in lags"
    )
    assert "seasonal naive" not in forecasts(replace(one, season=1))
    long = replace(one, horizon=9)
    assert forecasts(long)["seasonal naive"][0, 7:].tolist() == [93**2, 94**2], "two seasons back"


def test_measures_by_hand() -> None:
    actual, forecast = np.array([[2.0, 4.0], [6.0, 8.0]]), np.array([[3.0, 4.0], [4.0, 10.0]])
    by = Yardstick(2.0, np.array([1.0, 7.0]))
    found = measured(forecast, actual, by)
    assert found["MAE"] == pytest.approx(1.25)
    assert found["RMSE"] == pytest.approx(1.5)
    assert found["MASE"] == pytest.approx(0.625)
    assert found["sMAPE"] == pytest.approx(50 * (1 / 5 + 0 + 2 / 10 + 2 / 18))
    assert found["direction"] == 1.0
    assert found["NRMSE"] == pytest.approx(1.5 / np.std([2, 4, 6, 8]))


def test_measures_that_are_not_defined() -> None:
    flat = np.ones((3, 1))
    found = measured(flat, flat, Yardstick(0.0, np.ones(3)))
    assert (found["MAE"], found["MASE"], found["NRMSE"], found["direction"]) == (0.0, None, None, None)
    assert smape(np.zeros((2, 1)), np.zeros((2, 1))) == 0
    assert direction(np.array([[2.0], [0.0]]), np.array([[3.0], [3.0]]), np.ones(2)) == 0.5


def test_the_yardstick_is_the_naive_error_of_the_training_part() -> None:
    series = np.array([1.0, 2.0, 4.0, 7.0, 100.0])
    assert Yardstick.of(series, 4, 1, np.array([3])).naive == pytest.approx(2.0)
    assert Yardstick.of(series, 4, 2, np.array([3])).naive == pytest.approx(4.0)
    assert Yardstick.of(series, 4, 9, np.array([3])).naive == pytest.approx(2.0), "no season fits"
