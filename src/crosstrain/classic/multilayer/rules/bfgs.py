"""Quasi-Newton rules: BFGS with its whole matrix, and L-BFGS with the last few steps."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import array_api_compat

from crosstrain.classic.arrays import Array, namespace
from crosstrain.classic.multilayer.objective import Objective
from crosstrain.classic.multilayer.rules.base import Step, inner, steepest
from crosstrain.classic.multilayer.rules.line_search import LineSearch, first_trial

SEARCH = LineSearch(curvature=0.9)


@dataclass(frozen=True)
class BFGS:
    """Broyden, Fletcher, Goldfarb and Shanno's rule (Nocedal and Wright, "Numerical Optimization", chapter
    6).

    Starts from the identity: on networks' errors a first matrix scaled by the first step took about twice as
    many evaluations. Ends where the largest gradient is at most ``tolerance``, or the line search finds
    nothing lower.
    """

    tolerance: float = 1e-5

    def minimise(self, objective: Objective, weights: Array) -> Iterator[Step]:
        for weights_now, loss, _ in self.trace(objective, weights):
            yield weights_now, loss

    def trace(self, objective: Objective, weights: Array) -> Iterator[tuple[Array, float, Array]]:
        """As ``minimise``, with the approximate inverse Hessian beside, (weights, weights)."""
        loss, gradient = objective(weights)
        identity = _identity(weights)
        inverse, fresh = identity, True
        before = loss + math.sqrt(inner(gradient, gradient)) / 2
        yield weights, loss, inverse
        while steepest(gradient) > self.tolerance:
            direction = -(inverse @ gradient)
            first = first_trial(loss, before, inner(gradient, direction))
            reached = SEARCH(objective, weights, loss, gradient, direction, first)
            if reached is None:
                if fresh:
                    return
                inverse, fresh = identity, True
                continue
            step, change = reached.weights - weights, reached.gradient - gradient
            inverse, fresh = updated(inverse, step, change), False
            before = loss
            weights, loss, gradient = reached.weights, reached.loss, reached.gradient
            yield weights, loss, inverse


@dataclass(frozen=True)
class LimitedMemoryBFGS:
    """BFGS that keeps the last ``memory`` steps in place of the matrix (Liu and Nocedal, 1989)."""

    memory: int = 10
    tolerance: float = 1e-5

    def minimise(self, objective: Objective, weights: Array) -> Iterator[Step]:
        loss, gradient = objective(weights)
        pairs: deque[tuple[Array, Array, float]] = deque(maxlen=self.memory)
        yield weights, loss
        while steepest(gradient) > self.tolerance:
            direction = -_two_loops(pairs, gradient)
            first = 1.0 if pairs else _first_step(gradient)
            reached = SEARCH(objective, weights, loss, gradient, direction, first)
            if reached is None:
                if not pairs:
                    return
                pairs.clear()
                continue
            step, change = reached.weights - weights, reached.gradient - gradient
            if _curved(step, change):
                pairs.append((step, change, 1.0 / inner(step, change)))
            weights, loss, gradient = reached.weights, reached.loss, reached.gradient
            yield weights, loss


def updated(inverse: Array, step: Array, change: Array) -> Array:
    """The inverse Hessian after a step and the change of the gradient along it; positive definite if it was.

    A step along which the gradient does not grow, against the curvature condition, leaves it as it is.
    """
    if not _curved(step, change):
        return inverse
    rho = 1.0 / inner(step, change)
    turned = inverse @ change
    cross = step[:, None] * turned[None, :]
    factor = (1.0 + rho * inner(change, turned)) * rho
    return inverse - rho * (cross + cross.T) + (factor * step)[:, None] * step[None, :]


def scaled(step: Array, change: Array) -> float:
    """The size of the inverse Hessian, from one step (Shanno and Phua, 1978)."""
    return inner(step, change) / inner(change, change) if _curved(step, change) else 1.0


def _curved(step: Array, change: Array) -> bool:
    product = inner(step, change)
    return product > 1e-12 * math.sqrt(inner(step, step) * inner(change, change))


def _first_step(gradient: Array) -> float:
    return min(1.0, 1.0 / math.sqrt(inner(gradient, gradient)))


def _identity(weights: Array) -> Array:
    xp = namespace(weights)
    return xp.eye(weights.shape[0], dtype=weights.dtype, device=array_api_compat.device(weights))


def _two_loops(pairs: deque[tuple[Array, Array, float]], gradient: Array) -> Array:
    """The inverse Hessian of the pairs times the gradient."""
    direction, factors = gradient, []
    for step, change, rho in reversed(pairs):
        factor = rho * inner(step, direction)
        direction = direction - factor * change
        factors.append(factor)
    if pairs:
        step, change, _ = pairs[-1]
        direction = scaled(step, change) * direction
    for (step, change, rho), factor in zip(pairs, reversed(factors), strict=True):
        direction = direction + (factor - rho * inner(change, direction)) * step
    return direction
