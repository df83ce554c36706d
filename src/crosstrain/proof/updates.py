"""Tries update rules on the steps that an engine really made, one step at a time.

Every step is predicted from the weights and gradients that the engine itself had there, so what does not
fit is the update, not what led up to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crosstrain.proof.truths.by_numpy import OPS
from crosstrain.training.optimizers import FAMILIES, Optimizer, decayed

Rule = Callable[..., tuple[Any, dict[str, Any]]]


@dataclass(frozen=True)
class Track:
    """One weight's steps, sampled: ``weights`` before each and after the last, ``gradients`` and their
    norms at each; ``totals`` are the norms of all weights' gradients together."""

    name: str
    weights: Sequence[np.ndarray]
    gradients: Sequence[np.ndarray]
    norms: Sequence[float]
    totals: Sequence[float]
    rates: Sequence[float]
    epsilon: float
    """The precision's machine epsilon."""


@dataclass(frozen=True)
class Variant:
    """A way to update: the optimizer, and what may be different about it."""

    optimizer: Optimizer
    rule: Rule | None = None
    times: float = 1.0
    coupled: float = 0.0
    """Added to the gradient: this times the weight (L2)."""


def predicted(track: Track, variant: Variant, rates: Sequence[float]) -> list[np.ndarray]:
    """The weight after each step, by the variant."""
    o = variant.optimizer
    rule = variant.rule or FAMILIES[o.name].rule
    slots: dict[str, Any] = {
        k: np.float64(s.initial) if s.scalar else np.full(track.weights[0].shape, s.initial)
        for k, s in o.slots().items()
    }
    weights = []
    for t, rate in enumerate(rates):
        w = track.weights[t].astype("float64")
        g = _clipped(o, track, t).astype("float64") * variant.times + (variant.coupled + (o.l2 or 0.0)) * w
        w, g = decayed(o, w, g, rate)
        w, slots = rule(OPS, o, w, g, slots, rate, t + 1)
        weights.append(np.asarray(w))
    return weights


def _clipped(o: Optimizer, track: Track, t: int) -> np.ndarray:
    g = track.gradients[t].astype("float64")
    if o.clipvalue is not None:
        return np.asarray(np.clip(g, -o.clipvalue, o.clipvalue))
    limit = o.clipnorm if o.clipnorm is not None else o.global_clipnorm
    norm = track.norms[t] if o.clipnorm is not None else track.totals[t]
    return np.asarray(g if limit is None or norm <= limit else g * (limit / norm))


def misfit(track: Track, after: Sequence[np.ndarray]) -> list[float]:
    """By what part of the predicted move each step misses; 0 where that is rounding."""
    misses = []
    for t, prediction in enumerate(after):
        before, w = track.weights[t].astype("float64"), track.weights[t + 1].astype("float64")
        off = float(np.linalg.norm(w - prediction))
        noise = 8 * track.epsilon * float(np.linalg.norm(w))
        moved = max(float(np.linalg.norm(prediction - before)), float(np.linalg.norm(w - before)), 1e-300)
        misses.append(0.0 if off <= noise else off / moved)
    return misses


def fits(track: Track, variant: Variant, rates: Sequence[float] | None = None) -> bool:
    """Whether the variant gives every step, but for rounding."""
    return max(misfit(track, predicted(track, variant, rates or track.rates))) <= tolerance(track)


def tolerance(track: Track) -> float:
    """What rounding leaves of a step: next to nothing in float64, some 1e-4 in float32."""
    return max(1e-7, 1e3 * track.epsilon)


# -- what it may be -----------------------------------------------------------------------------------
def explain(track: Track, others: Sequence[Track], optimizer: Optimizer, biases: bool) -> tuple[str, bool]:
    """The difference that gives the engine's steps on this track and the others, and True; or a guess.

    ``biases``: whether the weight is the bias of a recurrent layer.
    """
    if all(np.array_equal(w, track.weights[0]) for w in track.weights):
        return "the engine does not train this weight", True
    if optimizer.accumulate:
        return "the update is another; no cause is looked for where gradients are accumulated", False
    for sentence, variant in variants(track, optimizer, biases):
        if fits(track, variant) and all(fits(other, variant) for other in others):
            return sentence, True
    rates = fitted_rates(track, Variant(optimizer))
    if all(fits(other, Variant(optimizer), rates) for other in [track, *others]):
        falls = all(
            a / r <= b / s * (1 + 1e-9)
            for a, b, r, s in zip(rates[1:], rates, track.rates[1:], track.rates, strict=False)
        )
        what = (
            "the learning rate decays"
            if falls and rates[-1] < track.rates[-1]
            else "the learning rate is another"
        )
        shown = lambda values: ", ".join(f"{v:.4g}" for v in (*values[:3], values[-1]))
        return f"{what}: {shown(rates)} in place of {shown(track.rates)} (first three and last step)", True
    return f"the update is not {optimizer.name}'s; no known difference gives these steps", False


def variants(track: Track, o: Optimizer, biases: bool) -> Iterator[tuple[str, Variant]]:
    """Known differences between optimizers."""
    if biases:
        yield (
            "the bias is stored as two that are both trained, so that it moves twice as far",
            Variant(o, times=2.0),
        )
    if o.momentum:
        if o.name in ANOTHER_MOMENTUM:
            where, rule = ANOTHER_MOMENTUM[o.name]
            sentence = f"momentum holds the learning rate {where}: it differs after the rate changes"
            yield sentence, Variant(o, rule)
        yield "momentum is missing", Variant(replace(o, momentum=0.0))
        yield "momentum is damped: (1 - momentum) times the gradient", Variant(o, times=1 - o.momentum)
        other = "missing" if o.nesterov else "used"
        if not o.dampening:
            yield f"Nesterov's form is {other}", Variant(replace(o, nesterov=not o.nesterov))
    yield from decays(track, o)
    if o.epsilon is not None:
        for value in (1e-8, 1e-7, 1e-6, 1e-10, 1e-5, 1e-4, 1e-3, 0.0):
            if value != o.epsilon:
                sentence = f"epsilon is {value:g}, where the recipe has {o.epsilon:g}"
                yield sentence, Variant(replace(o, epsilon=value))
                if o.name in ANOTHER_EPSILON:
                    where, rule = ANOTHER_EPSILON[o.name]
                    yield (
                        f"{sentence}, added {where} the bias is corrected",
                        Variant(replace(o, epsilon=value), rule),
                    )
        if o.name in ANOTHER_EPSILON:
            where, rule = ANOTHER_EPSILON[o.name]
            yield f"epsilon is added {where} the bias is corrected", Variant(o, rule)
            yield "the bias of the moments is not corrected", Variant(o, adam_uncorrected)
    if o.clipvalue is not None or o.clipnorm is not None or o.global_clipnorm is not None:
        free = replace(o, clipvalue=None, clipnorm=None, global_clipnorm=None)
        yield "gradients are not clipped", Variant(free)
        limit = o.clipnorm or o.global_clipnorm
        if limit is not None:
            sentence = "gradients are clipped by value, where the recipe clips their norm"
            yield sentence, Variant(replace(free, clipvalue=limit))
        if o.clipvalue is not None:
            words = "where the recipe clips their values"
            each, total = replace(free, clipnorm=o.clipvalue), replace(free, global_clipnorm=o.clipvalue)
            yield f"gradients are clipped each by its norm, {words}", Variant(each)
            yield f"gradients are clipped by the norm of all, {words}", Variant(total)
        if o.clipnorm is not None:
            yield "gradients are clipped all together", Variant(replace(free, global_clipnorm=o.clipnorm))
        if o.global_clipnorm is not None:
            yield "gradients are clipped each by itself", Variant(replace(free, clipnorm=o.global_clipnorm))
    yield "gradients are counted twice", Variant(o, times=2.0)


def decays(track: Track, o: Optimizer) -> Iterator[tuple[str, Variant]]:
    """Weight decay on one side only; its strength is solved for."""
    coupled = FAMILIES[o.name].coupled
    if o.weight_decay:
        # 0, since AdamW has a default of its own in place of None
        yield "weight decay is missing", Variant(replace(o, weight_decay=0.0))
        if not coupled:
            yield (
                "weight decay is an L2 term of the gradient",
                Variant(replace(o, weight_decay=0.0), coupled=o.weight_decay),
            )
        elif o.name == "torch.adam":
            yield "weight decay is in the weight, as AdamW has it", Variant(replace(o, name="torch.adamw"))
    w, rate = track.weights[0].astype("float64"), track.rates[0]
    rest = track.weights[1] - predicted(track, Variant(o), track.rates)[0]
    strength = -float(np.sum(rest * w)) / max(rate * float(np.sum(w * w)), 1e-300)
    for value in (strength, 1e-4, 2e-4, 5e-4, 1e-3, 4e-3, 1e-2):
        yield (
            f"there is weight decay of {value:.3g} (as an L2 term of the gradient), which the recipe has not",
            Variant(o, coupled=value),
        )
        if not coupled:
            yield (
                f"there is weight decay of {value:.3g} (decoupled), which the recipe has not",
                Variant(replace(o, weight_decay=(o.weight_decay or 0.0) + value)),
            )


def fitted_rates(track: Track, variant: Variant) -> list[float]:
    """The learning rate of every step, solved for from the engine's moves (which are affine in it)."""
    rates: list[float] = []
    for t in range(len(track.rates)):
        at = lambda rate, t=t: predicted(track, variant, [*rates, rate])[t]
        still, one = at(0.0), at(1.0)
        slope = (one - still).reshape(-1)
        moved = (track.weights[t + 1].astype("float64") - still).reshape(-1)
        rates.append(float(slope @ moved) / max(float(slope @ slope), 1e-300))
    return rates


def rmsprop_outside(
    xp: Any, o: Optimizer, w: Any, g: Any, s: Mapping[str, Any], lr: Any, t: Any
) -> tuple[Any, dict[str, Any]]:
    """m = μ m + g / sqrt(v + ε);  w = w - lr m."""
    unit, new = FAMILIES["rmsprop"].rule(xp, o, np.zeros_like(w), g, dict(s), 1.0, t)
    return w + lr * unit, new


ANOTHER_MOMENTUM: Mapping[str, tuple[str, Rule]] = {
    "sgd": ("outside", FAMILIES["torch.sgd"].rule),
    "rmsprop": ("outside", rmsprop_outside),
    "torch.sgd": ("inside", FAMILIES["sgd"].rule),
}
"""Rules that hold the learning rate where the optimizer of that name does not."""
ANOTHER_EPSILON: Mapping[str, tuple[str, Rule]] = {
    **dict.fromkeys(("adam", "adamw"), ("after", FAMILIES["torch.adam"].rule)),
    **dict.fromkeys(("torch.adam", "torch.adamw"), ("before", FAMILIES["adam"].rule)),
}
"""Rules that add epsilon where the optimizer of that name does not."""


def _moments(o: Optimizer, g: Any, s: Mapping[str, Any]) -> dict[str, Any]:
    assert o.beta_1 is not None
    assert o.beta_2 is not None
    return {
        "momentum": o.beta_1 * s["momentum"] + (1 - o.beta_1) * g,
        "velocity": o.beta_2 * s["velocity"] + (1 - o.beta_2) * g * g,
    }


def adam_uncorrected(
    xp: Any, o: Optimizer, w: Any, g: Any, s: Mapping[str, Any], lr: Any, t: Any
) -> tuple[Any, dict[str, Any]]:
    """w - lr m / (sqrt(v) + ε)."""
    new = _moments(o, g, s)
    assert o.epsilon is not None
    return w - lr * new["momentum"] / (np.sqrt(new["velocity"]) + o.epsilon), new
