"""How outputs of detectors are read: a row for each kind of head, by the name of its loss.

An output called as a row here is learnt by the loss of that name (``graph/keras_import/detection``), which
also says how it is read. The importer adds to the loss's settings ``height`` and ``width``, those of the
prepared picture, and ``classes``. Whoever adds a head adds its row here, its loss there, and a network in
``zoo/detection`` whose output has that name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosstrain.detection import anchored, yolo
from crosstrain.detection.detections import Detections
from crosstrain.detection.suppression import DEFAULT, Suppression, selected

Candidates = tuple[np.ndarray, np.ndarray]
"""Boxes (batch, n, 4), or (batch, n, classes, 4) where each class has its own, and scores (batch, n,
classes) in [0, 1]."""


@dataclass(frozen=True)
class Head:
    """``candidates(outputs, settings)`` makes them of a batch of outputs and the loss's settings; None for an
    output that is learnt and gives no detections, as that of a region proposal network. ``classes(last,
    settings)`` is how many classes an output with ``last`` numbers on its last axis has; ``fitting(last,
    classes)`` are the settings of the loss that follow from both, where the data says how many there are."""

    candidates: Callable[[np.ndarray, Mapping[str, Any]], Candidates] | None
    classes: Callable[[int, Mapping[str, Any]], int]
    fitting: Callable[[int, int], Mapping[str, Any]] = lambda last, classes: {}


HEADS: Mapping[str, Head] = {
    "yolo": Head(yolo.candidates, yolo.classes, yolo.fitting),
    "rpn": Head(None, anchored.rpn_classes),
    "rois": Head(anchored.roi_candidates, anchored.roi_classes),
    "ssd": Head(anchored.ssd_candidates, anchored.ssd_classes),
}


def detections(
    head: str, outputs: np.ndarray, settings: Mapping[str, Any], rule: Suppression = DEFAULT
) -> list[Detections]:
    """What each picture of a batch of outputs shows, boxes cut at the picture's edges."""
    make = HEADS[head].candidates
    if make is None:
        raise ValueError(f"the output of {head} gives no detections")
    with np.errstate(all="ignore"):  # outputs of a training that diverged
        boxes, scores = make(outputs.astype(np.float64), settings)
    limit = np.asarray([settings["height"], settings["width"]] * 2, np.float64)
    return [selected(np.clip(own, 0, limit), values, rule) for own, values in zip(boxes, scores, strict=True)]
