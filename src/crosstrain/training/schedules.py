"""Learning-rate schedules, as keras.optimizers.schedules has them, and "divide when it stops improving"."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Schedule:
    """A schedule by name, with its settings; ``rate(initial, step)`` gives the learning rate of a step.

    Steps count from 0 over all epochs. ``plateau`` has no closed form: the training loop feeds it the
    watched metric after every epoch (see ``Plateau``).

    A setting that counts steps (of ``plateau``, epochs) may be given as a share of the whole training
    instead: ``decay_share=1`` in place of ``decay_steps``. Such a schedule is ``relative`` and gives rates
    once ``resolved``.
    """

    name: str = "constant"
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = [*SCHEDULES, "plateau"]
        if self.name not in known:
            raise ValueError(f"there is no schedule {self.name!r}; there are {', '.join(known)}")
        try:
            schedule = self.resolved(1000, 1000)
            if self.name == "plateau":
                Plateau(1.0, **schedule.settings)
            schedule.rate(1.0, 1)
        except (TypeError, ArithmeticError, LookupError) as error:
            raise ValueError(f"the schedule {self.name!r} cannot have these settings: {error}") from error

    @property
    def relative(self) -> bool:
        """Whether it depends on how long the training is."""
        return bool(SHARES[self.name].keys() & self.settings.keys())

    def resolved(self, steps: int, epochs: int) -> Schedule:
        """The schedule of a training of so many steps in so many epochs, without shares."""
        if not self.relative:
            return self
        whole = epochs if self.name == "plateau" else steps
        settings = dict(self.settings)
        for key in SHARES[self.name].keys() & settings.keys():
            counted = SHARES[self.name][key]
            if counted in settings:
                raise ValueError(f"the schedule {self.name!r} has {key} and {counted}; give one of them")
            settings[counted] = _counted(settings.pop(key), whole)
        return Schedule(self.name, settings)

    def rate(self, initial: float, step: int) -> float:
        """The learning rate of ``step``. ``ValueError`` where the schedule is still relative."""
        if self.relative:
            raise ValueError(f"the schedule {self.name!r} is relative to a training that is not known here")
        if self.name == "plateau":
            return initial
        return SCHEDULES[self.name](initial, step, **self.settings)


def _counted(share: Any, whole: int) -> Any:
    """A share of ``whole``, or several, as counts of at least 1."""
    if isinstance(share, list | tuple):
        return [_counted(each, whole) for each in share]
    if not 0 <= share <= 1:
        raise ValueError(f"a share of the training lies between 0 and 1, not {share}")
    return max(1, round(share * whole))


def constant(initial: float, step: int) -> float:
    """The initial rate."""
    return initial


def steps(initial: float, step: int, *, boundaries: list[int], factors: list[float]) -> float:
    """initial · factors[i] after boundaries[i] (the last step of the old rate, as PiecewiseConstantDecay)."""
    passed = sum(step > b for b in boundaries)
    return initial * (factors[passed - 1] if passed else 1.0)


def exponential(
    initial: float, step: int, *, decay_steps: int, decay_rate: float, staircase: bool = False
) -> float:
    """initial · decay_rate^(step / decay_steps)."""
    power = step / decay_steps
    return initial * decay_rate ** (math.floor(power) if staircase else power)


def inverse_time(initial: float, step: int, *, decay_steps: int, decay_rate: float) -> float:
    """initial / (1 + decay_rate · step / decay_steps)."""
    return initial / (1 + decay_rate * step / decay_steps)


def cosine(
    initial: float, step: int, *, decay_steps: int, alpha: float = 0.0,
    warmup_target: float | None = None, warmup_steps: int = 0,
) -> float:  # fmt: skip
    """Half a cosine from the (warmed-up) rate to alpha times it; linear warm-up before it."""
    if warmup_target is not None and step < warmup_steps:
        return initial + (warmup_target - initial) * step / warmup_steps
    top, start = (initial, 0) if warmup_target is None else (warmup_target, warmup_steps)
    done = min(max(step - start, 0), decay_steps)
    return top * ((1 - alpha) * 0.5 * (1 + math.cos(math.pi * done / decay_steps)) + alpha)


def warmup(initial: float, step: int, *, warmup_steps: int) -> float:
    """Linear from initial / warmup_steps to initial, then constant (Goyal et al. 2017)."""
    return initial * min(1.0, (step + 1) / warmup_steps)


def warmup_cosine(
    initial: float, step: int, *, warmup_steps: int, decay_steps: int, alpha: float = 0.0
) -> float:
    """Linear from initial / warmup_steps to initial, then half a cosine to alpha times it (Loshchilov and
    Hutter 2017, without restarts)."""
    if step < warmup_steps:
        return warmup(initial, step, warmup_steps=warmup_steps)
    return cosine(initial, step - warmup_steps, decay_steps=decay_steps, alpha=alpha)


def warmup_linear(initial: float, step: int, *, warmup_steps: int, decay_steps: int) -> float:
    """Linear from initial / warmup_steps to initial, then linear to 0 in ``decay_steps``."""
    if step < warmup_steps:
        return warmup(initial, step, warmup_steps=warmup_steps)
    return initial * max(0.0, 1 - (step - warmup_steps) / decay_steps)


SCHEDULES: dict[str, Callable[..., float]] = {
    "constant": constant, "step": steps, "exponential": exponential, "inverse_time": inverse_time,
    "cosine": cosine, "warmup": warmup, "warmup_cosine": warmup_cosine, "warmup_linear": warmup_linear,
}  # fmt: skip

_DECAY, _WARMUP = {"decay_share": "decay_steps"}, {"warmup_share": "warmup_steps"}
SHARES: Mapping[str, Mapping[str, str]] = {
    "constant": {},
    "step": {"boundary_shares": "boundaries"},
    "exponential": _DECAY,
    "inverse_time": _DECAY,
    "cosine": _DECAY | _WARMUP,
    "warmup": _WARMUP,
    "warmup_cosine": _DECAY | _WARMUP,
    "warmup_linear": _DECAY | _WARMUP,
    "plateau": {"patience_share": "patience"},
}
"""The settings of each schedule that are shares of the training, and the count each stands for."""


@dataclass
class Plateau:
    """The rate times ``factor`` when the watched metric has not improved for ``patience`` epochs.

    The rule of the literature ("divide by ten when the error stops improving"), with the counting of
    keras.callbacks.ReduceLROnPlateau; larger metrics are better.
    """

    rate: float
    factor: float = 0.1
    patience: int = 10
    min_delta: float = 1e-4
    min_rate: float = 0.0
    best: float = -math.inf
    waited: int = 0

    def after_epoch(self, metric: float) -> float:
        """Record an epoch's metric. Returns the rate for the next epoch."""
        if metric > self.best + self.min_delta:
            self.best, self.waited = metric, 0
        else:
            self.waited += 1
            if self.waited >= self.patience:
                self.rate, self.waited = max(self.rate * self.factor, self.min_rate), 0
        return self.rate
