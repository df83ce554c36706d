"""The third truth: directional derivatives of the NumPy forward, by central differences in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from crosstrain.graph.graph import Graph, Node
from crosstrain.proof.arrays import Arrays
from crosstrain.proof.case import Case
from crosstrain.proof.causes import meaning
from crosstrain.proof.reference import loss

STEP = 1e-6
"""Small enough that next to no ReLU changes its side, large enough that rounding is 1e-9 of the result."""

AGREE = 1e-5
"""Differences and a true gradient agree to about this."""

ROUGH = {"stop_gradient", "round", "floor", "ceil", "sign", "argmax", "argmin", "floor_divide", "mod"}
"""Ops whose derivative is not what backpropagation is told to take it for."""


@dataclass(frozen=True)
class Slope:
    """The loss's derivative along one direction: by differences, and as gradients say. ``size`` is the
    norm of the gradients, which either is of the order of."""

    by_differences: float
    by_gradients: float
    size: float

    @property
    def error(self) -> float:
        return abs(self.by_differences - self.by_gradients) / max(self.size, 1e-30)


def smooth(graph: Graph) -> bool:
    """Whether differences of the forward are the gradient (no ``stop_gradient`` and the like)."""
    return not any(node.op in ROUGH for node in graph.nodes)


def slopes(case: Case, gradients: Mapping[str, np.ndarray], directions: int = 3) -> list[Slope]:
    """Derivatives along random directions in the space of all weights that have gradients."""
    generator = np.random.default_rng((case.seed, 4))
    batch, made = case.first(), []
    size = float(np.sqrt(sum(np.sum(np.square(g)) for g in gradients.values())))
    for _ in range(directions):
        direction = {k: generator.standard_normal(g.shape) for k, g in gradients.items()}
        ends = [
            loss(
                case,
                {**case.weights, **{k: case.weights[k] + sign * STEP * d for k, d in direction.items()}},
                batch,
            )
            for sign in (1, -1)
        ]
        claimed = sum(float(np.sum(gradients[k] * d)) for k, d in direction.items())
        made.append(Slope((ends[0] - ends[1]) / (2 * STEP), claimed, size))
    return made


class Tail:
    """A graph of one phase from any node on: how the loss answers to a change of what the node reads."""

    def __init__(self, nodes: Sequence[Node], values: Mapping[str, np.ndarray], result: str) -> None:
        """``values`` holds every reference's value; ``result`` is the reference of the loss."""
        self.nodes, self.values, self.result = nodes, values, result
        self.position = {node.name: index for index, node in enumerate(nodes)}

    def loss(self, node: str, argument: int, value: np.ndarray) -> float:
        """The loss when the node reads ``value`` as its input of that number."""
        start = self.position[node]
        changed: Arrays = {}
        for node_ in self.nodes[start:]:
            first = node_ is self.nodes[start]
            if not first and not any(ref in changed for ref in node_.inputs if ref):
                continue
            if node_.op == "stop_gradient" and not first:
                continue  # what lies behind it counts as a constant
            arguments = [None if r is None else changed.get(r, self.values.get(r)) for r in node_.inputs]
            if first:
                arguments[argument] = value
            changed.update(zip(node_.references, meaning(node_, arguments), strict=False))
        return float(changed.get(self.result, self.values[self.result]))

    def slope(self, node: str, argument: int, direction: np.ndarray) -> float:
        """The loss's derivative along ``direction`` in the values of one input of a node."""
        ref = self.nodes[self.position[node]].inputs[argument]
        assert ref is not None
        x = self.values[ref]
        step = (
            STEP
            * max(1.0, float(np.sqrt(np.mean(np.square(x)))))
            / max(float(np.sqrt(np.mean(direction**2))), 1e-30)
        )
        return (
            self.loss(node, argument, x + step * direction) - self.loss(node, argument, x - step * direction)
        ) / (2 * step)
