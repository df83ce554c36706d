"""What rounding of a gradient does to a step of an adaptive optimizer.

Adam and its kin divide a gradient by its own size, so that an entry within rounding of 0 moves its weight by
the whole learning rate, to either side. Of gradients that are 1e-6 off, a thousandth of a step may be so: no
fault, but a sum of steps that rounding decides. It is found out by taking the truth's own steps again with
gradients that are off by as much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.engines.contract import State
from crosstrain.proof.case import Case
from crosstrain.proof.compare import FLOOR, errors, rms
from crosstrain.proof.states import read_state
from crosstrain.proof.truths.by_numpy import OPS
from crosstrain.training.optimizers import FAMILIES, Optimizer

Slots = Mapping[str, np.ndarray]


def _of_moments(o: Optimizer, before: Slots, after: Slots) -> np.ndarray:
    """The gradient, from m = β₁ m + (1 - β₁) g."""
    assert o.beta_1 is not None
    m = before["momentum"]
    return np.asarray(m + (after["momentum"] - m) / (1 - o.beta_1))


def _of_squares(slot: str) -> Callable[[Optimizer, Slots, Slots], np.ndarray]:
    """The gradient's size, from a = ρ a + (1 - ρ) g²; rules are odd in it, so its sign does not matter."""

    def size(o: Optimizer, before: Slots, after: Slots) -> np.ndarray:
        kept = o.rho if o.rho is not None else 0.0
        return np.asarray(np.sqrt(np.maximum(after[slot] - kept * before[slot], 0.0) / (1 - kept)))

    return size


def _of_sums(o: Optimizer, before: Slots, after: Slots) -> np.ndarray:
    """Its size, from a = a + g²."""
    return np.asarray(np.sqrt(np.maximum(after["accumulator"] - before["accumulator"], 0.0)))


GRADIENTS: Mapping[str, Callable[[Optimizer, Slots, Slots], np.ndarray]] = {
    **dict.fromkeys(("adam", "adamw", "adamax", "nadam", "torch.adam", "torch.adamw"), _of_moments),
    **dict.fromkeys(("rmsprop", "torch.rmsprop"), _of_squares("velocity")),
    "adadelta": _of_squares("accumulated_gradient"),
    **dict.fromkeys(("adagrad", "torch.adagrad"), _of_sums),
}
"""The gradient of a step by the slots before and after it, for optimizers that divide by its size."""


def steps_off(case: Case, states: Path, gradients: Mapping[str, float]) -> dict[str, float]:
    """For each weight the largest relative error after one step, over the truth's steps, where gradients are
    off by the relative errors ``gradients``; {} for optimizers whose steps are off by no more than that.

    ``states`` is the file of the truth's states (``states.py``).
    """
    optimizer = case.program.optimizer
    if optimizer.name not in GRADIENTS or not optimizer.plain:
        return {}
    random = np.random.default_rng((case.seed, 3))  # the case's own numbers come from other streams
    worst = dict.fromkeys(gradients, 0.0)
    before, rates = read_state(states, case, 0), case.rates()
    for step in range(case.steps):
        after = read_state(states, case, step + 1)
        off = _step_off(optimizer, before, after, gradients, (rates[step], step + 1), random)
        worst |= {name: max(worst[name], error) for name, error in off.items()}
        before = after
    return worst


def _step_off(
    optimizer: Optimizer, before: State, after: State, gradients: Mapping[str, float],
    at: tuple[float, int], random: np.random.Generator,
) -> Mapping[str, float]:  # fmt: skip
    """The errors of one step, of which ``at`` is the learning rate and the number."""
    slots = {name: _slots(optimizer, before, name) for name in gradients}
    true = {
        name: GRADIENTS[optimizer.name](optimizer, own, (after.slots or {})[name])
        for name, own in slots.items()
    }
    least = FLOOR * rms(true.values())
    right, moved = {}, {}
    for name, gradient in true.items():
        noise = gradients[name] * max(rms([gradient]), least) * random.standard_normal(gradient.shape)
        rule = lambda g, name=name: np.asarray(
            FAMILIES[optimizer.name].rule(OPS, optimizer, before.weights[name], g, dict(slots[name]), *at)[0]
        )
        right[name], moved[name] = rule(gradient), rule(gradient + noise)
    return errors(moved, right, FLOOR).by_name


def _slots(optimizer: Optimizer, before: State, name: str) -> dict[str, Any]:
    shape = before.weights[name].shape
    return optimizer.slot_values(shape, (before.slots or {}).get(name))
