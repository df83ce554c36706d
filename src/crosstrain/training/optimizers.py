"""Optimizers: Keras's update rules, each written once, for any engine's arrays.

A rule is ``rule(xp, o, w, g, s, lr, t) -> (w, s)``: the namespace of ops, the optimizer's
hyper-parameters, a weight, its gradient, its slots, the learning rate of this step and the number of the
step, counted from 1 (a number, or a scalar of the run's precision). The mathematics stands in each
docstring; the semantics are everywhere those of keras.optimizers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

AVERAGE = "average"
"""The slot of ``ema``: the moving average of a weight."""

Slots = dict[str, Any]
Rule = Callable[[Any, "Optimizer", Any, Any, Slots, Any, Any], tuple[Any, Slots]]


@dataclass(frozen=True)
class Optimizer:
    """Which rule, and its hyper-parameters; ``None`` means the rule's own default (Keras's).

    ``weight_decay`` is decoupled, as in Keras: w -= w · decay · lr before the update, for every
    trainable weight. ``l2`` is the decay of the older papers: l2 · w is added to every gradient (to the loss
    belongs l2/2 · ‖w‖², which is not shown in it). Of the three clippings at most one is given; they limit
    what the gradient is with ``l2``.

    ``ema`` keeps a moving average of each weight in the slot ``average``, with this momentum (Keras's
    ``use_ema``, ``ema_momentum``). ``accumulate`` updates every so many steps only, with the mean of their
    gradients (Keras's ``gradient_accumulation_steps``); the step counts all of them, the rule's own number
    the updates.
    """

    name: str = "sgd"
    learning_rate: float | None = None
    momentum: float = 0.0
    nesterov: bool = False
    rho: float | None = None
    beta_1: float | None = None
    beta_2: float | None = None
    epsilon: float | None = None
    initial_accumulator: float | None = None
    amsgrad: bool = False
    centered: bool = False
    weight_decay: float | None = None
    clipvalue: float | None = None
    clipnorm: float | None = None
    global_clipnorm: float | None = None
    l2: float | None = None
    ema: float | None = None
    accumulate: int | None = None

    def __post_init__(self) -> None:
        if self.name not in FAMILIES:
            raise ValueError(f"there is no optimizer {self.name!r}; there are {', '.join(FAMILIES)}")
        if sum(c is not None for c in (self.clipvalue, self.clipnorm, self.global_clipnorm)) > 1:
            raise ValueError("only one of clipvalue, clipnorm and global_clipnorm can be given")
        for key in ("clipvalue", "clipnorm", "global_clipnorm"):
            limit = getattr(self, key)
            if limit is not None and not limit > 0:
                raise ValueError(f"{key} must be more than 0, not {limit}")
        if self.ema is not None and not 0 <= self.ema <= 1:
            raise ValueError(f"ema must lie between 0 and 1, not {self.ema}")
        if self.accumulate is not None and (self.accumulate != int(self.accumulate) or self.accumulate < 1):
            raise ValueError(f"accumulate must be a whole number of at least 1, not {self.accumulate}")
        if self.accumulate is not None:
            object.__setattr__(self, "accumulate", int(self.accumulate) if self.accumulate > 1 else None)
        for key, default in FAMILIES[self.name].defaults.items():
            if getattr(self, key) is None:
                object.__setattr__(self, key, default)

    @property
    def elementwise(self) -> bool:
        """Whether all weights can be updated as one joined vector (no norm per weight)."""
        return self.clipnorm is None

    @property
    def plain(self) -> bool:
        """Whether a step is the rule alone, without ``ema`` and ``accumulate``."""
        return self.ema is None and self.accumulate is None

    def slots(self) -> dict[str, Slot]:
        """The state for each weight: the rule's, and of what goes on around it."""
        extra = {"accumulated": self.accumulate, AVERAGE: self.ema}
        more = {name: Slot() for name, setting in extra.items() if setting is not None}
        return FAMILIES[self.name].slots(self) | more

    def slot_values(self, shape: Sequence[int], values: Mapping[str, Any] | None) -> dict[str, Any]:
        """The slots of a weight of this ``shape``: ``values``, and initial values for the rest."""
        fresh = {
            name: np.full(() if slot.scalar else shape, slot.initial) for name, slot in self.slots().items()
        }
        return {**fresh, **(values or {})}

    def to_json(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if v is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Optimizer:
        unknown = set(data) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"an optimizer has no setting {sorted(unknown)[0]!r}")
        return cls(**data)


@dataclass(frozen=True)
class Slot:
    """A slot's initial value; ``scalar`` slots are one number, the others have the weight's shape."""

    initial: float = 0.0
    scalar: bool = False


@dataclass(frozen=True)
class Family:
    rule: Rule
    slots: Callable[[Optimizer], dict[str, Slot]]
    defaults: Mapping[str, float]


def apply(
    xp: Any,
    optimizer: Optimizer,
    weights: Mapping[str, Any],
    gradients: Mapping[str, Any],
    slots: Mapping[str, Slots],
    learning_rate: Any,
    step: Any,
) -> tuple[dict[str, Any], dict[str, Slots]]:
    """One step on all trainable weights: decay, clip, update, average. Returns new weights and slots."""
    every, gradients = optimizer.accumulate, penalized(optimizer, weights, gradients)
    if every is None or not weights:
        weights, slots = _updated(xp, optimizer, weights, gradients, slots, learning_rate, step)
    else:
        sums = {name: slots[name]["accumulated"] + g for name, g in gradients.items()}
        means = {name: total / every for name, total in sums.items()}
        new, new_slots = _updated(xp, optimizer, weights, means, slots, learning_rate, step / every)
        number = _number(xp, sums, step)
        due = _holds(xp, xp.equal(xp.floor(number / every) * every, number), number)
        blend = lambda after, before: due * after + (1 - due) * before
        weights = {name: blend(new[name], w) for name, w in weights.items()}
        slots = {
            name: {slot: blend(value, slots[name][slot]) for slot, value in each.items()}
            | {"accumulated": (1 - due) * sums[name]}
            for name, each in new_slots.items()
        }
    if optimizer.ema is not None and weights:
        # The average begins with the weights after the first update.
        number = _number(xp, weights, step)
        first = xp.full_like(number, value=every or 1)
        kept = _holds(xp, xp.less(first, number), number) * optimizer.ema
        slots = {
            name: {**each, AVERAGE: kept * each[AVERAGE] + (1 - kept) * weights[name]}
            for name, each in slots.items()
        }
    return dict(weights), dict(slots)


def _updated(
    xp: Any,
    optimizer: Optimizer,
    weights: Mapping[str, Any],
    gradients: Mapping[str, Any],
    slots: Mapping[str, Slots],
    learning_rate: Any,
    step: Any,
) -> tuple[dict[str, Any], dict[str, Slots]]:
    """The rule on all weights, with decay and clipping; slots that are not the rule's stay."""
    rule = FAMILIES[optimizer.name].rule
    gradients = clipped(xp, optimizer, gradients)
    new_weights, new_slots = {}, {}
    for name, w in weights.items():
        if optimizer.weight_decay:
            w = w - w * (optimizer.weight_decay * learning_rate)
        new_weights[name], changed = rule(xp, optimizer, w, gradients[name], slots[name], learning_rate, step)
        new_slots[name] = {**slots[name], **changed}
    return new_weights, new_slots


def _number(xp: Any, arrays: Mapping[str, Any], step: Any) -> Any:
    """The number of the step as an array without axes, which ops take."""
    return xp.full_like(xp.sum(next(iter(arrays.values()))), value=1.0) * step


def _holds(xp: Any, condition: Any, number: Any) -> Any:
    """1 where the condition holds and 0 where not, as an array like ``number``."""
    return xp.where(condition, xp.full_like(number, value=1.0), xp.full_like(number, value=0.0))


def penalized(o: Optimizer, weights: Mapping[str, Any], gradients: Mapping[str, Any]) -> Mapping[str, Any]:
    """g + l2 · w."""
    if not o.l2:
        return gradients
    return {name: g + o.l2 * weights[name] for name, g in gradients.items()}


def clipped(xp: Any, o: Optimizer, gradients: Mapping[str, Any]) -> Mapping[str, Any]:
    """By value: limited elementwise. By norm c: g · min(1, c / ‖g‖₂), each on its own or all as one."""
    if o.clipvalue is not None:
        return {k: xp.clip(g, minimum=-o.clipvalue, maximum=o.clipvalue) for k, g in gradients.items()}
    if o.clipnorm is not None:
        return {k: _shortened(xp, g, o.clipnorm, xp.sum(xp.square(g))) for k, g in gradients.items()}
    if o.global_clipnorm is not None:
        total = sum(xp.sum(xp.square(g)) for g in gradients.values())
        # As in Keras: one gradient that is no number spoils all, rather than being passed over.
        poison = total - total
        return {k: _shortened(xp, g, o.global_clipnorm, total) + poison for k, g in gradients.items()}
    return gradients


def _shortened(xp: Any, g: Any, limit: float, squared_norm: Any) -> Any:
    # max(‖g‖, c) in the denominator: no division by zero where the gradient vanishes. Written so that a
    # norm that is no number stays so.
    floor = xp.full_like(squared_norm, value=limit**2)
    longest = xp.sqrt(xp.where(squared_norm < limit**2, floor, squared_norm))
    return g * (limit / longest)


def sgd(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """v = μ v - lr g;  w = w + v, or with Nesterov w = w + μ v - lr g. The rate stands inside v."""
    if not o.momentum:
        return w - lr * g, s
    v = o.momentum * s["momentum"] - lr * g
    return (w + o.momentum * v - lr * g if o.nesterov else w + v), {"momentum": v}


def rmsprop(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """v = ρ v + (1 - ρ) g²;  d = lr g / sqrt(v [- mean²] + ε);  m = μ m + d;  w = w - m (Hinton 2012)."""
    v = o.rho * s["velocity"] + (1 - o.rho) * xp.square(g)
    new = {"velocity": v}
    denominator = v + o.epsilon
    if o.centered:
        mean = o.rho * s["average_gradient"] + (1 - o.rho) * g
        denominator = v - xp.square(mean) + o.epsilon
        new["average_gradient"] = mean
    delta = lr * g / xp.sqrt(denominator)
    if o.momentum:
        delta = o.momentum * s["momentum"] + delta
        new["momentum"] = delta
    return w - delta, new


def adagrad(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """a = a + g²;  w = w - lr g / sqrt(a + ε) (Duchi et al. 2011)."""
    a = s["accumulator"] + xp.square(g)
    return w - lr * g / xp.sqrt(a + o.epsilon), {"accumulator": a}


def adadelta(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """a = ρ a + (1 - ρ) g²;  δ = g sqrt(d + ε) / sqrt(a + ε);  d = ρ d + (1 - ρ) δ²;  w = w - lr δ.

    Zeiler 2012; the rate is Keras's addition.
    """
    a = o.rho * s["accumulated_gradient"] + (1 - o.rho) * xp.square(g)
    delta = g * xp.sqrt(s["accumulated_delta"] + o.epsilon) / xp.sqrt(a + o.epsilon)
    d = o.rho * s["accumulated_delta"] + (1 - o.rho) * xp.square(delta)
    return w - lr * delta, {"accumulated_gradient": a, "accumulated_delta": d}


def adam(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """m = β₁ m + (1 - β₁) g;  v = β₂ v + (1 - β₂) g²;  w = w - α m / (sqrt(v) + ε).

    α = lr sqrt(1 - β₂ᵗ) / (1 - β₁ᵗ) corrects the bias of both averages.

    ε is added before the bias is corrected (Kingma and Ba 2014, end of section 2). With AMSGrad the
    largest v so far stands in for v.
    """
    alpha = lr * (1 - o.beta_2**t) ** 0.5 / (1 - o.beta_1**t)
    m = s["momentum"] + (g - s["momentum"]) * (1 - o.beta_1)
    v = s["velocity"] + (xp.square(g) - s["velocity"]) * (1 - o.beta_2)
    new = {"momentum": m, "velocity": v}
    if o.amsgrad:
        new["largest_velocity"] = v = xp.maximum(s["largest_velocity"], v)
    return w - alpha * m / (xp.sqrt(v) + o.epsilon), new


def adamax(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """m = β₁ m + (1 - β₁) g;  u = max(β₂ u, |g|);  w = w - lr m / ((1 - β₁ᵗ) (u + ε)).

    Kingma and Ba 2014, section 7.1.
    """
    m = s["momentum"] + (g - s["momentum"]) * (1 - o.beta_1)
    u = xp.maximum(o.beta_2 * s["norm"], xp.abs(g))
    return w - lr / (1 - o.beta_1**t) * m / (u + o.epsilon), {"momentum": m, "norm": u}


def nadam(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """Adam with Nesterov momentum and the schedule μₜ = β₁ (1 - 0.96ᵗ / 2) (Dozat 2016)."""
    mu, mu_next = o.beta_1 * (1 - 0.5 * 0.96**t), o.beta_1 * (1 - 0.5 * 0.96 ** (t + 1))
    product = s["product"] * mu
    m = s["momentum"] + (g - s["momentum"]) * (1 - o.beta_1)
    v = s["velocity"] + (xp.square(g) - s["velocity"]) * (1 - o.beta_2)
    m_hat = m * (mu_next / (1 - product * mu_next)) + g * ((1 - mu) / (1 - product))
    v_hat = v / (1 - o.beta_2**t)
    return w - lr * m_hat / (xp.sqrt(v_hat) + o.epsilon), {"momentum": m, "velocity": v, "product": product}


def _slots(*names: str, **conditional: Callable[[Optimizer], Any]) -> Callable[[Optimizer], dict[str, Slot]]:
    return lambda o: {n: Slot() for n in names} | {n: Slot() for n, holds in conditional.items() if holds(o)}


_ADAM = {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
_adam_slots = _slots("momentum", "velocity", largest_velocity=lambda o: o.amsgrad)

FAMILIES: dict[str, Family] = {
    "sgd": Family(sgd, _slots(momentum=lambda o: o.momentum), {"learning_rate": 0.01}),
    "rmsprop": Family(
        rmsprop,
        _slots("velocity", average_gradient=lambda o: o.centered, momentum=lambda o: o.momentum),
        {"learning_rate": 1e-3, "rho": 0.9, "epsilon": 1e-7},
    ),
    "adagrad": Family(
        adagrad,
        lambda o: {"accumulator": Slot(o.initial_accumulator or 0.0)},
        {"learning_rate": 1e-3, "initial_accumulator": 0.1, "epsilon": 1e-7},
    ),
    "adadelta": Family(
        adadelta,
        _slots("accumulated_gradient", "accumulated_delta"),
        {"learning_rate": 1e-3, "rho": 0.95, "epsilon": 1e-7},
    ),
    "adam": Family(adam, _adam_slots, _ADAM),
    "adamw": Family(adam, _adam_slots, {**_ADAM, "weight_decay": 0.004}),
    "adamax": Family(adamax, _slots("momentum", "norm"), _ADAM),
    "nadam": Family(
        nadam,
        lambda o: {"momentum": Slot(), "velocity": Slot(), "product": Slot(1.0, scalar=True)},
        _ADAM,
    ),
}
