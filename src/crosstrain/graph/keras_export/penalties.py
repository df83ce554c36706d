"""Penalties that are Keras's L1 and L2 regularisers of a weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crosstrain.graph.graph import Graph, Node


@dataclass(frozen=True)
class Regularizer:
    """l1 · Σ|w| + l2 · Σw²."""

    l1: float = 0.0
    l2: float = 0.0


def regularizers(graph: Graph) -> dict[str, tuple[str, Regularizer]]:
    """The penalties (by reference) that regularise one weight: the weight and the factors."""
    nodes = {ref: node for node in graph.nodes for ref in node.references}
    by_penalty = {}
    for penalty in graph.penalties:
        terms = _terms(nodes, penalty)
        if terms and len({weight for weight, _, _ in terms}) == 1:
            sums = {kind: sum(f for _, k, f in terms if k == kind) for kind in ("abs", "square")}
            by_penalty[penalty] = (terms[0][0], Regularizer(sums["abs"], sums["square"]))
    return by_penalty


def _constant(nodes: Mapping[str, Node], ref: str | None) -> float | None:
    node = nodes.get(str(ref))
    value = node.attributes["value"] if node is not None and node.op == "constant" else None
    return float(value) if isinstance(value, int | float) else None


def _terms(nodes: Mapping[str, Node], ref: str | None) -> list[tuple[str, str, float]] | None:
    """(weight, abs or square, factor) for each term of a sum; None for any other expression."""
    node = nodes.get(str(ref))
    if node is None:
        return None
    if _constant(nodes, ref) == 0:
        return []
    if node.op == "add":
        parts = [_terms(nodes, i) for i in node.inputs]
        return None if None in parts else [term for part in parts for term in part or ()]
    if node.op != "multiply":
        return None
    for factor, rest in (node.inputs, node.inputs[::-1]):
        value, total = _constant(nodes, factor), nodes.get(str(rest))
        if value is None or total is None or total.op != "sum" or total.outputs[0].shape != ():
            continue
        inner = nodes.get(str(total.inputs[0]))
        if inner is not None and inner.op in ("abs", "square") and str(inner.inputs[0]).startswith("@"):
            return [(str(inner.inputs[0])[1:], inner.op, value)]
    return None
