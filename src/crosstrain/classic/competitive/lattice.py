"""The lattice on which a self-organising map's units sit: rectangular or hexagonal, a sheet or a torus."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

TOPOLOGIES = ("rectangular", "hexagonal")
ROW = np.sqrt(3) / 2
"""The distance of a hexagonal lattice's rows, where neighbours are 1 apart."""
TOUCHING = 1.0 + 1e-9


@dataclass(frozen=True)
class Lattice:
    """``rows`` × ``columns`` units, numbered row by row. Where ``toroidal``, opposite edges touch.

    Neighbours are 1 apart: four on a rectangular lattice, six on a hexagonal one, fewer at a sheet's edge.
    """

    rows: int
    columns: int
    topology: str = "rectangular"
    toroidal: bool = False

    def __post_init__(self) -> None:
        if self.toroidal and self.topology == "hexagonal" and self.rows % 2:
            raise ValueError(
                f"a hexagonal torus needs an even number of rows, not {self.rows}: "
                "odd rows are shifted, so the last and the first must differ"
            )

    @cached_property
    def positions(self) -> np.ndarray:
        """Where each unit lies in the plane, (units, 2): x to the right, y down."""
        row, column = np.divmod(np.arange(self.rows * self.columns), self.columns)
        if self.topology == "rectangular":
            return np.stack([column, row], axis=1).astype(np.float64)
        return np.stack([column + 0.5 * (row % 2), row * ROW], axis=1)

    @cached_property
    def squared_distances(self) -> np.ndarray:
        """Between all units along the lattice's surface, (units, units)."""
        gap = np.abs(self.positions[:, None] - self.positions[None])
        if self.toroidal:
            high = ROW if self.topology == "hexagonal" else 1.0
            around = np.array([self.columns, self.rows * high])
            gap = np.minimum(gap, around - gap)
        return np.asarray((gap**2).sum(axis=2))

    @cached_property
    def levels(self) -> tuple[np.ndarray, np.ndarray]:
        """The different squared distances, (levels,), and which of them is that of each two units, (units,
        units)."""
        squared, which = np.unique(self.squared_distances, return_inverse=True)
        return squared, which.reshape(self.squared_distances.shape)

    @cached_property
    def neighbours(self) -> np.ndarray:
        """Which units touch, (units, units) of bool; no unit touches itself."""
        squared = self.squared_distances
        return (squared > 0) & (squared <= TOUCHING)
