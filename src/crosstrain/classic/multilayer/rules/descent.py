"""Gradient descent, with momentum and with an adaptive rate: gd, gdm, gda, gdx."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crosstrain.classic.arrays import Array
from crosstrain.classic.multilayer.objective import Objective
from crosstrain.classic.multilayer.rules.base import Step


@dataclass(frozen=True)
class Descent:
    """Steps down the gradient.

    With ``momentum`` m the step is ``m × last step + (1 − m) × learning_rate × gradient``. ``adaptive`` lets
    the rate grow by ``increase`` after a step that lowered the loss and shrink by ``decrease`` after one that
    raised it more than ``tolerance`` times (Vogl et al., "Accelerating the convergence of the
    back-propagation method", 1988; without undoing the step).
    """

    learning_rate: float = 0.01
    momentum: float = 0.0
    adaptive: bool = False
    increase: float = 1.05
    decrease: float = 0.7
    tolerance: float = 1.04

    def minimise(self, objective: Objective, weights: Array) -> Iterator[Step]:
        stepper, losses = Stepper(self), list[float]()
        while True:
            loss, gradient = objective(weights)
            losses.append(loss)
            yield weights, loss
            weights = weights - stepper.step(gradient, losses)


class Stepper:
    """The memory of a descent: its present rate and its last step."""

    def __init__(self, options: Descent) -> None:
        self.options = options
        self.rate = options.learning_rate
        self.last: Array | float = 0.0

    def step(self, gradient: Array, losses: Sequence[float]) -> Array:
        """What to subtract from the weights, after these losses."""
        options = self.options
        if options.adaptive and len(losses) > 1:
            ratio = losses[-1] / losses[-2] if losses[-2] else 1.0
            if ratio > options.tolerance:
                self.rate *= options.decrease
            elif ratio < 1:
                self.rate *= options.increase
        if not options.momentum:
            return self.rate * gradient
        self.last = options.momentum * self.last + ((1 - options.momentum) * self.rate) * gradient
        return self.last
