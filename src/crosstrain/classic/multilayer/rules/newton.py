"""Newton's method whose equation conjugate gradients solve: ncg."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from crosstrain.classic.arrays import Array
from crosstrain.classic.multilayer.objective import Objective
from crosstrain.classic.multilayer.rules.base import Step, inner, steepest
from crosstrain.classic.multilayer.rules.line_search import LineSearch

SEARCH = LineSearch(curvature=0.9)


@dataclass(frozen=True)
class NewtonConjugateGradient:
    """Truncated Newton (Nocedal and Wright, algorithm 7.1).

    The Hessian times a vector is a difference of two gradients. Ends where the largest gradient is at most
    ``tolerance``, or the line search finds nothing lower.
    """

    tolerance: float = 1e-5

    def minimise(self, objective: Objective, weights: Array) -> Iterator[Step]:
        loss, gradient = objective(weights)
        yield weights, loss
        while steepest(gradient) > self.tolerance:
            direction = _newton_direction(objective, weights, gradient)
            reached = SEARCH(objective, weights, loss, gradient, direction, 1.0)
            if reached is None:
                return
            weights, loss, gradient = reached.weights, reached.loss, reached.gradient
            yield weights, loss


def _newton_direction(objective: Objective, weights: Array, gradient: Array) -> Array:
    """Conjugate gradients until the equation holds well enough for this step, or curvature turns negative."""
    size = math.sqrt(inner(gradient, gradient))
    enough = (min(0.5, math.sqrt(size)) * size) ** 2
    solution, residual = 0.0 * gradient, gradient
    direction, square = -residual, size * size
    reach = 1e-8 * (1.0 + math.sqrt(inner(weights, weights)))
    for _ in range(2 * weights.shape[0]):
        length = reach / math.sqrt(inner(direction, direction))
        curved = (objective(weights + length * direction)[1] - gradient) / length
        curvature = inner(direction, curved)
        if curvature <= 0:
            return solution if inner(solution, gradient) < 0 else -gradient
        step = square / curvature
        solution = solution + step * direction
        residual = residual + step * curved
        before, square = square, inner(residual, residual)
        if square <= enough:
            break
        direction = (square / before) * direction - residual
    return solution
