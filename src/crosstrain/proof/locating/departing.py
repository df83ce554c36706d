"""Builds ``Departure`` records, and answers which node reads a weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from crosstrain.graph.graph import Graph, Node
from crosstrain.proof.certificate import Departure, Numbers
from crosstrain.proof.compare import relative

SHOWN = 4

Pair = tuple[np.ndarray, np.ndarray]


def departure(
    stage: str, node: Node | None, tensor: str, pair: Pair | None, cause: tuple[str, bool], op: str = ""
) -> Departure:
    """A departure with both sides' numbers; ``pair`` is (true, got), ``cause`` (sentence, explained)."""
    true, got = pair or (None, None)
    error = relative(got, true) if true is not None and got is not None else float("inf")
    at = _telling(true, got)
    return Departure(
        stage=stage,
        node=node.name if node else "",
        op=node.op if node else op,
        layer=node.layer if node else "",
        tensor=tensor,
        error=error,
        expected=None if true is None else numbers(true, at),
        got=None if got is None else numbers(got, at),
        cause=cause[0],
        explained=cause[1],
    )


def _telling(true: np.ndarray | None, got: np.ndarray | None) -> np.ndarray:
    """Where both differ most; the first entries where they cannot be compared."""
    if true is None or got is None or true.shape != got.shape or not true.size:
        return np.arange(SHOWN)
    off = np.abs(np.asarray(got, "float64") - np.asarray(true, "float64")).reshape(-1)
    return np.argsort(-np.nan_to_num(off, nan=np.inf), kind="stable")[:SHOWN]


def numbers(array: np.ndarray, at: np.ndarray | None = None) -> Numbers:
    """An array as its norm and the entries at the given flat positions."""
    flat = np.asarray(array, "float64").reshape(-1)
    chosen = flat[:SHOWN] if at is None else flat[at[at < flat.size]]
    return Numbers(float(np.linalg.norm(flat)), tuple(array.shape), tuple(map(float, chosen)))


def readers(graph: Graph) -> dict[str, tuple[Node, int]]:
    """For each weight the first node that reads it, and as which input; in graph order."""
    first_reader: dict[str, tuple[Node, int]] = {}
    for node in graph.nodes:
        for index, ref in enumerate(node.inputs):
            if ref and ref.startswith("@"):
                first_reader.setdefault(ref[1:], (node, index))
    return first_reader


def in_graph_order(graph: Graph, names: Sequence[str]) -> list[str]:
    """Weights in the order in which nodes read them; those that none reads last."""
    position = {name: index for index, name in enumerate(readers(graph))}
    return sorted(names, key=lambda name: position.get(name, len(position)))


def belongs_to(graph: Graph, weight: str) -> Node | None:
    """The node that reads a weight, or, for a weight that is not the graph's, one of the same layer."""
    reader = readers(graph).get(weight)
    if reader:
        return reader[0]
    layer = weight.rpartition("/")[0]
    owned: Mapping[str, Node] = {
        name.rpartition("/")[0]: node for name, (node, _) in reversed(readers(graph).items())
    }
    return owned.get(layer) or next((n for n in graph.nodes if layer and layer in (n.layer, n.name)), None)
