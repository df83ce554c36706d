"""GRUs whose weights lie in PyTorch's order of gates: r, z, n, where Keras has z, r, h.

No view exchanges two gates, and to put them in order in every step costs some 4 % of a short one. So the
weights that only such layers read have the two exchanged for as long as the engine has them, and their
gradients and slots with them; what comes in and goes out is exchanged on the way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from crosstrain.graph.graph import Graph, Node

OWN = {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True}
"""The GRU that PyTorch has in one piece."""


def reset_first(*phases: Graph) -> frozenset[str]:
    """The trainable weights that nothing but PyTorch's own GRUs reads in any of a network's phases, each of
    whose weights is one."""
    nodes = [node for graph in phases for node in graph.nodes]
    readers: dict[str, list[Node]] = {}
    for node in nodes:
        for ref in node.inputs:
            if ref and ref.startswith("@"):
                readers.setdefault(ref[1:], []).append(node)
    given = {ref[1:] for graph in phases for ref in (*graph.outputs.values(), *graph.penalties)}
    known = {name for graph in phases for name in graph.trainable} - given
    names = {name for node in nodes if _is_own(node) for name in _weights(node)} & known
    while True:  # a layer that shares a weight with another falls with it
        fitting = {
            name
            for name in names
            if all(_is_own(node) and names.issuperset(_weights(node)) for node in readers[name])
        }
        if fitting == names:
            return frozenset(names)
        names = fitting


def marked(graph: Graph, names: frozenset[str]) -> Graph:
    """A graph whose GRUs know that their weights are of ``names``."""
    return replace(
        graph,
        nodes=tuple(
            replace(node, attributes={**node.attributes, "reset_first": True})
            if node.op == "gru" and names.issuperset(_weights(node))
            else node
            for node in graph.nodes
        ),
    )


def exchanged(array: np.ndarray) -> np.ndarray:
    """The gates z, r, h along the last axis as r, z, h, and back."""
    z, r, h = np.split(array, 3, axis=-1)
    return np.concatenate((r, z, h), axis=-1)


def _is_own(node: Node) -> bool:
    return node.op == "gru" and all(node.attributes.get(k) == value for k, value in OWN.items())


def _weights(node: Node) -> list[str]:
    """The names of a GRU's kernels and biases; of what is computed, its reference, which is no name."""
    return [ref[1:] if ref.startswith("@") else ref for ref in node.inputs[1:4] if ref]
