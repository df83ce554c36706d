"""Dynamic loss scaling, for training whose products are in float16.

float16 ends at 65504, and below 6e-8 there is nothing: small gradients vanish. So the loss is multiplied by a
large number, and the gradients, which grow with it, are divided by it before the optimizer sees them
(Micikevicius et al. 2018, section 3.2). The number is found while training: a step with a gradient that is
not finite is left out and the number halved; after ``INTERVAL`` good steps in succession it is doubled. These
are the rules of ``keras.optimizers.LossScaleOptimizer`` and of ``torch.amp.GradScaler``, with Keras's first
number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crosstrain.training.optimizers import Optimizer, apply
from crosstrain.training.rules import Slots

INTERVAL = 2000
FIRST = 2.0**15

Scaling = dict[str, Any]
"""``scale``; ``good``, the steps since it changed or a step was left out; ``skipped``, all that were."""


def first_scaling() -> dict[str, float]:
    """The state before the first step."""
    return {"scale": FIRST, "good": 0.0, "skipped": 0.0}


def apply_scaled(
    xp: Any,
    optimizer: Optimizer,
    weights: Mapping[str, Any],
    gradients: Mapping[str, Any],
    slots: Mapping[str, Slots],
    learning_rate: Any,
    step: Any,
    scaling: Mapping[str, Any],
    interval: int = INTERVAL,
) -> tuple[dict[str, Any], dict[str, Slots], Scaling]:
    """``apply`` with the gradients of the scaled loss: new weights, slots and scaling.

    ``scaling`` are scalars of the framework. Where a gradient is not finite, weights and slots are the old
    ones, and to the rule the step never was: Adam's correction of its bias counts the others alone.
    """
    if not weights:
        return {}, {}, dict(scaling)
    finite = None
    for gradient in gradients.values():
        each = xp.all(xp.isfinite(gradient))
        finite = each if finite is None else xp.logical_and(finite, each)
    inverse = xp.reciprocal(scaling["scale"])
    plain = {name: gradient * inverse for name, gradient in gradients.items()}
    number = step - scaling["skipped"]
    new, new_slots = apply(xp, optimizer, weights, plain, slots, learning_rate, number)
    choose = lambda after, before: xp.where(finite, after, before)
    return (
        {name: choose(value, weights[name]) for name, value in new.items()},
        {
            name: {slot: choose(value, slots[name][slot]) for slot, value in each.items()}
            for name, each in new_slots.items()
        },
        _next(xp, finite, scaling, interval),
    )


def _next(xp: Any, finite: Any, scaling: Mapping[str, Any], interval: int) -> Scaling:
    scale, good, skipped = (scaling[name] for name in ("scale", "good", "skipped"))
    zero = xp.full_like(good, value=0.0)
    due = xp.equal(good + 1.0, xp.full_like(good, value=float(interval)))
    # One that grew out of range would come back as infinity for ever.
    doubled = xp.where(xp.isfinite(scale * 2.0), scale * 2.0, scale)
    return {
        "scale": xp.where(finite, xp.where(due, doubled, scale), scale * 0.5),
        "good": xp.where(finite, xp.where(due, zero, good + 1.0), zero),
        "skipped": xp.where(finite, skipped, skipped + 1.0),
    }
