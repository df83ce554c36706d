"""Optimizers as data, and one step of them on any engine's arrays, by the rules of ``rules``.

The semantics are those of ``keras.optimizers``, and of ``torch.optim`` for the names that begin with
``torch.``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from crosstrain.training import rules
from crosstrain.training.rules import Slots, holds, number_of

AVERAGE = "average"
"""The slot of ``ema``: the moving average of a weight."""

Rule = Callable[[Any, "Optimizer", Any, Any, Slots, Any, Any], tuple[Any, Slots]]


@dataclass(frozen=True)
class Optimizer:
    """Which rule, and its hyper-parameters; ``None`` means the rule's own default (Keras's or PyTorch's).

    ``weight_decay`` is decoupled, as in Keras: w -= w · decay · lr before the update, for every
    trainable weight. In ``torch.`` rules other than AdamW it is added to the gradient after clipping, as in
    PyTorch: g + decay · w. ``l2`` is the decay of the older papers: l2 · w is added to every gradient (to the
    loss belongs l2/2 · ‖w‖², which is not shown in it). Of the three clippings at most one is given; they
    limit what the gradient is with ``l2``.

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
    dampening: float | None = None
    lr_decay: float | None = None
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
        family = FAMILIES[self.name]
        for key in OF_SOME:
            if getattr(self, key) and key not in family.settings:
                own = " and ".join(name for name, each in FAMILIES.items() if key in each.settings)
                raise ValueError(f"the optimizer {self.name} has no {key}; there is one of {own}")
        if self.dampening and self.nesterov:
            raise ValueError("Nesterov's form has no dampening: leave out nesterov or dampening")
        for key, default in family.defaults.items():
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
    """A rule, its slots and defaults. ``coupled``: weight decay goes into the gradient. ``settings``: those
    of ``OF_SOME`` that the rule has."""

    rule: Rule
    slots: Callable[[Optimizer], dict[str, Slot]]
    defaults: Mapping[str, float]
    coupled: bool = False
    settings: tuple[str, ...] = ()


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
        number = number_of(xp, sums, step)
        due = holds(xp, xp.equal(xp.floor(number / every) * every, number), number)
        blend = lambda after, before: due * after + (1 - due) * before
        weights = {name: blend(new[name], w) for name, w in weights.items()}
        slots = {
            name: {slot: blend(value, slots[name][slot]) for slot, value in each.items()}
            | {"accumulated": (1 - due) * sums[name]}
            for name, each in new_slots.items()
        }
    if optimizer.ema is not None and weights:
        # The average begins with the weights after the first update.
        number = number_of(xp, weights, step)
        first = xp.full_like(number, value=every or 1)
        kept = holds(xp, xp.less(first, number), number) * optimizer.ema
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
        w, g = decayed(optimizer, w, gradients[name], learning_rate)
        new_weights[name], changed = rule(xp, optimizer, w, g, slots[name], learning_rate, step)
        new_slots[name] = {**slots[name], **changed}
    return new_weights, new_slots


def decayed(o: Optimizer, w: Any, g: Any, learning_rate: Any) -> tuple[Any, Any]:
    """The weight and its gradient after weight decay, which is either in the weight or in the gradient."""
    if not o.weight_decay:
        return w, g
    if FAMILIES[o.name].coupled:
        return w, g + o.weight_decay * w
    return w - w * (o.weight_decay * learning_rate), g


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


def _slots(*names: str, **conditional: Callable[[Optimizer], Any]) -> Callable[[Optimizer], dict[str, Slot]]:
    return lambda o: {n: Slot() for n in names} | {n: Slot() for n, holds in conditional.items() if holds(o)}


_ADAM = {"learning_rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
_TORCH_ADAM = {**_ADAM, "epsilon": 1e-8}
_adam_slots = _slots("momentum", "velocity", largest_velocity=lambda o: o.amsgrad)
_sgd_slots = _slots(momentum=lambda o: o.momentum)
_rmsprop_slots = _slots("velocity", average_gradient=lambda o: o.centered, momentum=lambda o: o.momentum)


def _adagrad_slots(o: Optimizer) -> dict[str, Slot]:
    return {"accumulator": Slot(o.initial_accumulator or 0.0)}


OF_SOME = ("momentum", "dampening", "lr_decay")
"""Hyper-parameters that few rules have; the others are refused with them."""

FAMILIES: dict[str, Family] = {
    "sgd": Family(rules.sgd, _sgd_slots, {"learning_rate": 0.01}, settings=("momentum",)),
    "rmsprop": Family(
        rules.rmsprop,
        _rmsprop_slots,
        {"learning_rate": 1e-3, "rho": 0.9, "epsilon": 1e-7},
        settings=("momentum",),
    ),
    "adagrad": Family(
        rules.adagrad, _adagrad_slots, {"learning_rate": 1e-3, "initial_accumulator": 0.1, "epsilon": 1e-7}
    ),
    "adadelta": Family(
        rules.adadelta,
        _slots("accumulated_gradient", "accumulated_delta"),
        {"learning_rate": 1e-3, "rho": 0.95, "epsilon": 1e-7},
    ),
    "adam": Family(rules.adam, _adam_slots, _ADAM),
    "adamw": Family(rules.adam, _adam_slots, {**_ADAM, "weight_decay": 0.004}),
    "adamax": Family(rules.adamax, _slots("momentum", "norm"), _ADAM),
    "nadam": Family(
        rules.nadam,
        lambda o: {"momentum": Slot(), "velocity": Slot(), "product": Slot(1.0, scalar=True)},
        _ADAM,
    ),
    "torch.sgd": Family(
        rules.torch_sgd, _sgd_slots, {"learning_rate": 1e-3}, coupled=True, settings=("momentum", "dampening")
    ),
    "torch.adam": Family(rules.torch_adam, _adam_slots, _TORCH_ADAM, coupled=True),
    "torch.adamw": Family(rules.torch_adam, _adam_slots, {**_TORCH_ADAM, "weight_decay": 0.01}),
    "torch.rmsprop": Family(
        rules.torch_rmsprop,
        _rmsprop_slots,
        {"learning_rate": 0.01, "rho": 0.99, "epsilon": 1e-8},
        coupled=True,
        settings=("momentum",),
    ),
    "torch.adagrad": Family(
        rules.torch_adagrad,
        _adagrad_slots,
        {"learning_rate": 0.01, "initial_accumulator": 0.0, "epsilon": 1e-10},
        coupled=True,
        settings=("lr_decay",),
    ),
}

TORCH_NAMES = {
    "lr": "learning_rate",
    "eps": "epsilon",
    "alpha": "rho",
    "initial_accumulator_value": "initial_accumulator",
}
"""PyTorch's names of settings, which ``torch.`` optimizers may have too."""
