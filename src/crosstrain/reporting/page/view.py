"""A comparison as the page looks at it: rows with their labels, and what there is to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from crosstrain.results.rows import Row, rows, size_text
from crosstrain.results.schema import CellResult, ComparisonResult
from crosstrain.statistics.ratios import Interval


@dataclass(frozen=True)
class Line:
    """A row of the results under the names that the page shows."""

    row: Row

    @property
    def network(self) -> str:
        return self.row.network

    @property
    def engine(self) -> str:
        return self.row.engine

    @property
    def size(self) -> str:
        return size_text(self.row.input_size)

    @property
    def pixels(self) -> int | None:
        """The input size where it is one number."""
        size = self.row.input_size
        if isinstance(size, list) and len(set(size)) == 1:
            return size[0]
        return size if isinstance(size, int) else None

    @property
    def key(self) -> dict[str, str]:
        """What filters select by."""
        return {"network": self.network, "size": self.size, "engine": self.engine}

    @property
    def task(self) -> str:
        """The network at its size."""
        return at_size(self.network, self.row.input_size)

    @property
    def seconds(self) -> Interval | None:
        return self.row.seconds

    @cached_property
    def accuracy(self) -> Interval | None:
        """The main metric: the accuracy, or what takes its place."""
        return self.row.score_interval

    @property
    def training_seconds(self) -> float | None:
        """Seconds that all epochs of a cell take, the mean over the cells."""
        totals = [sum(cell.epoch_seconds) for cell in self.row.done]
        return fmean(totals) if totals else None

    @property
    def cells(self) -> tuple[CellResult, ...]:
        return self.row.done


@dataclass(frozen=True)
class View:
    """A comparison, the folder that it lies in, and whether it is still running."""

    result: ComparisonResult
    folder: Path
    live: bool = False

    @cached_property
    def lines(self) -> list[Line]:
        return [Line(row) for row in rows(self.result.cells)]

    @cached_property
    def done(self) -> list[Line]:
        """The lines that have a time."""
        return [line for line in self.lines if line.seconds]

    @cached_property
    def engines(self) -> list[str]:
        """Entrants, in the order of the results."""
        return list(dict.fromkeys(line.engine for line in self.lines))

    @cached_property
    def networks(self) -> list[str]:
        return list(dict.fromkeys(line.network for line in self.lines))

    @cached_property
    def sizes(self) -> list[str]:
        return list(dict.fromkeys(line.size for line in self.lines))

    def key(self, entry: Mapping[str, Any]) -> dict[str, str]:
        """The labels of an entry of ``criteria``, ``tuning``, ``growth`` …"""
        return {
            "network": str(entry.get("network") or ""),
            "size": size_text(entry.get("input_size")),
            "engine": str(entry.get("engine") or ""),
        }


def at_size(network: str, size: Any) -> str:
    return network if size is None else f"{network} at {size_text(size)}"


def interval_of(data: Any) -> Interval | None:
    """An interval from its JSON; None where there is none or it lacks its value."""
    if not isinstance(data, Mapping) or data.get("value") is None:
        return None
    value = float(data["value"])
    low, high = data.get("low"), data.get("high")
    return Interval(
        value,
        value if low is None else float(low),
        value if high is None else float(high),
        int(data.get("samples") or 0),
        data.get("method") or "bootstrap",
    )
