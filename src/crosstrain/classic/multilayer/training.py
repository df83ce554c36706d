"""Training: a rule's steps until the goal, the end of the rule, or the last iteration allowed."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

from sklearn.exceptions import ConvergenceWarning

from crosstrain.classic.arrays import Array
from crosstrain.classic.multilayer.rules import Rule


class Training(NamedTuple):
    """The weights in the end, and the loss at the start and after each step."""

    weights: Array
    losses: list[float]


def train(
    rule: Rule, objective: Any, weights: Array, *, max_iter: int, goal: float | None, name: str
) -> Training:
    """Follows the rule for at most ``max_iter`` steps, and no further than a loss below ``goal``.

    Warns (``ConvergenceWarning``) where the goal was not reached, and where the loss is no longer a number:
    then the weights are the last with a finite loss.
    """
    losses: list[float] = []
    for candidate, loss in rule.minimise(objective, weights):
        if not math.isfinite(loss):
            warnings.warn(
                f"{name}: the error was {loss} after {len(losses)} iterations: training diverged. "
                "A smaller learning rate, or another rule, may help.",
                ConvergenceWarning,
                stacklevel=3,
            )
            return Training(weights, losses or [loss])
        weights = candidate
        losses.append(loss)
        if (goal is not None and loss < goal) or len(losses) > max_iter:
            break
    if goal is not None and not losses[-1] < goal:
        warnings.warn(
            f"{name}: the goal of an error below {goal:g} was not reached; after {len(losses) - 1} "
            f"iterations "
            f"the error is {losses[-1]:.6g}.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return Training(weights, losses)
