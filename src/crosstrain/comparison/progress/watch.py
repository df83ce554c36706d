"""How a comparison tells what it is doing; the report shows it, tests listen to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from crosstrain.comparison.plan import Cell
from crosstrain.results.schema import CellResult


class Watch(Protocol):
    """Called from the thread that runs the comparison, in the order in which things happen."""

    def stage(self, text: str) -> None:
        """Something outside of cells begins: data, a definition, a certificate."""

    def begin(self, cells: Sequence[Cell], finished: Sequence[CellResult], epochs: int) -> None:
        """These cells are to be run, of which ``finished`` were there before; ``epochs`` each."""

    def start(self, cell: Cell) -> None:
        """A cell's process begins."""

    def event(self, cell: Cell, event: Mapping[str, Any]) -> None:
        """What the cell's worker says: ``phase``, ``progress``, ``epoch``."""

    def finish(self, cell: Cell, result: CellResult) -> None:
        """A cell has ended, well or not."""

    def note(self, text: str) -> None:
        """A sentence that the user should not miss."""


class Silent:
    """Tells nobody."""

    def stage(self, text: str) -> None:
        return

    def begin(self, cells: Sequence[Cell], finished: Sequence[CellResult], epochs: int) -> None:
        return

    def start(self, cell: Cell) -> None:
        return

    def event(self, cell: Cell, event: Mapping[str, Any]) -> None:
        return

    def finish(self, cell: Cell, result: CellResult) -> None:
        return

    def note(self, text: str) -> None:
        return
