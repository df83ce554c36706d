"""Graphs with less to do and the same outcome, for engines whose compiler does not see it itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from crosstrain.graph.graph import Graph


def readers(graph: Graph) -> Counter[str | None]:
    """How often each reference is read, by nodes or as a result."""
    results = (*graph.outputs.values(), *graph.updates.values(), *graph.penalties)
    return Counter((*(ref for node in graph.nodes for ref in node.inputs), *results))


def pooled_first(graph: Graph) -> Graph:
    """ReLU behind a max pooling instead of in front of it."""
    # max(relu(x)) = relu(max(x)), and the gradient is the same too: where the largest is positive it is at
    # the same place, where it is not there is none. The two nodes swap what they do and keep their names.
    read, by_output = readers(graph), {n.references[0]: i for i, n in enumerate(graph.nodes) if n.references}
    nodes = list(graph.nodes)
    for index, pool in enumerate(graph.nodes):
        before = by_output.get(str(pool.inputs[0])) if pool.op == "max_pool" else None
        if before is not None and nodes[before].op == "relu" and read[pool.inputs[0]] == 1:
            relu = nodes[before]
            nodes[before] = replace(relu, op=pool.op, attributes=pool.attributes, outputs=pool.outputs)
            nodes[index] = replace(pool, op="relu", attributes=relu.attributes)
    return replace(graph, nodes=tuple(nodes))
