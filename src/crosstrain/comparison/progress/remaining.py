"""How long a comparison still takes, from what its cells have taken so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean
from typing import Any

from crosstrain.comparison.plan import Cell, Group
from crosstrain.results.schema import CellResult

ENOUGH = 0.05
"""The share of a cell after which its own pace says more than that of others."""


class Remaining:
    """Estimates in seconds. A cell is expected to take as long as its group's finished ones, else as
    those of the same network and size, else as any, else as long as the present one seems to take."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._waiting = list(cells)
        self._taken: dict[Group, list[float]] = {}
        self._current: Cell | None = None
        self._started = 0.0
        self._done = 0.0

    def start(self, cell: Cell, now: float) -> None:
        self._waiting = [c for c in self._waiting if c.id != cell.id]
        self._current, self._started, self._done = cell, now, 0.0

    def advance(self, share: float) -> None:
        """The present cell has done this share (0 to 1) of its training."""
        self._done = min(max(share, 0.0), 1.0)

    def finish(self, cell: Cell, seconds: float) -> None:
        """A cell has ended well after so many seconds."""
        self._taken.setdefault(cell.group, []).append(seconds)
        self.drop(cell)

    def drop(self, cell: Cell) -> None:
        """A cell is over, and how long it took says nothing."""
        self._waiting = [c for c in self._waiting if c.id != cell.id]
        if self._current is not None and self._current.id == cell.id:
            self._current = None

    def of_cell(self, now: float) -> float | None:
        """Of the present cell; None where nothing is known yet."""
        if self._current is None:
            return None
        elapsed = now - self._started
        if self._done >= ENOUGH:
            return elapsed * (1 - self._done) / self._done
        expected = self._expected(self._current, None)
        return None if expected is None else max(expected - elapsed, 0.0)

    def of_all(self, now: float) -> float | None:
        """Of everything; None where nothing is known yet."""
        present = self.of_cell(now)
        whole = None if present is None or self._current is None else now - self._started + present
        estimates = [self._expected(cell, whole) for cell in self._waiting]
        if any(each is None for each in estimates) or (self._current is not None and present is None):
            return None
        return (present or 0.0) + sum(each for each in estimates if each is not None)

    def _expected(self, cell: Cell, otherwise: float | None) -> float | None:
        same = self._taken.get(cell.group)
        near = self._seconds(g for g in self._taken if g[:2] == cell.group[:2])
        every = self._seconds(self._taken)
        for known in (same, near, every):
            if known:
                return mean(known)
        return otherwise

    def _seconds(self, groups: Iterable[Group]) -> list[float]:
        return [seconds for group in groups for seconds in self._taken[group]]


class Course:
    """The progress of a comparison, from the events of a ``Watch``. ``now`` is in seconds of any clock.

    ``ended`` of ``cells`` are finished; ``share`` (0 to 1) of the current one's training is done, None
    until that is known; ``epochs`` is the number of epochs of each.
    """

    def __init__(self) -> None:
        self._remaining = Remaining(())
        self.cells = self.ended = 0
        self.epochs = 1
        self.share: float | None = None

    def begin(self, cells: Sequence[Cell], finished: Sequence[CellResult], epochs: int) -> None:
        self._remaining = Remaining(cells)
        self.cells, self.ended, self.epochs, self.share = len(cells), 0, epochs, None
        by_id = {cell.id: cell for cell in cells}
        for result in finished:
            if cell := by_id.get(result.id):
                self.finish(cell, result)

    def start(self, cell: Cell, now: float) -> None:
        self.share = None
        self._remaining.start(cell, now)

    def event(self, event: Mapping[str, Any]) -> None:
        """A worker's ``progress`` or ``epoch``; others say nothing of how far it is."""
        if event["event"] == "progress":
            # Epochs count from 1, and the one that runs is not over.
            self.share = (event["epoch"] - 1 + event["step"] / max(event.get("steps") or 1, 1)) / self.epochs
        elif event["event"] == "epoch":
            self.share = event["epoch"] / self.epochs
        else:
            return
        self._remaining.advance(self.share)

    def finish(self, cell: Cell, result: CellResult) -> None:
        self.ended += 1
        self.share = None
        if result.status == "done" and result.wall_seconds:
            self._remaining.finish(cell, result.wall_seconds)
        else:
            self._remaining.drop(cell)

    def cell_seconds_left(self, now: float) -> float | None:
        """Seconds that the present cell will still take; None where nothing is known yet."""
        return self._remaining.of_cell(now)

    def seconds_left(self, now: float) -> float | None:
        """Seconds until everything is done; None where nothing is known yet."""
        return self._remaining.of_all(now)
