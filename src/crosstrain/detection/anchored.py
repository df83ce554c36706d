"""The outputs of detectors that correct boxes: every row begins with the box that it corrects.

Rows carry their boxes (anchors, or proposals of the network), so that neither a loss nor a reader has to know
where they come from. ``offset`` is a number in [0, 1), the same in all rows of a picture and new in every
training step: losses draw their samples by it.

| head | a row |
| --- | --- |
| ``rpn`` | box (4), offset, logit of an object, code (4) |
| ``rois`` | box (4), 1 or 0 (does not count), offset, logits of classes and background, codes (4 · classes) |
| ``ssd`` | box (4), logits of classes and background, code (4) |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from crosstrain.detection.boxes import decoded

OF_BOX = 4
VARIANCES = (0.1, 0.1, 0.2, 0.2)
"""Of the codes of ``rois`` and ``ssd``: the deviations that make codes of about 1 (Girshick 2015, section
2.3; Liu et al. 2016's code). Those of ``rpn`` have 1."""


def rpn_classes(last: int, settings: Mapping[str, Any]) -> int:
    """Rows tell an object from none, of however many classes the data has."""
    return int(settings.get("classes", 1))


def roi_classes(last: int, settings: Mapping[str, Any]) -> int:
    """Of rows of ``rois`` with ``last`` numbers; -1 where no number of classes has so many."""
    own, rest = divmod(last - OF_BOX - 3, 1 + OF_BOX)
    return own if not rest else -1


def ssd_classes(last: int, settings: Mapping[str, Any]) -> int:
    """Of rows of ``ssd`` with ``last`` numbers."""
    return last - 2 * OF_BOX - 1


def rpn_parts(rows: Any) -> tuple[Any, Any, Any, Any]:
    """Boxes (batch, n, 4), offsets (batch, n), logits (batch, n), codes (batch, n, 4)."""
    return rows[..., :4], rows[..., 4], rows[..., 5], rows[..., 6:]


def roi_parts(rows: Any, classes: int, ops: Any = np) -> tuple[Any, Any, Any, Any, Any]:
    """Boxes (batch, n, 4), whether they count (batch, n), offsets (batch, n), logits (batch, n, classes + 1)
    and codes (batch, n, classes, 4)."""
    codes = ops.reshape(rows[..., 7 + classes :], (-1, rows.shape[1], classes, OF_BOX))
    return rows[..., :4], rows[..., 4], rows[..., 5], rows[..., 6 : 7 + classes], codes


def ssd_parts(rows: Any, classes: int) -> tuple[Any, Any, Any]:
    """Boxes (batch, n, 4), logits (batch, n, classes + 1), codes (batch, n, 4)."""
    return rows[..., :4], rows[..., 4 : 5 + classes], rows[..., 5 + classes :]


def roi_candidates(outputs: np.ndarray, settings: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """A box for each class, (batch, n, classes, 4), and the classes' probabilities, (batch, n, classes); 0
    for boxes that do not count."""
    boxes, counts, _, logits, codes = roi_parts(outputs, int(settings["classes"]))
    own = decoded(codes, boxes[..., None, :], VARIANCES)
    return np.asarray(own), _probabilities(logits) * counts[..., None]


def ssd_candidates(outputs: np.ndarray, settings: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (batch, n, 4) and the classes' probabilities, (batch, n, classes)."""
    boxes, logits, codes = ssd_parts(outputs, int(settings["classes"]))
    return np.asarray(decoded(codes, boxes, VARIANCES)), _probabilities(logits)


def _probabilities(logits: np.ndarray) -> np.ndarray:
    """The softmax without its last number, that of background."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray((shifted / shifted.sum(axis=-1, keepdims=True))[..., :-1])
