"""How long a comparison still takes, from what its cells have taken so far."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import mean

from crosstrain.compare.plan import Cell, Group

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
        found = [self._expected(cell, whole) for cell in self._waiting]
        if any(each is None for each in found) or (self._current is not None and present is None):
            return None
        return (present or 0.0) + sum(each for each in found if each is not None)

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
