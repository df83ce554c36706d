"""Where the wall time goes: reported for every comparison, so that crosstrain's own cost stays visible."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from crosstrain.results.schema import CellResult, Wall

PARTS = ("training", "compiling", "importing", "evaluating", "proving", "preparing", "criteria")


class Account:
    """Seconds by part, on top of ``before`` (what earlier runs of the same comparison took)."""

    def __init__(self, before: Mapping[str, Any] | None = None) -> None:
        self._before = Wall(**{k: v for k, v in (before or {}).items() if k in Wall.model_fields})
        self._started = time.monotonic()
        self._spent = dict.fromkeys(PARTS, 0.0)

    def add(self, part: str, seconds: float) -> None:
        self._spent[part] += seconds

    def cell(self, result: CellResult) -> None:
        """The parts of a cell; what its process took beyond them is rest."""
        self.add("training", result.train_seconds)
        self.add("compiling", result.compile_seconds)
        self.add("importing", result.import_seconds)
        self.add("evaluating", result.evaluate_seconds)
        self.add("preparing", result.prepare_seconds)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What happens within counts as this part."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.add(name, time.monotonic() - started)

    @property
    def elapsed(self) -> float:
        """Seconds since this run began."""
        return time.monotonic() - self._started

    def wall(self) -> Wall:
        """The account so far, earlier runs included."""
        sums = {name: getattr(self._before, name) + spent for name, spent in self._spent.items()}
        return Wall(total=self._before.total + self.elapsed, **sums)

    def to_json(self) -> dict[str, float]:
        wall = self.wall()
        seconds = {name: round(getattr(wall, name), 3) for name in ("total", *PARTS, "rest")}
        return {**seconds, "own_share": round(wall.own_share, 4)}
