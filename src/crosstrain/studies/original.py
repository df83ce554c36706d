"""Published figures beside those measured here, as factors: seconds of two machines do not compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crosstrain.engines.registry import engine_of
from crosstrain.results.schema import ComparisonResult
from crosstrain.studies.plan import Change, Published, Time

Factor = Mapping[str, float]
"""An interval's JSON: ``value``, ``low``, ``high``."""


@dataclass(frozen=True)
class Replication:
    """One published figure and those measured here. ``there`` is a factor; ``here`` has one for each row,
    with the row's name, and is empty where nothing of the kind was measured."""

    what: str
    engine: str
    published: str
    there: float
    here: tuple[tuple[str, Factor], ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "what": self.what, "engine": self.engine, "told": self.published, "there": self.there,
            "here": [{"row": name, **factor} for name, factor in self.here],
        }  # fmt: skip


def replications(published: Published, results: Sequence[ComparisonResult]) -> list[Replication]:
    """Every published figure beside what these comparisons measured."""
    changes = [_change(each, results) for each in published.changes]
    return changes + [entry for each in published.times for entry in _time(each, published.times, results)]


# -- what one change did --------------------------------------------------------------------------
def _change(change: Change, results: Sequence[ComparisonResult]) -> Replication:
    find = _MEASURED[change.what]
    here = [
        (_name(record), factor)
        for result in results
        for record, factor in find(result)
        if engine_of(record["engine"]) == change.engine
    ]
    published = f"{change.by}: {change.before:g} → {change.after:g} s an epoch"
    return Replication(change.what, change.engine, published, change.factor, tuple(here))


def _tuning(result: ComparisonResult) -> list[tuple[Mapping[str, Any], Factor]]:
    return [(record, record["factor"]) for record in result.tuning if record.get("factor")]


def _repeatability(result: ComparisonResult) -> list[tuple[Mapping[str, Any], Factor]]:
    return [
        (record, switch["cost"])
        for record in result.criteria
        if (switch := record.get("deterministic")) and switch.get("cost")
    ]


_MEASURED: Mapping[str, Callable[[ComparisonResult], list[tuple[Mapping[str, Any], Factor]]]] = {
    "tuning": _tuning,
    "repeatability": _repeatability,
}


# -- times ----------------------------------------------------------------------------------------
def _time(time: Time, times: Sequence[Time], results: Sequence[ComparisonResult]) -> list[Replication]:
    """The time as a multiple of the fastest engine's, among those measured both there and here."""
    if time.seconds is None:
        return []
    rows = {
        engine_of(row["engine"]): row["seconds_per_epoch"]
        for result in results
        if result.settings.get("device", "cpu").partition(":")[0] == time.device.partition(":")[0]
        for row in result.rows
        if row["network"] == time.network and row["input_size"] in (time.size, None)
        and row["engine"] == engine_of(row["engine"]) and row.get("seconds_per_epoch")
    }  # fmt: skip
    same_work = [
        t for t in times
        if (t.network, t.size, t.device) == (time.network, time.size, time.device) and t.seconds
    ]  # fmt: skip
    both = [t for t in same_work if t.engine in rows]
    base = min(both or same_work, key=lambda t: t.seconds or 0.0)
    size = "" if time.size is None else f" at {time.size}"
    published = (
        f"{time.network}{size}, {time.device}: {time.seconds:g} s an epoch, {base.engine} {base.seconds:g}"
    )
    here: tuple[tuple[str, Factor], ...] = ()
    if time.engine in rows and base.engine in rows:
        seconds, base_seconds = rows[time.engine], rows[base.engine]
        factor = {
            "value": seconds["value"] / base_seconds["value"],
            "low": seconds["low"] / base_seconds["high"],
            "high": seconds["high"] / base_seconds["low"],
        }
        own = {"value": 1.0, "low": 1.0, "high": 1.0}
        here = ((f"{time.network}{size}", own if time is base else factor),)
    assert base.seconds is not None
    return [Replication("time", time.engine, published, time.seconds / base.seconds, here)]


def _name(record: Mapping[str, Any]) -> str:
    size = record.get("input_size")
    return str(record["network"]) + ("" if size is None else f" at {size}")
