"""The verdict: what an engine said next to the truth, group by group, and whether it is within bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from crosstrain.proof.arrays import Arrays
from crosstrain.proof.case import Case
from crosstrain.proof.certificate import BOUNDS
from crosstrain.proof.compare import FLOOR, Errors, errors, group
from crosstrain.proof.states import own_weights
from crosstrain.proof.truths.gather import Truth

COARSER = 2.0**29
"""float32's rounding over float64's."""
LIKELY = 4.0
"""What rounding may come to, over what float64 lets one expect of it."""

STRETCH = 10.0
"""What rounding may stretch the bound of a single weight's step to, where the optimizer amplifies it."""

AFTER_STEPS = ("weights_after_steps", "slots", "carried_over")
"""Groups of the state after steps, to which the bound for weights applies."""


def bound_of(name: str, precision: str) -> float:
    """The largest error that a group may have."""
    bounds = BOUNDS[precision]
    return bounds.weights if name in AFTER_STEPS else bounds.values


def within(
    compared: Mapping[str, Errors],
    precision: str,
    rounding: Mapping[str, float] | None = None,
    truth_error: float = 0.0,
    stepping: Mapping[str, float] | None = None,
) -> bool:
    """Whether every group is within its bound.

    ``rounding`` has errors that rounding alone lets one expect of single gradients: one that sums up much
    that cancels may be off by as much, up to the bound on weights. ``stepping`` has those of single weights
    after a step, up to ``STRETCH`` times the bound on weights. ``truth_error`` is how far the truth of
    gradients and steps is off itself.
    """
    bounds = BOUNDS[precision]
    expected = {
        "gradients": (rounding or {}, bounds.weights),
        "weights_after_steps": (stepping or {}, STRETCH * bounds.weights),
    }

    def limit(name: str, tensor: str) -> float:
        own = truth_error if name == "gradients" or name in AFTER_STEPS else 0.0
        errors_of, most = expected.get(name, ({}, 0.0))
        return max(bound_of(name, precision) + own, min(LIKELY * errors_of.get(tensor, 0.0), most))

    return all(
        error <= limit(name, tensor)
        for name, part in compared.items()
        for tensor, error in part.by_name.items()
    )


def compare(case: Case, evidence: Arrays, truth: Truth) -> dict[str, Errors]:
    """Every group of numbers next to its truth."""
    true = truth.values
    outputs = {f"{m}/{k}": v for m in ("inference", "training") for k, v in group(true, m).items()}
    only = {k: v for k, v in case.weights.items() if k in case.network.weights}
    return {
        "initial_weights": errors(own_weights(case, group(evidence, "initial")), only),
        "outputs": errors(
            {k: v for k, v in evidence.items() if k.startswith(("inference/", "training/"))}, outputs
        ),
        "loss": errors({"loss": evidence["loss"]}, {"loss": true["loss"]}),
        "gradients": errors(group(evidence, "gradient"), group(true, "gradient"), FLOOR),
        "weights_after_steps": over_steps(evidence, "weight", case.steps),
        "slots": over_steps(evidence, "slot", case.steps),
        "carried_over": Errors({k: float(v) for k, v in group(evidence, "carried").items()}),
    }


def over_steps(evidence: Mapping[str, np.ndarray], kind: str, steps: int) -> Errors:
    """The largest error of each tensor over all steps; a step without any is infinitely wrong."""
    worst: dict[str, float] = {}
    for step in range(steps):
        of_step = group(evidence, f"{kind}/{step}")
        for name, error in of_step.items():
            worst[name] = max(worst.get(name, 0.0), float(error))
        if not of_step:
            worst[f"step {step}"] = math.inf
    return Errors(worst)


def worst_step(evidence: Mapping[str, np.ndarray], kind: str, tensor: str, steps: int) -> int:
    """The step after which a tensor is furthest off."""
    return max(range(steps), key=lambda step: float(evidence.get(f"{kind}/{step}/{tensor}", 0.0)), default=0)


def free_run(evidence: Mapping[str, np.ndarray]) -> float | None:
    """How far the weights are off after all steps without the truth's help: information, no verdict."""
    return max((float(v) for v in group(evidence, "free").values()), default=None)
