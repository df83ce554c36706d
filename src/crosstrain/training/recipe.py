"""How to train, as data: loss, optimizer, schedule, batch size, epochs, seed. Everything is JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from crosstrain.training.augmentation import checked
from crosstrain.training.metrics import check_metric
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.schedules import Schedule


@dataclass(frozen=True)
class Loss:
    """A loss by its Keras name (``sparse_categorical_crossentropy``, …) with its settings
    (``from_logits``, ``delta`` …), or a user's own as ``file.py:function``; ``weight`` is its part in a
    sum over several outputs."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """What every engine is given alike.

    ``losses`` maps output names to losses; the key ``""`` stands for the only output. ``None`` lets
    crosstrain choose: cross-entropy that fits the last layer and the targets. ``metrics`` are computed
    by the worker on whole evaluation sets (see ``training.metrics``); ``augmentation`` has the settings of
    ``training.augmentation``.
    """

    losses: Mapping[str, Loss] | None = None
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    batch_size: int = 64
    epochs: int = 1
    seed: int = 0
    metrics: tuple[str, ...] = ("accuracy",)
    augmentation: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.epochs < 0:
            raise ValueError(f"a batch of {self.batch_size} or {self.epochs} epochs cannot be trained")
        for name in self.metrics:
            check_metric(name)
        object.__setattr__(self, "augmentation", checked(self.augmentation))

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        data["optimizer"] = self.optimizer.to_json()
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recipe:
        losses = data.get("losses")
        return cls(
            **{
                **data,
                "losses": losses and {k: Loss(**v) for k, v in losses.items()},
                "optimizer": Optimizer.from_json(data.get("optimizer", {})),
                "schedule": Schedule(**data.get("schedule", {})),
                "metrics": tuple(data.get("metrics", ("accuracy",))),
            }
        )


def batch_order(examples: int, seed: int, epoch: int) -> np.ndarray:
    """The permutation (int64, one entry per example) of one epoch, the same on every engine."""
    return np.random.default_rng((seed, epoch)).permutation(examples)


def batches(examples: int, batch_size: int, seed: int, epoch: int) -> Iterator[np.ndarray]:
    """The epoch's batches as arrays of indices; the last may be shorter."""
    order = batch_order(examples, seed, epoch)
    for start in range(0, examples, batch_size):
        yield order[start : start + batch_size]
