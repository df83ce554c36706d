"""The task that tries whether a training fits into memory: everything but the training itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crosstrain.runs.tasks.cell import set_up
from crosstrain.system.clocks import Clocks
from crosstrain.training.recipe import Recipe


def run(job: Mapping[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Build the network of a ``train`` job and take the steps that warm it up, at every batch size that
    training and evaluation use; the result is the recipe's ``batch_size``. Where memory does not hold it, the
    worker ends with an error of the kind ``memory``, as training would."""
    recipe = Recipe.from_json(job["recipe"])
    _, _, material = set_up(job, recipe, Clocks(emit), evaluate=bool(job.get("evaluate", True)))
    material.close()
    return {"batch_size": recipe.batch_size}
