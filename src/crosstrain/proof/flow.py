"""Whether signals flow through a case, so that a proof tests something: gradients, active units, the loss.

A trained classifier may saturate on the proof's inputs, a network may be dead. Then every gradient is exactly
0, whatever an engine computes, and to find it right says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from crosstrain.graph.graph import Graph, Weights
from crosstrain.proof.arrays import Arrays
from crosstrain.proof.case import Case
from crosstrain.proof.truths.by_numpy import evaluate

VANISHED = 1e-30
"""A gradient whose entries are no larger (root mean square) is none."""

ROUNDING = 1e-13
"""Below this part of the largest a gradient is 0 but for rounding: a bias in front of a BatchNorm."""

UNITS = ("relu", "relu6")
"""Ops whose units are dead where they give 0."""

SMALLEST = 1e-7
"""Keras takes no probability to be closer to 0 or 1 than this, and no gradient passes there."""

CROSSENTROPIES = ("categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy")
NAMED = 3


@dataclass(frozen=True)
class Coverage:
    """What a case tests. ``gradients`` counts the weights whose gradient is other than 0, of ``weights``.

    ``untested`` have a gradient of exactly 0 although the loss depends on them, ``unconnected`` are not on
    the way to the loss, ``rounding`` have one that is 0 by the network's form. ``active`` is the part of the
    units of each ReLU that is on, ``clipped`` that of the loss's probabilities at which no gradient passes.
    """

    weights: int
    untested: tuple[str, ...] = ()
    unconnected: tuple[str, ...] = ()
    rounding: tuple[str, ...] = ()
    active: Mapping[str, float] = field(default_factory=dict)
    clipped: float = 0.0

    @property
    def gradients(self) -> int:
        return self.weights - len(self.untested) - len(self.unconnected) - len(self.rounding)

    @property
    def nothing(self) -> bool:
        """Whether there are weights to train and not one has a gradient."""
        return self.weights > 0 and self.gradients == 0

    @property
    def whole(self) -> bool:
        """Whether everything that can have a gradient has one."""
        return not self.untested

    def notes(self) -> Iterator[str]:
        """What a certificate has to say of it."""
        for names, words in (
            (self.untested, "was never other than 0"),
            (self.unconnected, "is 0 since the loss does not depend on it"),
            (self.rounding, "is 0 but for rounding, by the network's form"),
        ):
            if names:
                yield f"the gradient of {listed(names)} {words}"
        dead = [name for name, part in self.active.items() if part == 0]
        if dead:
            yield f"no unit was active in {listed(dead)}"
        if self.clipped == 1:
            yield "the loss was clipped at every example, so that no gradient passed it"

    def to_json(self) -> dict[str, Any]:
        return {
            "weights": self.weights,
            "with_gradient": self.gradients,
            "untested": list(self.untested),
            "unconnected": list(self.unconnected),
            "rounding": list(self.rounding),
            "active_units": dict(self.active),
            "loss_clipped": self.clipped,
        }


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    shown, more = ", ".join(names[:NAMED]), len(names) - NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def coverage_of(case: Case, gradients: Mapping[str, np.ndarray]) -> Coverage:
    """What the case tests, by the truth's gradients of its first batch."""
    sizes = {name: float(np.sqrt(np.mean(np.square(g)))) if g.size else 0.0 for name, g in gradients.items()}
    largest = max(sizes.values(), default=0.0)
    reached = connected(case.program.training, "loss")
    kinds: dict[str, list[str]] = {"untested": [], "unconnected": [], "rounding": []}
    for name, size in sizes.items():
        if name not in reached:
            kinds["unconnected"].append(name)
        elif size <= VANISHED:
            kinds["untested"].append(name)
        elif size < ROUNDING * largest:
            kinds["rounding"].append(name)
    active, clipped = activity(case)
    return Coverage(len(sizes), **{k: tuple(v) for k, v in kinds.items()}, active=active, clipped=clipped)


def connected(graph: Graph, output: str) -> set[str]:
    """The weights from which a gradient can reach an output."""
    wanted = {graph.outputs[output]}
    reached: set[str] = set()
    for node in reversed(graph.nodes):
        if node.op != "stop_gradient" and wanted.intersection(node.references):
            wanted.update(ref for ref in node.inputs if ref)
            reached.update(ref[1:] for ref in node.inputs if ref and ref.startswith("@"))
    return reached


def activity(case: Case) -> tuple[dict[str, float], float]:
    """The part of each ReLU's units that is on, and the part of the loss's probabilities that is clipped."""
    graph = case.program.training
    units = {node.name: node.references[0] for node in graph.nodes if node.op in UNITS}
    losses = [n for n in graph.nodes if n.op in CROSSENTROPIES and not n.attributes.get("from_logits")]
    outputs = {ref: ref for ref in (*units.values(), *(str(r) for n in losses for r in n.inputs[:2]))}
    if not outputs:
        return {}, 0.0
    values, _ = evaluate(
        replace(graph, outputs=outputs, updates={}, penalties=()).pruned(), case.weights, case.first()
    )
    parts = [_clipped(node.op, *(values[str(ref)] for ref in node.inputs[:2])) for node in losses]
    return {name: float(np.mean(values[ref] != 0)) for name, ref in units.items()}, min(parts, default=0.0)


def _clipped(op: str, target: np.ndarray, output: np.ndarray) -> float:
    outside = (output < SMALLEST) | (output > 1 - SMALLEST)
    if op == "sparse_categorical_crossentropy":
        index = target.astype("int64").reshape(output.shape[:-1])[..., None]
        outside = np.take_along_axis(outside, index, axis=-1)
    elif op == "categorical_crossentropy":
        outside = outside[target > 0]
    return float(np.mean(outside)) if outside.size else 0.0


# -- other cases ---------------------------------------------------------------------------------------
def alternatives(case: Case) -> Iterator[Case]:
    """The same program where signals may flow better, each with a note of what was changed."""
    drawn = drawn_weights(case.network, case.weights, case.seed)
    yield replace(
        case,
        weights=drawn,
        remark="on the network's own weights some gradients were exactly 0; this proof drew others",
    )
    small = {
        k: v * 0.01 if v.dtype.kind == "f" and not k.startswith("target/") else v
        for k, v in case.data.items()
    }
    yield replace(
        case,
        weights=drawn,
        data=small,
        remark="on the network's own weights and usual inputs some gradients were exactly 0, so weights were "
        "drawn and inputs made a hundred times smaller for this proof",
    )


def drawn_weights(network: Graph, weights: Weights, seed: int) -> Weights:
    """Weights of a size at which signals keep theirs: kernels of variance 1 / (inputs of a unit), scales and
    variances near 1, biases and means near 0. Constants stay."""
    generator = np.random.default_rng((seed, 5))
    near_one = {
        str(node.inputs[index])[1:]
        for node in network.nodes
        for index in ONES.get(node.op, ())
        if index < len(node.inputs) and node.inputs[index]
    }
    drawn: Arrays = {}
    for name, value in weights.items():
        if value.dtype.kind != "f" or name not in {*network.trainable, *network.updates}:
            drawn[name] = value
        elif value.ndim > 1:
            drawn[name] = generator.standard_normal(value.shape) / np.sqrt(np.prod(value.shape[:-1]))
        else:
            drawn[name] = float(name in near_one) + 0.1 * generator.uniform(-1, 1, value.shape)
    return drawn


ONES: dict[str, tuple[int, ...]] = {
    "batch_norm": (1, 4),
    "normalize": (1, 4),
    "layer_norm": (1,),
    "group_norm": (1,),
    "rms_norm": (1,),
}
"""Which inputs of an op are scales or variances."""
