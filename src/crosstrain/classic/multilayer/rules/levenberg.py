"""Levenberg–Marquardt: Gauss–Newton steps, damped as much as needed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import array_api_compat

from crosstrain.classic.arrays import Array, namespace
from crosstrain.classic.multilayer.objective import LeastSquares
from crosstrain.classic.multilayer.rules.base import Step, inner, steepest


@dataclass(frozen=True)
class LevenbergMarquardt:
    """Hagan and Menhaj, "Training feedforward networks with the Marquardt algorithm" (1994).

    For sums of squares. The damping grows by ``factor`` until a step lowers the loss and shrinks by it after;
    ends above ``most`` damping, or where the largest gradient is at most ``tolerance``.
    """

    damping: float = 1e-3
    factor: float = 10.0
    most: float = 1e10
    tolerance: float = 1e-10

    def minimise(self, objective: LeastSquares, weights: Array) -> Iterator[Step]:
        xp, damping = namespace(weights), self.damping
        identity = xp.eye(weights.shape[0], dtype=weights.dtype, device=array_api_compat.device(weights))
        residuals, jacobian = objective.residuals(weights)
        loss = 0.5 * objective.scale * inner(residuals, residuals)
        while True:
            yield weights, loss
            gradient = jacobian.T @ residuals
            if objective.scale * steepest(gradient) <= self.tolerance:
                return
            square = jacobian.T @ jacobian
            while True:
                trial = weights - xp.linalg.solve(square + damping * identity, gradient)
                value = objective.loss(trial)
                if math.isfinite(value) and value < loss:
                    break
                damping *= self.factor
                if damping > self.most:
                    return
            weights, loss, damping = trial, value, max(damping / self.factor, 1e-20)
            residuals, jacobian = objective.residuals(weights)
