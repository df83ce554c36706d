"""Each side's recipe: its loss and optimizer, in Keras's meaning or, with ``torch.`` before the name, in
PyTorch's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.proof.arrays import Arrays
from crosstrain.proof.truths.by_numpy import OPS
from crosstrain.training import spelling
from crosstrain.training.optimizers import FAMILIES, Optimizer, clipped, decayed, penalized
from crosstrain.training.recipe import Loss

TORCH = "torch."
LOSSES: dict[str, tuple[str, dict[str, Any]]] = {
    "cross_entropy": ("sparse_categorical_crossentropy", {"from_logits": True}),
    "mse_loss": ("mean_squared_error", {}),
    "l1_loss": ("mean_absolute_error", {}),
    "smooth_l1_loss": ("huber", {"delta": 1.0}),
    "bce_loss": ("binary_crossentropy", {"from_logits": False}),
    "bce_with_logits": ("binary_crossentropy", {"from_logits": True}),
}
"""PyTorch's losses by their functions' names, as Keras's."""
WHOLE = ("cross_entropy",)
"""Losses whose ``reduction=sum`` means the same in both: one number for each example."""

DECAYED = ("all", "kernels")


@dataclass(frozen=True)
class Training:
    """How one side trains. ``decay`` says which weights decay: all, or those of two axes and more
    (``kernels``)."""

    losses: Mapping[str, Loss] | None = None
    optimizer: Optimizer = field(default_factory=Optimizer)
    decay: str = "all"

    def to_json(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.to_json(), "decay": self.decay}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Training:
        return cls(None, Optimizer.from_json(data["optimizer"]), data["decay"])

    def settings(self) -> dict[str, Any]:
        """Everything that the steps depend on, to compare two of them: the name of the rule, whether it has
        PyTorch's ``form``, and decay in the weight (``weight_decay``) or in the gradient (``l2``). AdamW is
        Adam with the former."""
        o = self.optimizer
        name = o.name.removeprefix(TORCH)
        own = {
            "name": "adam" if name == "adamw" else name,
            "form": o.name.startswith(TORCH),
            "decay": self.decay,
        }
        if FAMILIES[o.name].coupled:
            own |= {"weight_decay": None, "l2": (o.l2 or 0.0) + (o.weight_decay or 0.0) or None}
        return {**asdict(o), **own}


def training(loss: str | None, optimizer: str | None) -> Training:
    """A side's recipe from its spellings; None leaves the loss to the network's last layer, and the optimizer
    at Keras's sgd."""
    losses = None if loss is None else {"": loss_of(loss)}
    return replace(optimizer_of(optimizer or "sgd"), losses=losses)


def loss_of(text: str) -> Loss:
    """A loss from its spelling: Keras's, or PyTorch's as ``torch.cross_entropy:reduction=sum``."""
    if not text.startswith(TORCH):
        return spelling.loss(text)
    name, settings = spelling.named(text.removeprefix(TORCH))
    if name not in LOSSES:
        raise CrosstrainError(
            f"there is no loss torch.{name} here; there are {', '.join(f'{TORCH}{each}' for each in LOSSES)}"
        )
    if settings.get("reduction") == "sum" and name not in WHOLE:
        raise CrosstrainError(f"torch.{name} with reduction=sum has no counterpart in Keras's losses")
    keras, own = LOSSES[name]
    return Loss(keras, {**own, **settings})


def optimizer_of(text: str) -> Training:
    """An optimizer from its spelling. ``decay=kernels`` spares vectors (biases, scales) the weight decay."""
    name, settings = spelling.named(text)
    decay = str(settings.pop("decay", "all"))
    if decay not in DECAYED:
        raise CrosstrainError(f"decay is {' or '.join(DECAYED)}, not {decay!r}")
    return Training(None, spelling.optimizer_from(name, settings), decay)


def stepped(
    how: Training, weights: Mapping[str, np.ndarray], gradients: Mapping[str, np.ndarray],
    slots: dict[str, dict[str, Any]], rate: float, number: int,
) -> Arrays:  # fmt: skip
    """The trained weights after step ``number`` (from 1) at this learning rate; ``slots`` are moved on."""
    o = how.optimizer
    rule = FAMILIES[o.name].rule
    trained = {name: weights[name] for name in gradients}
    spared = {name for name, w in trained.items() if how.decay == "kernels" and w.ndim < 2}
    penalized_all = penalized(o, trained, gradients)
    full = clipped(OPS, o, {k: gradients[k] if k in spared else g for k, g in penalized_all.items()})
    after: Arrays = {}
    for name, w in trained.items():
        w, g = (w, full[name]) if name in spared else decayed(o, w, full[name], rate)
        old = slots.setdefault(name, o.slot_values(w.shape, None))
        new, changed = rule(OPS, o, w, g, old, rate, number)
        slots[name], after[name] = {**old, **changed}, np.asarray(new)
    return after
