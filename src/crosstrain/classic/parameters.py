"""Checks of estimators' parameters: one clear sentence each."""

from __future__ import annotations

from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

from sklearn.base import BaseEstimator


def _refuse(estimator: BaseEstimator, name: str, right: str) -> None:
    value = getattr(estimator, name)
    raise ValueError(f"{type(estimator).__name__}: {name} must be {right}, not {value!r}")


def one_of(estimator: BaseEstimator, name: str, choices: Collection[str]) -> None:
    """:raises ValueError: the parameter is none of the choices."""
    value = getattr(estimator, name)
    if not isinstance(value, str) or value not in choices:
        _refuse(estimator, name, "one of " + ", ".join(map(repr, choices)))


def whole(estimator: BaseEstimator, *names: str, least: int = 1) -> None:
    """:raises ValueError: a parameter is no whole number, or below ``least``."""
    for name in names:
        value = getattr(estimator, name)
        if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < least:
            _refuse(estimator, name, f"a whole number of at least {least}")


def within(estimator: BaseEstimator, *names: str, low: float, high: float, open_low: bool = False) -> None:
    """:raises ValueError: a parameter is no number from ``low`` (itself left out if ``open_low``) to
    ``high``."""
    for name in names:
        value: Any = getattr(estimator, name)
        right = isinstance(value, Real) and low <= float(value) <= high
        if not right or (open_low and float(value) == low):
            start = f"above {low:g}" if open_low else f"of at least {low:g}"
            end = f" and at most {high:g}" if high < float("inf") else ""
            _refuse(estimator, name, f"a number {start}{end}")
