"""The recipe that a user's words come to: what is asked for, else what a paper has, else what the model was
compiled with, else crosstrain's default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crosstrain.errors import CrosstrainError
from crosstrain.training import spelling
from crosstrain.training.compiled import Compiled
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.papers import PaperRecipe
from crosstrain.training.recipe import Recipe
from crosstrain.training.schedules import Schedule

BATCH_SIZE = 64
MOMENTUM = 0.9
"""What ``sgd`` uses by default: the momentum of most of the literature on images."""

OVERRIDES = {
    "learning_rate": "learning_rate",
    "momentum": "momentum",
    "weight_decay": "weight_decay",
    "clip_norm": "global_clipnorm",
    "ema": "ema",
    "accumulate": "accumulate",
}
"""Options that override one setting of the optimizer, whichever it is."""


def composed(
    arguments: Mapping[str, Any], compiled: Compiled, paper: PaperRecipe | None, epochs: int
) -> Recipe:
    """The recipe of ``arguments``, the keywords of ``train`` by name. ``CrosstrainError`` says what is
    wrong with one."""
    augmentation = spelling.augmentation(arguments["augment"])
    if arguments["augment"] is None and paper:
        augmentation = dict(paper.augmentation)
    smoothing = arguments["label_smoothing"]
    if smoothing is None:
        smoothing = paper.label_smoothing if paper else 0.0
    try:
        return Recipe(
            losses=spelling.fitting_losses(spelling.losses(arguments["loss"]), augmentation),
            optimizer=_optimizer(arguments, compiled, paper),
            schedule=_schedule(arguments, compiled, paper),
            metrics=tuple(dict.fromkeys(("accuracy", *compiled.metrics))),
            batch_size=arguments["batch_size"] or (paper.batch_size if paper else BATCH_SIZE),
            epochs=epochs,
            seed=arguments["seed"],
            augmentation=augmentation,
            label_smoothing=smoothing,
            class_weight=spelling.class_weight(arguments["class_weight"]),
            early_stopping=arguments["early_stopping"],
            kernel_initializer=_initializer(arguments["kernel_initializer"], paper),
        )
    except ValueError as error:
        raise CrosstrainError(str(error)) from None


def _initializer(asked: str | Mapping[str, Any] | None, paper: PaperRecipe | None) -> Mapping[str, Any]:
    if asked is None:
        return paper.kernel_initializer if paper else {}
    return spelling.initializer(asked)


def _optimizer(arguments: Mapping[str, Any], compiled: Compiled, paper: PaperRecipe | None) -> Optimizer:
    """The optimizer asked for, else the paper's, else the model's own, else sgd with the usual momentum;
    single settings override its."""
    own = paper.optimizer if paper else compiled.optimizer
    optimizer = arguments["optimizer"] or own or "sgd"
    overrides = {setting: arguments[name] for name, setting in OVERRIDES.items()}
    if overrides["momentum"] is None and optimizer == "sgd":
        overrides["momentum"] = MOMENTUM
    if isinstance(optimizer, Optimizer):
        # An option takes the place of what does the same in another way.
        if overrides["weight_decay"] is not None:
            optimizer = replace(optimizer, l2=None)
        if overrides["global_clipnorm"] is not None:
            optimizer = replace(optimizer, clipvalue=None, clipnorm=None)
    return spelling.optimizer(optimizer, **overrides)


def _schedule(arguments: Mapping[str, Any], compiled: Compiled, paper: PaperRecipe | None) -> Schedule:
    """The schedule asked for, else the paper's, else that of the model's own optimizer; the latter two where
    their optimizer is taken."""
    own = paper.schedule if paper else compiled.schedule
    taken = own if arguments["optimizer"] is None else None
    return spelling.schedule(arguments["schedule"] or taken or "constant")
