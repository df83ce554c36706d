"""Cases for looking into a network: every node as an output, or a probe in front of every node.

Both are plain cases, so an engine runs them as it runs any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from crosstrain.graph.graph import SEED, Graph, Node, TensorSpec, WeightSpec, merged, reference
from crosstrain.graph.ops import VOCABULARY
from crosstrain.proof.case import Case

PASS_ON = Graph(
    name="loss",
    inputs={"output/loss": TensorSpec(())},
    outputs={"loss": "%output/loss"},
    nodes=(),
)
"""The loss of a network that computes its loss itself."""

PROBE = "probe/"

STATE = {"batch_norm": (3, 4), "normalize": (3, 4)}
"""Inputs that are moving statistics: no gradient is asked for there."""


def with_loss(case: Case) -> Case:
    """The same case with the loss in the network, whose outputs then are ``loss`` and ``output/NAME``."""
    return replace(case, network=merged(case.network.name, case.network, case.loss), loss=PASS_ON)


def watched(case: Case) -> Case:
    """Every value that a node makes, and every input as it arrives, is an output under its reference."""
    whole = with_loss(case)
    refs = [reference(name) for name in whole.network.inputs if name != SEED]
    for node in whole.network.nodes:
        # Of an op that changes with the phase only the first output is there in both.
        steps = node.op.startswith("stepwise_")  # recurrent, with all its states in both
        refs += node.references[:1] if VOCABULARY[node.op].phase and not steps else node.references
    network = replace(whole.network, outputs={"loss": whole.network.outputs["loss"], **{r: r for r in refs}})
    return replace(whole, network=network)


def probed(case: Case, values: Mapping[str, np.ndarray]) -> Case:
    """A trainable zero is added to every float value where a node reads it.

    The gradient of the zero called ``probe/NODE/INPUT`` is that of the loss with respect to the node's
    input of that number. ``values`` gives an array for each reference (its shape is that of the probe).
    """
    whole = with_loss(case)
    training = whole.network.phase(training=True)
    nodes: list[Node] = []
    weights, specs = dict(whole.weights), dict(training.weights)
    known = {**values, **{f"@{name}": value for name, value in whole.weights.items()}}
    for node in training.nodes:
        inputs = list(node.inputs)
        for index, ref in enumerate(node.inputs):
            if (
                ref is None
                or ref not in known
                or known[ref].dtype.kind != "f"
                or index in STATE.get(node.op, ())
            ):
                continue
            name = f"{PROBE}{node.name}/{index}"
            weights[name] = np.zeros(known[ref].shape)
            specs[name] = WeightSpec(known[ref].shape)
            nodes.append(Node(name, "add", (ref, f"@{name}"), {}, (training.spec(ref),), node.layer))
            inputs[index] = reference(name)
        nodes.append(replace(node, inputs=tuple(inputs)))
    network = replace(training, nodes=tuple(nodes), weights=specs, outputs={"loss": training.outputs["loss"]})
    return replace(whole, network=network.check(), weights=weights)
