"""Nonlinear conjugate gradients: Fletcher–Reeves and Polak–Ribière."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from crosstrain.classic.arrays import Array
from crosstrain.classic.multilayer.objective import Objective
from crosstrain.classic.multilayer.rules.base import Step, inner, steepest
from crosstrain.classic.multilayer.rules.line_search import LineSearch, first_trial

SEARCH = LineSearch(curvature=0.4)


def _fletcher_reeves(new: Array, old: Array) -> float:
    return inner(new, new) / inner(old, old)


def _polak_ribiere(new: Array, old: Array) -> float:
    return max(0.0, inner(new, new - old) / inner(old, old))


FORMULAS: dict[str, Callable[[Array, Array], float]] = {
    "fletcher-reeves": _fletcher_reeves,
    "polak-ribiere": _polak_ribiere,
}
"""How much of the last direction stays, from the new gradient and the old."""


@dataclass(frozen=True)
class ConjugateGradient:
    """Conjugate gradients (Fletcher and Reeves, 1964; Polak and Ribière, 1969, where negative shares become
    0).

    Starts again down the gradient where the direction would not descend, and with ``restart`` after as many
    steps as there are weights: Fletcher–Reeves needs it. Ends where the largest gradient is at most
    ``tolerance``, or the line search finds nothing lower.
    """

    formula: str = "polak-ribiere"
    restart: bool = False
    tolerance: float = 1e-5

    def minimise(self, objective: Objective, weights: Array) -> Iterator[Step]:
        share = FORMULAS[self.formula]
        loss, gradient = objective(weights)
        yield weights, loss
        direction, fresh, steps = -gradient, True, 0
        before = loss + inner(gradient, gradient) ** 0.5 / 2
        while steepest(gradient) > self.tolerance:
            slope = inner(gradient, direction)
            first = first_trial(loss, before, slope)
            reached = SEARCH(objective, weights, loss, gradient, direction, first)
            if reached is None:
                if fresh:
                    return
                direction, fresh = -gradient, True
                continue
            direction = share(reached.gradient, gradient) * direction - reached.gradient
            steps += 1
            before, loss = loss, reached.loss
            weights, gradient = reached.weights, reached.gradient
            fresh = self.restart and steps % weights.shape[0] == 0
            fresh = fresh or inner(direction, gradient) >= -0.01 * inner(gradient, gradient)
            if fresh:
                direction = -gradient
            yield weights, loss
