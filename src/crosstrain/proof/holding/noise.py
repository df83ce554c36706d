"""Switches noise off: frameworks draw different numbers from one seed, so a proof runs without any."""

from __future__ import annotations

from dataclasses import replace

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph

QUIET = {
    "dropout": {"rate": 0.0},
    "gaussian_dropout": {"rate": 0.0},
    "alpha_dropout": {"rate": 0.0},
    "gaussian_noise": {"stddev": 0.0},
    "uniform_noise": {"width": 0.0},
    "augment_select": {"amount": 0.0},
}
"""For each op that draws noise in training: the attributes with which it passes its input on."""

DRAWS = ("random_uniform", "random_normal")
"""Ops that are nothing but random numbers; there is no setting that makes them quiet."""


def without_noise(graph: Graph) -> tuple[Graph, tuple[str, ...]]:
    """The graph with every dropout rate and noise deviation at 0, and the names of the nodes that changed.

    Raises ``CrosstrainError`` where a layer of the user's draws random numbers by itself: they have no
    switch, and two frameworks never draw the same.
    """
    changed, nodes = [], []
    for node in graph.nodes:
        if node.op in DRAWS:
            raise CrosstrainError(
                f"the layer {node.layer or node.name!r} draws random numbers itself ({node.op}); they differ "
                "from framework to framework and cannot be switched off, so there is no proof; put the noise "
                "into a Keras Dropout or GaussianNoise layer"
            )
        quiet = QUIET.get(node.op)
        if quiet and any(node.attributes.get(key) for key in quiet):
            changed.append(node.name)
            node = replace(node, attributes={**node.attributes, **quiet})
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes)), tuple(changed)
