"""What one change did to an engine, published and measured here, as factors: seconds of two machines do not
compare. Published times are in ``then_and_now``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crosstrain.engines.registry import engine_of
from crosstrain.results.schema import ComparisonResult
from crosstrain.studies.plan import Change, Published

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
    """Every published change beside what these comparisons measured."""
    return [_change(each, results) for each in published.changes]


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


def _name(record: Mapping[str, Any]) -> str:
    size = record.get("input_size")
    return str(record["network"]) + ("" if size is None else f" at {size}")
