"""Recurrent layers as TensorFlow runs them best: it keeps what nobody asks for, and turns what it is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from crosstrain.graph.graph import Graph, Node, TensorSpec, reference

RECURRENT = frozenset(f"{step}{cell}" for step in ("", "stepwise_") for cell in ("simple_rnn", "lstm", "gru"))
BY_TIME = (1, 0, 2)


def by_time(graph: Graph) -> Graph:
    """A graph whose recurrent layers gather their outputs over time only where something reads them, and
    whose look-ups for such layers put time first: the layers do so too, and one turning undoes the other
    (``ops.transpose``)."""
    return replace(graph, nodes=tuple(node for each in graph.nodes for node in _rewritten(graph, each)))


def _rewritten(graph: Graph, node: Node) -> Iterator[Node]:
    if node.op in RECURRENT and not _readers(graph, node.references[0]):
        yield replace(node, attributes={**node.attributes, "sequences": False})
    elif _looks_up_for_a_recurrent_layer(graph, node):
        table, index = (str(ref) for ref in node.inputs)
        (batch, steps), dtype = graph.spec(index).shape, graph.spec(index).dtype
        turned = Node(
            f"{node.name}/index by time", "transpose", (index,), {"axes": (1, 0)},
            (TensorSpec((steps, batch), dtype),),
        )  # fmt: skip
        (rows,) = node.outputs
        found = replace(
            node, name=f"{node.name}/by time", inputs=(table, reference(turned.name)),
            outputs=(TensorSpec((steps, batch, rows.shape[2]), rows.dtype),),
        )  # fmt: skip
        yield turned
        yield found
        yield replace(node, op="transpose", inputs=(reference(found.name),), attributes={"axes": BY_TIME})
    else:
        yield node


def _readers(graph: Graph, ref: str) -> list[str]:
    """The ops that read a reference; "" for what leaves the graph."""
    outward = (*graph.outputs.values(), *graph.updates.values(), *graph.penalties)
    return [node.op for node in graph.nodes if ref in node.inputs] + [""] * (ref in outward)


def _looks_up_for_a_recurrent_layer(graph: Graph, node: Node) -> bool:
    if node.op != "take" or node.attributes["axis"] != 0:
        return False
    table, index = (graph.spec(str(ref)).shape for ref in node.inputs)
    readers = _readers(graph, node.references[0])
    return len(table) == len(index) == 2 and bool(readers) and RECURRENT.issuperset(readers)
