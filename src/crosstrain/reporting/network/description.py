"""What a network is: the catalogue's row, its layers, its drawing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from crosstrain.graph.graph import Graph
from crosstrain.reporting.network.drawing import draw
from crosstrain.reporting.network.folding import Folded, folded
from crosstrain.reporting.network.outline import Outline, outline
from crosstrain.zoo import NetworkRow


@dataclass(frozen=True)
class NetworkDescription:
    """A network to look at. ``outline`` has all its layers, ``folded`` those that are drawn: repeated
    blocks once. ``row`` is None for a network that is not in the catalogue."""

    network: str
    row: NetworkRow | None
    outline: Outline

    @classmethod
    def of(cls, network: str, row: NetworkRow | None, graph: Graph) -> NetworkDescription:
        return cls(network, row, outline(graph))

    @cached_property
    def folded(self) -> Folded:
        return folded(self.outline)

    @property
    def heading(self) -> str:
        """One line: name, parameters, multiply-accumulates."""
        return f"{self.network}: {self.outline.parameters:,} parameters, {self.outline.macs:,} MACs"

    def draw(self, path: str | Path) -> None:
        """Write the drawing to a file that ends in ``.svg`` or ``.png``. Raises ``CrosstrainError`` for
        another."""
        draw(self.folded, self.heading, Path(path))

    def to_json(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "catalogue": self.row and asdict(self.row),
            **self.outline.to_json(),
        }
