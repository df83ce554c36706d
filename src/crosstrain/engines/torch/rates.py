"""What changes from step to step besides the batch: the learning rate, and what follows from it and from the
number of the step. As numbers, or as scalars in the device's memory, which a captured step reads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from crosstrain.training.optimizers import Optimizer

Scalar: TypeAlias = float | Tensor


@dataclass(frozen=True)
class Rates:
    """``rate`` and ``number`` (from 1) are those of the step. ``descent`` is what the overwriting rules
    multiply the direction by: -lr, and with Adam's correction of both averages' bias
    -lr sqrt(1 - β₂ᵗ) / (1 - β₁ᵗ). ``decay`` is what weights shrink by: 1 - decay · lr."""

    rate: Scalar
    number: Scalar
    descent: Scalar
    decay: Scalar


def rates_of(o: Optimizer, learning_rate: float, number: int) -> Rates:
    """The rates of step ``number``, counted from 1."""
    descent = -learning_rate
    if o.name in ("adam", "adamw"):
        assert o.beta_1 is not None
        assert o.beta_2 is not None
        descent *= math.sqrt(1 - o.beta_2**number) / (1 - o.beta_1**number)
    return Rates(learning_rate, number, descent, 1 - (o.weight_decay or 0.0) * learning_rate)


class RatesOnDevice:
    """The rates in memory that stays where it is. ``set`` does not wait for the device."""

    def __init__(self, optimizer: Optimizer, dtype: torch.dtype, device: torch.device) -> None:
        self._optimizer = optimizer
        # float64, where it costs nothing: 1 - 0.999 in float32 is off by 1e-5.
        exact = [torch.zeros((), dtype=torch.float64, device=device) for _ in range(2)]
        rounded = [torch.zeros((), dtype=dtype, device=device) for _ in range(2)]
        self.scalars = Rates(*exact, *rounded)
        self._last: dict[str, float] = {}

    def set(self, learning_rate: float, number: int) -> None:
        """As they are in step ``number``. What is as in the step before costs nothing."""
        for name, value in vars(rates_of(self._optimizer, learning_rate, number)).items():
            if self._last.get(name) != value:
                self._last[name] = value
                getattr(self.scalars, name).fill_(value)
