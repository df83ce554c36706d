"""Which loss the output of a detector has, what it needs to know, and whether its boxes fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crosstrain.detection.heads import HEADS
from crosstrain.detection.truths import NUMBERS
from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph
from crosstrain.training.recipe import Loss

UNKNOWN = 8
"""Boxes of a picture at most, where no data says."""


def box_loss(name: str) -> Loss | None:
    """The loss of an output of this name; None where the name is of no head."""
    return Loss(name) if name in HEADS else None


def for_boxes(chosen: Mapping[str, Loss], specs: Mapping[str, Any], graph: Graph) -> dict[str, Loss]:
    """The losses of boxes with the size of the picture and the number of classes. ``CrosstrainError`` for
    boxes with another loss, and for a network of whose picture the size is not known."""
    result = dict(chosen)
    for name, loss in chosen.items():
        spec = specs.get(name) or {}
        if loss.name in HEADS:
            height, width = picture_size(graph)
            last = graph.spec(graph.outputs[name]).shape[-1] or 0
            classes = spec.get("classes") or HEADS[loss.name].classes(last, loss.settings)
            fitting = HEADS[loss.name].fitting(last, spec["classes"]) if spec.get("classes") else {}
            known = {**fitting, "height": height, "width": width, "classes": classes}
            result[name] = replace(loss, settings={**known, **loss.settings})
        elif spec.get("boxes") and ":" not in loss.name:
            raise CrosstrainError(
                f"the loss {loss.name!r} of the output {name!r} knows nothing of boxes; the losses of boxes "
                f"are {', '.join(HEADS)}, of networks such as yolo"
            )
    return result


def picture_size(graph: Graph) -> tuple[int, int]:
    """Height and width of the network's one picture."""
    pictures = [spec.shape for spec in graph.inputs.values() if len(spec.shape) == 4]
    if len(pictures) != 1 or None in pictures[0][1:3]:
        raise CrosstrainError(
            "a loss of boxes is of a network with one picture of a known size as its input, (height, width, "
            f"channels); this one has {', '.join(str(shape[1:]) for shape in pictures) or 'none'}"
        )
    return int(pictures[0][1] or 0), int(pictures[0][2] or 0)


def box_target(graph: Graph, name: str, loss: Loss) -> dict[str, Any]:
    """The target that fits a loss of boxes when there is no data."""
    last = graph.spec(graph.outputs[name]).shape[-1] or 0
    classes = HEADS[loss.name].classes(last, loss.settings)
    return {"shape": [UNKNOWN, NUMBERS], "dtype": "float32", "classes": classes, "boxes": True}


def check_boxes(name: str, loss: str, settings: Mapping[str, Any], target: Any, output: Any) -> None:
    """``CrosstrainError`` where target or output are not what a loss of boxes takes."""
    if len(target.shape) != 3 or target.shape[-1] != NUMBERS:
        raise CrosstrainError(
            f"the loss {loss!r} of the output {name!r} takes boxes (most, {NUMBERS}): ymin, xmin, ymax, "
            f"xmax, class; the target has the shape {tuple(target.shape[1:])}"
        )
    own, classes = HEADS[loss].classes(output.shape[-1], settings), settings["classes"]
    if own != classes or own < 1:
        raise CrosstrainError(
            f"the output {name!r} of shape {tuple(output.shape[1:])} is of {own} classes to the loss "
            f"{loss!r}, but the data has {classes}"
        )
