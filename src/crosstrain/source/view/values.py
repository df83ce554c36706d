"""What rules ask of a graph: the values that a node reads, their shapes, the layer that owns its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from crosstrain.graph.graph import Graph, Node
from crosstrain.source.view.step import NoLayer, Step


class Values:
    """A graph under its rules; ``alias`` maps values that only pass another one on to that one."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.alias: dict[str, str] = {}
        self.read = {ref for node in graph.nodes for ref in node.inputs if ref} | {*graph.outputs.values()}
        self.read |= {*graph.penalties, *graph.updates.values()}
        self.nodes = {node.name: node for node in graph.nodes}

    def values(self, node: Node, count: int | None = None) -> tuple[str, ...]:
        """The values that a layer reads. Raises ``NoLayer`` where one is a weight, or absent."""
        inputs = node.inputs if count is None else node.inputs[:count]
        if any(ref is None or ref.startswith("@") or self.constant(ref) for ref in inputs):
            raise NoLayer
        return tuple(self.alias.get(str(ref), str(ref)) for ref in inputs)

    def constant(self, ref: str | None) -> Node | None:
        """The node of a constant, if the reference is one."""
        node = self.nodes.get(str(ref)[1:])
        return node if node is not None and node.op == "constant" else None

    def before(self, ref: str | None) -> str | None:
        """The weight that a moving statistic was before a layer was applied the first time."""
        name, _, index = str(ref)[1:].partition(":")
        node = self.nodes.get(name)
        if node is not None and node.op == "phase_select":
            return self.before(node.inputs[1])
        if node is None or node.op != "batch_norm" or not index:
            return ref
        return self.before(node.inputs[2 + int(index)])

    def make(self, node: Node, kind: str, settings: Mapping[str, Any] | None = None, **more: Any) -> Step:
        values = more.pop("values", None) or self.values(node)
        output = more.pop("output", node.references[0])
        return Step(kind, values, output, self.graph.spec(output).shape[1:], settings or {}, **more)

    def owned(self, roles: Mapping[str, str | None]) -> dict[str, Any]:
        """``name`` and ``roles`` of a step from its weights by role. Raises ``NoLayer`` where they are not
        the weights of one layer, called by their roles."""
        present = {role: ref for role, ref in roles.items() if ref is not None}
        parents = set()
        for role, ref in present.items():
            path = PurePosixPath(ref[1:])
            if not ref.startswith("@") or path.name != role:
                raise NoLayer
            parents.add(str(path.parent))
        if len(parents) != 1 or parents == {"."}:
            raise NoLayer
        return {"name": parents.pop(), "roles": tuple(present)}

    def shape(self, ref: str | None) -> tuple[int | None, ...]:
        return self.graph.spec(str(ref)).shape

    def dtype(self, ref: str | None) -> str:
        return self.graph.spec(str(ref)).dtype

    def lengths(self, ref: str | None) -> tuple[int, ...]:
        return tuple(int(n or 0) for n in self.shape(ref))
