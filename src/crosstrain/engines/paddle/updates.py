"""The optimizer's step on Paddle, weight by weight; the two commonest rules write over what they change."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from paddle import Tensor

from crosstrain.training.optimizers import Optimizer, apply, clipped, penalized
from crosstrain.training.rules import Slots


def updated(
    xp: Any,
    optimizer: Optimizer,
    weights: dict[str, Tensor],
    gradients: Mapping[str, Tensor],
    slots: dict[str, Slots],
    learning_rate: float,
    step: int,
) -> None:
    """One step on all ``weights`` and their ``slots``, in place or by new tensors in the dictionaries.
    Gradients may be written over."""
    in_place = IN_PLACE.get(optimizer.name)
    if in_place is None or not optimizer.plain:
        new_weights, new_slots = apply(xp, optimizer, weights, gradients, slots, learning_rate, step)
        weights.update(new_weights)
        slots.update(new_slots)
        return
    for name, gradient in clipped(xp, optimizer, penalized(optimizer, weights, gradients)).items():
        weight = weights[name]
        if optimizer.weight_decay:
            weight.scale_(1 - optimizer.weight_decay * learning_rate)
        in_place(optimizer, weight, gradient, slots[name], learning_rate, step)


# -- rules that overwrite ----------------------------------------------------------------------------
# As training.optimizers has them; the contract tests hold them against those. Paddle's own kernels are
# other rules: its momentum has the learning rate outside of the velocity, its Adam another epsilon.
def _sgd(o: Optimizer, w: Tensor, g: Tensor, s: Slots, lr: float, t: int) -> None:
    if not o.momentum:
        w.subtract_(g.scale_(lr))
        return
    change = g.scale_(-lr)
    v = s["momentum"].scale_(o.momentum).add_(change)
    if o.nesterov:
        w.add_(v * o.momentum).add_(change)
    else:
        w.add_(v)


def _adam(o: Optimizer, w: Tensor, g: Tensor, s: Slots, lr: float, t: int) -> None:
    assert o.beta_1 is not None
    assert o.beta_2 is not None
    assert o.epsilon is not None
    v = s["velocity"].scale_(o.beta_2).add_(g.square().scale_(1 - o.beta_2))
    m = s["momentum"].scale_(o.beta_1).add_(g.scale_(1 - o.beta_1))
    if o.amsgrad:
        v = s["largest_velocity"] = s["largest_velocity"].maximum(v)
    alpha = lr * math.sqrt(1 - o.beta_2**t) / (1 - o.beta_1**t)
    w.subtract_((m * alpha).divide_(v.sqrt().scale_(1.0, o.epsilon)))


IN_PLACE: dict[str, Callable[[Optimizer, Tensor, Tensor, Slots, float, int], None]] = {
    "sgd": _sgd,
    "adam": _adam,
    "adamw": _adam,
}
