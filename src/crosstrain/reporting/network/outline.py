"""The layers of a graph: its nodes as they were written, with what each is called and costs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from crosstrain.graph.cost import cost
from crosstrain.graph.graph import SEED, Graph, Node
from crosstrain.reporting.network.words import title

LARGEST = 40
"""A layer of more nodes than this is shown as the layers inside it, where it has any."""


@dataclass(frozen=True)
class Layer:
    """One layer, or one op outside of layers.

    ``title`` says what it does, ``inputs`` are positions in the outline, ``output`` is its last output's
    shape without the batch. ``parameters`` are trainable ones; a shared weight counts where it is first
    read.
    """

    name: str
    title: str
    inputs: tuple[int, ...]
    output: tuple[int | None, ...]
    parameters: int
    macs: int


@dataclass(frozen=True)
class Outline:
    """All layers of a network in the order of the graph; inputs are layers too. ``outputs`` are positions."""

    name: str
    layers: tuple[Layer, ...]
    outputs: dict[str, int]
    parameters: int
    macs: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def outline(graph: Graph) -> Outline:
    """The layers of a graph."""
    costs = cost(graph)
    by_node = {row.name: row for row in costs.nodes}
    layers: list[Layer] = []
    home: dict[str, int] = {}
    for name, spec in graph.inputs.items():
        if name != SEED:
            home[f"%{name}"] = len(layers)
            layers.append(Layer(name, "Input", (), spec.shape[1:], 0, 0))
    for name, nodes in _layers([node for node in graph.nodes if node.op != "constant"], 1):
        inside = {ref for node in nodes for ref in node.references}
        read = [ref for node in nodes for ref in node.inputs if ref in home and ref not in inside]
        rows = [by_node[node.name] for node in nodes if node.name in by_node]
        home.update(dict.fromkeys(inside, len(layers)))
        layers.append(
            Layer(
                name=name,
                title=title(name, nodes, graph),
                inputs=tuple(dict.fromkeys(home[ref] for ref in read)),
                output=nodes[-1].outputs[0].shape[1:],
                parameters=sum(row.parameters for row in rows),
                macs=sum(row.macs for row in rows),
            )
        )
    outputs = {name: home[ref] for name, ref in graph.outputs.items()}
    return Outline(graph.name, tuple(layers), outputs, costs.parameters, costs.macs)


def _layers(nodes: Sequence[Node], depth: int) -> list[tuple[str, list[Node]]]:
    """Runs of nodes that one call of a layer wrote, by the layer's name to a ``depth`` of nesting."""

    def key(item: tuple[int, Node]) -> Any:
        place, node = item
        return "/".join(node.layer.split("/")[:depth]) if node.layer else place

    runs: list[tuple[str, list[Node]]] = []
    for name, group in itertools.groupby(enumerate(nodes), key):
        members = [node for _, node in group]
        if isinstance(name, int):
            runs.append((members[0].name, members))
        elif len(members) > LARGEST and any(node.layer.count("/") >= depth for node in members):
            runs += _layers(members, depth + 1)
        else:
            runs.append((name, members))
    return runs
