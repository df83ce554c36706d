"""A backtest: the same comparison as if the series had ended earlier, several times, each with its own
training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.comparison.settings import RUNS
from crosstrain.data.options import split_spec
from crosstrain.data.registry import options_of, parse
from crosstrain.data.source import Request
from crosstrain.errors import CrosstrainError
from crosstrain.forecasting.baselines import LAST
from crosstrain.forecasting.measures import means
from crosstrain.forecasting.summary import FACTS
from crosstrain.results.backtests import FILE
from crosstrain.results.schema import ComparisonResult
from crosstrain.system.files import slug, write_json

FIRST = 0.6
"""The share of the series after which the first origin's ends; the last one's is whole."""


@dataclass(frozen=True)
class Backtest:
    """``parts`` are the comparisons of the series up to each of ``ends`` (steps), in folders below
    ``folder``."""

    folder: Path
    data: str
    ends: tuple[int, ...]
    parts: tuple[ComparisonResult, ...]

    @property
    def entries(self) -> list[dict[str, Any]]:
        """Each forecaster that every part has, with the means of its measures over the parts; ``errors`` are
        its mean absolute errors one by one, ``better`` in how many it is better than tomorrow equals
        today."""
        by_name: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
        for part in self.parts:
            for entry in part.forecasts.get("entries", ()):
                by_name.setdefault((entry["kind"], entry["name"], entry["engine"]), []).append(entry)
        today = [each["MAE"] for each in by_name.get(("baseline", LAST, ""), ())]
        return [
            {
                "kind": kind, "name": name, "engine": engine,
                **means(each),
                "errors": [e["MAE"] for e in each],
                "better": sum(e["MAE"] < error for e, error in zip(each, today, strict=True)),
            }
            for (kind, name, engine), each in by_name.items()
            if len(each) == len(self.parts)
        ]  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder), "data": self.data, "ends": list(self.ends), "entries": self.entries,
            "parts": [part.folder for part in self.parts],
        }  # fmt: skip


def run(
    data: str,
    origins: int,
    out: Path | None,
    compare: Callable[[str, Path], ComparisonResult],
    words: Sequence[str],
) -> Backtest:
    """``compare(data, folder)`` for the series up to each end. ``words`` name the default folder. Raises
    ``CrosstrainError`` for data that is no series, or has an ``end`` of its own."""
    found = ends(data, origins)
    name, place, written = split_spec(data)
    folder = out or RUNS / "-".join(["backtest", *(slug(word) for word in words), slug(Path(place).stem)])
    parts = []
    for end in found:
        settings = ",".join(filter(None, [written.replace(":", ","), f"end={end}"]))
        parts.append(compare(f"{name}:{place}:{settings}", folder / f"end-{end}"))
    result = Backtest(folder, data, tuple(found), tuple(parts))
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / FILE, result.to_json())
    return result


def ends(data: str, origins: int) -> list[int]:
    """Where the series ends each time, evenly spread from ``FIRST`` of it to the whole."""
    if origins < 2:
        raise CrosstrainError(f"a backtest has at least 2 origins, not {origins}")
    row, location = parse(data)
    options = options_of(data)
    if row.name != "series":
        raise CrosstrainError(f"a backtest is of a series, and {data} is none; write series:FILE")
    if "end" in options:
        raise CrosstrainError("a backtest chooses the ends itself; leave out end=")
    facts = row.reader().read(location, Request(options=options)).facts[FACTS]
    return [round(end) for end in np.linspace(FIRST * facts["steps"], facts["steps"], origins)]
