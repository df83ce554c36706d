"""Resilient backpropagation: rprop, and the improved iRprop+ and iRprop-."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crosstrain.classic.arrays import Array, namespace
from crosstrain.classic.multilayer.objective import Objective
from crosstrain.classic.multilayer.rules.base import Step


@dataclass(frozen=True)
class Resilient:
    """A rate for each weight, which grows while the gradient keeps its sign; only signs count.

    Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm"
    (1993); Igel and Hüsken, "Improving the Rprop learning algorithm" (2000). ``forget`` treats a gradient
    that changed its sign as 0 for one step (iRprop-); ``backtrack="when worse"`` also takes such a weight's
    last step back if the loss rose (iRprop+).
    """

    rate: float = 0.07
    increase: float = 1.2
    decrease: float = 0.5
    smallest: float = 1e-9
    largest: float = 50.0
    forget: bool = False
    backtrack: str = "never"

    def minimise(self, objective: Objective, weights: Array) -> Iterator[Step]:
        xp = namespace(weights)
        zero = xp.zeros_like(weights)
        stepper = ResilientStepper(self, weights)
        step, last_loss = zero, float("inf")
        while True:
            loss, gradient = objective(weights)
            yield weights, loss
            undo = (
                (stepper.last * gradient < 0) if self.backtrack == "when worse" and loss > last_loss else None
            )
            step_before, step, last_loss = step, stepper.step(gradient), loss
            if undo is not None:
                step = xp.where(undo, -step_before, step)
            weights = weights - step


class ResilientStepper:
    """The memory of resilient backpropagation: a rate for each weight, and the last gradient."""

    def __init__(self, options: Resilient, weights: Array) -> None:
        self.options, self.xp = options, namespace(weights)
        self.last = self.xp.zeros_like(weights)
        self.rates = self.last + options.rate
        self.largest, self.smallest = self.last + options.largest, self.last + options.smallest

    def step(self, gradient: Array) -> Array:
        """What to subtract from the weights."""
        xp, options = self.xp, self.options
        product = gradient * self.last
        rates = xp.where(product > 0, self.rates * options.increase, self.rates)
        rates = xp.where(product < 0, self.rates * options.decrease, rates)
        self.rates = xp.maximum(xp.minimum(rates, self.largest), self.smallest)
        if options.forget:
            gradient = xp.where(product < 0, xp.zeros_like(gradient), gradient)
        self.last = gradient
        return self.rates * xp.sign(gradient)
