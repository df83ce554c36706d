"""Rounding twins of a comparison's trainings: planned beside its cells, kept apart from their statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crosstrain.comparison.cells import Bench
from crosstrain.comparison.plan import Cell
from crosstrain.results.schema import CellResult


class Twins:
    """The twins of a comparison; ``results`` are those so far."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.results: list[CellResult] = []

    def plan(self, planned: Sequence[Cell]) -> list[Cell]:
        """For the first training of every seed that ended well as many twins as the settings ask for, in the
        order of the trainings: all the first twins, then all the second."""
        first = [c for c in planned if c.repeat == 0 and c.id in self.bench.results]
        well = [c for c in first if self.bench.results[c.id].status == "done"]
        return [
            replace(cell, twin=number) for number in range(1, self.bench.settings.twins + 1) for cell in well
        ]

    def measure(self, cells: Sequence[Cell], epochs: int) -> None:
        """Train them, or take what is stored."""
        if not cells:
            return
        stored = [result for cell in cells if (result := self.bench.stored_result(cell, epochs))]
        self.bench.watch.begin(cells, stored, epochs)
        for cell in cells:
            self.bench.measure(cell, epochs)
            self.results.append(self.bench.results[cell.id])
        self.bench.forget_checkpoints()
