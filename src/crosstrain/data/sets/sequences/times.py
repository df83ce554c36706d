"""What the time column of a series says: how far it is from step to step, and the usual season."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from crosstrain.data.sets.sequences.reading import in_words
from crosstrain.errors import CrosstrainError

_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)|^\d{8}")
"""What a date has, and a mere label has not."""
_DAY = 86_400.0
_UNITS = (("minute", 60.0, 60), ("hour", 3_600.0, 24), ("day", _DAY, 7), ("week", 7 * _DAY, 52))
"""Each unit's seconds, and how many steps its season has: an hour, a day, a week, a year."""
_MONTHS = {1: ("month", 12), 3: ("quarter", 4), 12: ("year", 1)}
WEEKDAYS = 5
"""A week of days on which there is something to trade."""
UNEVEN = 0.05
"""Above this share of longer steps it is the rule of the calendar (no prices at weekends), not a gap."""


@dataclass(frozen=True)
class Steps:
    """``unit`` is what a step is called ("" where it is not known), ``season`` the steps of its usual season
    (1: none), ``warnings`` sentences on steps that are longer than the others."""

    unit: str = ""
    season: int = 1
    warnings: Sequence[str] = field(default_factory=tuple)


def steps_of(path: Path, times: Sequence[str], lines: Sequence[int]) -> Steps:
    """What ``times`` say; nothing if they are no dates. ``CrosstrainError`` where time goes back or
    stands."""
    if len(times) < 3 or not all(_YEAR.search(time) for time in times):
        return Steps()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas guesses the form of dates, and says so
        dates = pd.to_datetime(pd.Series(list(times)), errors="coerce")
    if dates.isna().any():
        return Steps()
    seconds = dates.astype("int64").to_numpy() / {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[dates.dt.unit]
    apart = np.diff(seconds)
    if (apart <= 0).any():
        first = int(np.flatnonzero(apart <= 0)[0]) + 1
        raise CrosstrainError(
            f"{path}, line {lines[first]}: the time {times[first]!r} does not come after "
            f"{times[first - 1]!r}; a series goes from old to new, one value at each time"
        )
    months = np.diff(12 * dates.dt.year.to_numpy() + dates.dt.month.to_numpy())
    usual = int(np.median(months))
    if usual in _MONTHS and (dates.dt.day == dates.dt.day.iloc[0]).all():
        unit, season = _MONTHS[usual]
        return Steps(unit, season, _longer(lines, months > usual, unit))
    length = float(np.median(apart))
    unit, season = next(((name, count) for name, each, count in _UNITS if each == length), ("", 1))
    if unit == "day" and (dates.dt.day_of_week < WEEKDAYS).all():
        season = WEEKDAYS
    return Steps(unit, season, _longer(lines, apart > 1.5 * length, unit or f"{length:g} s"))


def _longer(lines: Sequence[int], longer: np.ndarray, unit: str) -> tuple[str, ...]:
    count = int(longer.sum())
    if not count:
        return ()
    even = "values are taken as evenly spaced"
    if count > UNEVEN * len(longer):
        weekends = ", as over weekends" if unit == "day" else ""
        return (f"{count} of {len(longer)} steps are longer than one {unit}{weekends}; {even}",)
    after = [lines[int(row) + 1] for row in np.flatnonzero(longer)]
    return (f"times are missing before {in_words(after)}, where a step is longer than one {unit}; {even}",)
