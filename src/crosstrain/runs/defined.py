"""A defined network: what the define task wrote, read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph, Weights
from crosstrain.graph.program import Program
from crosstrain.training.optimizers import Optimizer


@dataclass(frozen=True)
class Definition:
    """A network that was defined: graph, initial weights and loss in ``folder``, and ``data``, the
    content of its ``definition.json``."""

    folder: Path
    data: Mapping[str, Any]

    @classmethod
    def load(cls, folder: Path) -> Definition:
        """The definition in ``folder``; ``CrosstrainError`` where there is none, or a damaged one."""
        path = folder / "definition.json"
        try:
            data = json.loads(path.read_text())
        except FileNotFoundError as error:
            raise CrosstrainError(f"there is no definition of a network at {path}") from error
        except ValueError as error:
            raise CrosstrainError(f"{path} is damaged ({error}); delete the folder") from error
        return cls(folder, data)

    @property
    def remarks(self) -> list[str]:
        """Sentences on what was chosen otherwise than the source says."""
        return list(self.data.get("remarks") or ())

    @property
    def network(self) -> Path:
        """The graph's file; its weights stand beside it."""
        return self.folder / "network.json"

    @cached_property
    def graph(self) -> Graph:
        return Graph.load(self.network)[0]

    @cached_property
    def loss(self) -> Graph:
        return Graph.load(self.folder / "loss.json")[0]

    def weights(self) -> Weights:
        """The initial weights and the loss's constants: what ``Engine.build`` takes."""
        return Graph.load(self.network)[1] | Graph.load(self.folder / "loss.json")[1]

    def program(self, optimizer: Optimizer) -> Program:
        return Program(self.graph, self.loss, optimizer)
