"""Whether a loss fits an output and its target: shapes, classes, steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras.src.losses.losses import LossFunctionWrapper

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph
from crosstrain.graph.keras_import.own_losses import SPARSE_DICE
from crosstrain.graph.keras_import.tensors import Traced

SPARSE = "sparse_categorical_crossentropy"
IGNORING = (SPARSE, SPARSE_DICE)
"""Losses that leave out the pixels of a label map that have no class."""


def check_steps(graph: Graph, name: str, target: Mapping[str, Any]) -> None:
    """Refuse an output with fewer steps than CTC needs for the longest text."""
    needed, shape = target.get("steps"), graph.spec(graph.outputs[name]).shape
    if needed and len(shape) == 3 and shape[1] is not None and shape[1] < needed:
        raise CrosstrainError(
            f"the output {name!r} has {shape[1]} steps, and the longest text of the data needs {needed} (one "
            "for each character, and one between two that are equal); make the pictures wider, as --sizes "
            "HEIGHTxWIDTH, or the network's steps narrower"
        )


def check_fit(
    name: str, kind: str, target: Traced, output: Traced, classes: int | None, loss_fn: Any
) -> None:
    """Refuse shapes that would broadcast into a meaningless loss."""
    shape, target_shape = tuple(output.shape), tuple(target.shape)
    where = f"the output {name!r} of shape {shape[1:]} and its target of shape {target_shape[1:]}"
    problem = f"the loss {kind!r} does not fit {where}"
    if kind in IGNORING:
        if "int" not in target.dtype:
            raise CrosstrainError(f"{problem} and dtype {target.dtype}: its targets are class numbers")
        if target_shape not in (shape[:-1], (*shape[:-1], 1)):
            raise CrosstrainError(f"{problem}: it needs one class number for each row of {shape[-1]} scores")
        # Words that a vocabulary has and the texts have not are no mistake.
        fits = shape[-1] == classes or (len(shape) > 2 and shape[-1] > (classes or 0))
        if classes is not None and not fits:
            raise CrosstrainError(
                f"the output {name!r} has {shape[-1]} scores, but the data has {classes} classes"
            )
    elif kind == "ctc":
        if len(shape) != 3 or len(target_shape) != 2:
            raise CrosstrainError(f"{problem}: ctc takes scores (time, classes) and labels (length,)")
        if classes is not None and (shape[-1] or 0) < classes:
            raise CrosstrainError(
                f"the output {name!r} has {shape[-1]} scores a step, but the data has {classes} labels, the "
                "blank included"
            )
    elif type(loss_fn) is LossFunctionWrapper and ":" in kind:
        return
    elif ":" not in kind:
        longer = max(len(shape), len(target_shape))
        if (
            abs(len(shape) - len(target_shape)) == 1
            and (shape if len(shape) == longer else target_shape)[-1] == 1
        ):
            shape, target_shape = ((*s, 1) if len(s) < longer else s for s in (shape, target_shape))
        if shape != target_shape:
            hint = "; use sparse_categorical_crossentropy for class numbers" if "categorical" in kind else ""
            raise CrosstrainError(f"{problem}: they must have the same shape{hint}")
