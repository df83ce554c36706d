"""The third truth: directional derivatives of the NumPy forward, by central differences in float64."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

import numpy as np

from crosstrain.proof.arrays import Arrays
from crosstrain.proof.case import Case
from crosstrain.proof.holding.frozen import FrozenGraph
from crosstrain.proof.locating.surgery import with_loss
from crosstrain.proof.truths.by_numpy import values

STEPS = (1e-7, 1e-8, 1e-9)
"""For all weights at once: at the first, rounding leaves about 1e-9 of the result. The smaller ones are
for networks that bend sharply (a BatchNorm over four values), where the third derivative leaves more."""

EDGE_STEP = 1e-5
"""For a single value in the network, to which the loss answers less."""

EDGE_CHANGE = 1e-6
"""No longer a step than changes the loss by this share: of the difference, rounding leaves 1e-9."""

AGREE = 1e-5
"""Differences and a true gradient agree better than this; a wrong one is off by far more."""


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


class Landscape:
    """The training loss of a case around its weights, on the first batch."""

    def __init__(self, case: Case) -> None:
        graph = with_loss(case).network.phase(training=True)
        batch, weights = case.first(), {f"@{name}": value for name, value in case.weights.items()}
        self.nodes = graph.nodes
        self.values: Arrays = {**weights, **values(graph, case.weights, batch)}
        self.frozen = FrozenGraph(graph.nodes, self.values, graph.outputs["loss"])
        self.loss = float(self.values[graph.outputs["loss"]])

    def slope(self, direction: Mapping[str, np.ndarray], step: float) -> float:
        """The derivative along a direction in the space of the named weights."""
        ends = [
            self.frozen.result_with({f"@{k}": self.values[f"@{k}"] + h * d for k, d in direction.items()})
            for h in (step, -step)
        ]
        return (ends[0] - ends[1]) / (2 * step)

    def slope_at(self, node: str, index: int, direction: np.ndarray, claimed: float = 0.0) -> float:
        """The derivative along a direction in what one node reads as its input of that number.

        ``claimed`` is about what is expected: along the gradient of a large kernel the loss changes so fast,
        and bends so much, that the usual step is too long.
        """
        start = self.frozen.position[node]
        ref = self.nodes[start].inputs[index]
        assert ref is not None
        x = self.values[ref]
        size = lambda a: float(np.sqrt(np.mean(np.square(a)))) if a.size else 1.0
        step = EDGE_STEP * max(1.0, size(x)) / max(size(direction), 1e-30)
        if claimed:
            step = min(step, EDGE_CHANGE * (1 + abs(self.loss)) / abs(claimed))
        ends = [self.frozen.result_with({}, start, (index, x + h * direction)) for h in (step, -step)]
        return (ends[0] - ends[1]) / (2 * step)


def slopes(
    case: Case,
    gradients: Mapping[str, np.ndarray],
    directions: int = 3,
    computed: MutableMapping[str, float] | None = None,
) -> list[Slope]:
    """Derivatives along random directions in the space of all weights that have gradients; each by the
    longest step that agrees, or else by the one that comes closest.

    ``computed`` holds differences by ``DIRECTION/STEP`` and gets those that are computed here: the same for
    whatever gradients are held against them, as long as the case is.
    """
    generator = np.random.default_rng((case.seed, 4))
    computed = {} if computed is None else computed
    landscape: Landscape | None = None
    size = float(np.sqrt(sum(np.sum(np.square(g)) for g in gradients.values())))
    closest = []
    for number in range(directions):
        direction = {k: generator.standard_normal(gradients[k].shape) for k in sorted(gradients)}
        claimed = sum(float(np.sum(gradients[k] * d)) for k, d in direction.items())
        tried: list[Slope] = []
        for step in STEPS:
            if (key := f"{number}/{step:g}") not in computed:
                landscape = landscape or Landscape(case)
                computed[key] = landscape.slope(direction, step)
            tried.append(Slope(computed[key], claimed, size))
            if tried[-1].error <= AGREE / 10:
                break
        closest.append(min(tried, key=lambda slope: slope.error))
    return closest
