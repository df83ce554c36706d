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
from crosstrain.proof.updates import MOMENTUM_OUTSIDE, Rule, adam_after
from crosstrain.training import spelling
from crosstrain.training.optimizers import FAMILIES, Optimizer, clipped, penalized
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

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 1e-3},
    "adam": {"learning_rate": 1e-3, "epsilon": 1e-8},
    "adamw": {"learning_rate": 1e-3, "epsilon": 1e-8, "weight_decay": 1e-2},
}
"""PyTorch's optimizers with its own defaults."""
WORDS = {"lr": "learning_rate", "eps": "epsilon"}
"""PyTorch's words for settings that Keras has too."""

RULES: dict[str, Rule] = {"momentum outside": MOMENTUM_OUTSIDE["sgd"], "epsilon after": adam_after}
FORMS = {"sgd": "momentum outside", "adam": "epsilon after", "adamw": "epsilon after"}
"""PyTorch's forms: momentum that holds the rate outside, epsilon added after the bias is corrected."""
DECAYED = ("all", "kernels")


@dataclass(frozen=True)
class Training:
    """How one side trains. ``form`` names the rule where it is not Keras's (``RULES``); ``decay`` says which
    weights decay: all, or those of two axes and more (``kernels``)."""

    losses: Mapping[str, Loss] | None = None
    optimizer: Optimizer = field(default_factory=Optimizer)
    form: str = ""
    decay: str = "all"

    def to_json(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.to_json(), "form": self.form, "decay": self.decay}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Training:
        return cls(None, Optimizer.from_json(data["optimizer"]), data["form"], data["decay"])

    def settings(self) -> dict[str, Any]:
        """Everything that the steps depend on, to compare two of them: AdamW is Adam with decoupled decay."""
        name = (
            self.optimizer.name.removesuffix("w") if self.optimizer.name == "adamw" else self.optimizer.name
        )
        return {**asdict(self.optimizer), "name": name, "form": self.form, "decay": self.decay}


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
        raise CrosstrainError(f"there is no loss torch.{name!s} here; there are {_listed(LOSSES)}")
    if settings.get("reduction") == "sum" and name not in WHOLE:
        raise CrosstrainError(f"torch.{name} with reduction=sum has no counterpart in Keras's losses")
    keras, own = LOSSES[name]
    return Loss(keras, {**own, **settings})


def optimizer_of(text: str) -> Training:
    """An optimizer from its spelling: Keras's, or PyTorch's as ``torch.adam:lr=0.01,weight_decay=0.1``.
    ``decay=kernels`` spares vectors (biases, scales) the weight decay."""
    torch = text.startswith(TORCH)
    name, settings = spelling.named(text.removeprefix(TORCH))
    decay = str(settings.pop("decay", "all"))
    if decay not in DECAYED:
        raise CrosstrainError(f"decay is {' or '.join(DECAYED)}, not {decay!r}")
    if torch:
        if name not in OPTIMIZERS:
            raise CrosstrainError(f"there is no optimizer torch.{name} here; there are {_listed(OPTIMIZERS)}")
        settings = {**OPTIMIZERS[name], **{WORDS.get(k, k): v for k, v in settings.items()}}
        if betas := settings.pop("betas", None):
            settings["beta_1"], settings["beta_2"] = betas
        if name != "adamw" and "weight_decay" in settings:  # PyTorch adds it to the gradient
            settings["l2"] = settings.pop("weight_decay")
    try:
        optimizer = Optimizer.from_json({"name": name, **settings})
    except (ValueError, TypeError) as error:
        raise CrosstrainError(f"the optimizer {text}: {error}") from error
    return Training(None, optimizer, FORMS[name] if torch else "", decay)


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(f"{TORCH}{name}" for name in names)


def stepped(
    how: Training, weights: Mapping[str, np.ndarray], gradients: Mapping[str, np.ndarray],
    slots: dict[str, dict[str, Any]], rate: float, number: int,
) -> Arrays:  # fmt: skip
    """The trained weights after step ``number`` (from 1) at this learning rate; ``slots`` are moved on."""
    o = how.optimizer
    rule = RULES[how.form] if how.form else FAMILIES[o.name].rule
    trained = {name: weights[name] for name in gradients}
    spared = {name for name, w in trained.items() if how.decay == "kernels" and w.ndim < 2}
    decayed = penalized(o, trained, gradients)
    full = clipped(OPS, o, {k: gradients[k] if k in spared else g for k, g in decayed.items()})
    after: Arrays = {}
    for name, w in trained.items():
        if o.weight_decay and name not in spared:
            w = w - w * (o.weight_decay * rate)
        old = slots.setdefault(name, o.slot_values(w.shape, None))
        new, changed = rule(OPS, o, w, full[name], old, rate, number)
        slots[name], after[name] = {**old, **changed}, np.asarray(new)
    return after
