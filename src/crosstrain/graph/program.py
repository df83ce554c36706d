"""The program that an engine runs: a network, its loss and its optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from crosstrain.graph.graph import Graph, merged
from crosstrain.training.optimizers import Optimizer


@dataclass(frozen=True)
class Program:
    """A network with its loss.

    ``loss`` is a graph too: its inputs are ``output/NAME`` (an output of the network) and ``target/NAME``;
    its output is the scalar ``loss``. Both phases are plain graphs, so an engine knows nothing of losses.
    """

    network: Graph
    loss: Graph
    optimizer: Optimizer

    @cached_property
    def training(self) -> Graph:
        """Inputs: features, targets and, where there is noise, ``seed``. Outputs: ``loss`` and
        ``output/NAME``. Updates: the next value of each moving statistic."""
        return merged(self.network.name, self.network.phase(training=True), self.loss)

    @cached_property
    def inference(self) -> Graph:
        return self.network.phase(training=False)
