"""What comes out of a layer in the middle of a network, as one more output of its graph."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import replace

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph

SHOWN = 12
"""Names in a message."""


def layer_names(graph: Graph) -> list[str]:
    """The layers that have nodes in a graph, in order; those of nested models as ``OUTER/INNER``."""
    names = (name for node in graph.nodes for name in _levels(node.layer))
    return list(dict.fromkeys(names))


def tapped(graph: Graph, layer: str) -> tuple[Graph, str]:
    """``graph`` with the output of ``layer`` beside its own, and what that output is called.

    ``layer`` is a layer's name, the last part of one, or an output of the network. A layer that is called
    several times gives what its last call makes. ``CrosstrainError`` for a layer that there is not, and one
    whose output has no row for each example.
    """
    if layer in graph.outputs:
        return graph, layer
    names = layer_names(graph)
    matching = [name for name in names if name == layer] or [n for n in names if n.endswith(f"/{layer}")]
    if len(matching) != 1:
        raise CrosstrainError(_unknown(graph, layer, matching, names))
    node = next(n for n in reversed(graph.nodes) if matching[0] in _levels(n.layer))
    shape = node.outputs[0].shape
    if not shape or shape[0] is not None:
        raise CrosstrainError(f"the output of the layer {layer!r} does not have one row for each example")
    return replace(graph, outputs={**graph.outputs, layer: node.references[0]}), layer


def _levels(layer: str) -> Iterator[str]:
    """``a/b/c`` as ``a``, ``a/b``, ``a/b/c``."""
    parts = layer.split("/") if layer else []
    for count in range(1, len(parts) + 1):
        yield "/".join(parts[:count])


def _unknown(graph: Graph, layer: str, matching: list[str], names: list[str]) -> str:
    if matching:
        return f"{graph.name} has several layers {layer!r}: {', '.join(matching)}; name one of them in full"
    near = difflib.get_close_matches(layer, names, 1)
    if near:
        return f"{graph.name} has no layer {layer!r}; did you mean {near[0]!r}?"
    more = ", …" if len(names) > SHOWN else ""
    last = ", ".join(names[: -SHOWN - 1 : -1])
    return f"{graph.name} has no layer {layer!r}; the last of them are {last}{more}"
