"""Terminal tables of networks: the catalogue, and the layers of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from crosstrain.reporting.network.drawing import shape_text
from crosstrain.reporting.network.folding import Folded
from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.grid import grid


def networks_table(networks: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each network of the catalogue."""
    table = grid(["network", "year", "input", "parameters", "MACs", "what it is"], right=(3, 4), flexible=5)
    for row in networks:
        table.add_row(
            row["name"],
            str(row["year"]),
            shape_text(row["input_shape"]),
            text.count(row["parameters"]),
            text.count(row["macs"]),
            f"{row['summary']} ({row['paper']})",
        )
    return table


def layers_table(folded: Folded) -> Table:
    """A row for each box of a network; boxes that stand for repeats say how many, and count them all."""
    table = grid(["", "layers", "first of them", "output", "parameters", "MACs"], right=(4, 5), flexible=1)
    repeats = {
        place: f"×{frame.count}" for frame in folded.frames for place in range(frame.first, frame.stop)
    }
    for place, box in enumerate(folded.boxes):
        table.add_row(
            repeats.get(place, ""),
            box.title,
            box.name if len(box.name) <= 28 else "…" + box.name[-27:],
            shape_text(box.output),
            text.count(box.parameters) if box.parameters else "",
            text.count(box.macs) if box.macs else "",
        )
    return table
