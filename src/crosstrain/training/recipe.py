"""How to train, as data: loss, optimizer, schedule, batch size, epochs, seed. Everything is JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from crosstrain.training import initialisers
from crosstrain.training.augmentation import checked
from crosstrain.training.metrics import check_metric
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.schedules import Schedule


@dataclass(frozen=True)
class Loss:
    """A loss by its Keras name (``sparse_categorical_crossentropy``, …) with its settings
    (``from_logits``, ``delta`` …), or a user's own as ``file.py:function``; ``weight`` is its part in a
    sum over several outputs, ``class_weight`` the weight of each class of its targets (1 for one that is
    missing)."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    class_weight: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        data = {"name": self.name, "settings": dict(self.settings), "weight": self.weight}
        return {**data, **({"class_weight": dict(self.class_weight)} if self.class_weight else {})}


@dataclass(frozen=True)
class Recipe:
    """What every engine is given alike.

    ``losses`` maps output names to losses; the key ``""`` stands for the only output. ``None`` lets
    crosstrain choose: cross-entropy that fits the last layer and the targets. ``metrics`` are computed
    by the worker on whole evaluation sets (see ``training.metrics``); ``augmentation`` has the settings of
    ``training.augmentation``.

    ``label_smoothing`` is that of every loss that has one. ``class_weight`` multiplies the loss of an example
    by its class's weight (Keras's): ``{"0": 1.0, …}``, where classes that are missing count 1, or
    ``{"balanced": True}``: examples / (classes · examples of the class), or ``{"median-frequency": True}``,
    from the training part. Training
    ends before ``epochs`` when the validation has not improved for ``early_stopping`` epochs.
    ``kernel_initializer`` (``training.initialisers``) draws a network's kernels; {} leaves it its own.
    """

    losses: Mapping[str, Loss] | None = None
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    batch_size: int = 64
    epochs: int = 1
    seed: int = 0
    metrics: tuple[str, ...] = ("accuracy",)
    augmentation: Mapping[str, Any] = field(default_factory=dict)
    label_smoothing: float = 0.0
    class_weight: Mapping[str, Any] = field(default_factory=dict)
    early_stopping: int | None = None
    kernel_initializer: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.epochs < 0:
            raise ValueError(f"a batch of {self.batch_size} or {self.epochs} epochs cannot be trained")
        for name in self.metrics:
            check_metric(name)
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(
                f"label smoothing must be at least 0 and less than 1, not {self.label_smoothing}"
            )
        if self.early_stopping is not None and self.early_stopping < 1:
            raise ValueError(f"early stopping must wait at least 1 epoch, not {self.early_stopping}")
        if self.class_weight and "mixup" in self.augmentation:
            raise ValueError(
                "classes cannot be weighted with mixup: mixed examples belong to several classes"
            )
        object.__setattr__(self, "augmentation", checked(self.augmentation))
        object.__setattr__(self, "kernel_initializer", initialisers.checked(self.kernel_initializer))

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        data["optimizer"] = self.optimizer.to_json()
        data["losses"] = self.losses and {output: loss.to_json() for output, loss in self.losses.items()}
        if not self.kernel_initializer:
            del data["kernel_initializer"]  # as in recipes from before there was one
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
