"""The tasks of the grid of recurrent networks, by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from native_loops import Task
from native_loops.recurrent_networks import CLASSES, GRID, VOCABULARY

NETWORKS = Path(__file__).with_name("recurrent_networks.py")


@dataclass(frozen=True, kw_only=True)
class RecurrentTask(Task):
    """A cell of the grid; ``layers`` is 1, 2 or both (directions)."""

    cell: str
    layers: str


def task(name: str) -> RecurrentTask:
    """Raises ``ValueError`` for a name that is not of the grid."""
    if name not in GRID:
        raise ValueError(f"{name!r} is not of the grid: {', '.join(GRID)}")
    cell, layers, steps = name.split("-")
    return RecurrentTask(
        network=f"{NETWORKS}:{name.replace('-', '_')}",
        shape=(int(steps),),
        classes=CLASSES,
        tokens=VOCABULARY,
        cell=cell,
        layers=layers,
    )
