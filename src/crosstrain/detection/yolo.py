"""The output of YOLO, version 1 (Redmon et al. 2016, section 2): what its numbers mean.

(batch, S, S', 5 · predictors + classes), linear. A cell's numbers are, for each predictor, x and y of the
box's centre in the cell (in cells, from its upper left corner), the square roots of width and height (as
shares of the picture's) and the confidence; then the probabilities of the classes, given that an object's
centre lies in the cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from crosstrain.detection.boxes import corners

PREDICTORS = 2
"""Boxes of a cell, as in the paper."""
OF_BOX = 5


def classes(last: int, settings: Mapping[str, Any]) -> int:
    """Of an output with ``last`` numbers for a cell."""
    return last - OF_BOX * int(settings.get("predictors", PREDICTORS))


def fitting(last: int, classes: int) -> dict[str, int]:
    """How many predictors a cell with ``last`` numbers has, where that is not the paper's number."""
    predictors, rest = divmod(last - classes, OF_BOX)
    return {"predictors": predictors} if not rest and predictors > 0 and predictors != PREDICTORS else {}


def parts(outputs: Any, predictors: int, ops: Any = np) -> tuple[Any, Any]:
    """The numbers of the boxes, (batch, S, S', predictors, 5), and the probabilities of the classes, (batch,
    S, S', classes)."""
    rows, columns = outputs.shape[1:3]
    own = ops.reshape(outputs[..., : OF_BOX * predictors], (-1, rows, columns, predictors, OF_BOX))
    return own, outputs[..., OF_BOX * predictors :]


def boxes_of(own: Any, size: tuple[int, int], ops: Any = np) -> Any:
    """The boxes (batch, S, S', predictors, 4), in pixels of a picture of ``size`` (height, width), that their
    numbers stand for."""
    rows, columns = own.shape[1:3]
    down = np.arange(rows, dtype=np.float32).reshape(1, rows, 1, 1)
    right = np.arange(columns, dtype=np.float32).reshape(1, 1, columns, 1)
    centred = [
        (own[..., 1] + down) * (size[0] / rows),
        (own[..., 0] + right) * (size[1] / columns),
        own[..., 3] * own[..., 3] * float(size[0]),
        own[..., 2] * own[..., 2] * float(size[1]),
    ]
    return corners(ops.stack(centred, axis=-1), ops)


def candidates(outputs: np.ndarray, settings: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (batch, S · S' · predictors, 4) and scores (…, classes): a class's probability times the box's
    confidence (equation 1), each cut to [0, 1] first: two negative numbers are no sign of an object."""
    own, probabilities = parts(outputs, int(settings.get("predictors", PREDICTORS)))
    boxes = boxes_of(own, (int(settings["height"]), int(settings["width"])))
    scores = np.clip(own[..., 4], 0, 1)[..., None] * np.clip(probabilities, 0, 1)[..., None, :]
    batch = len(outputs)
    return boxes.reshape(batch, -1, 4), scores.reshape(batch, -1, scores.shape[-1])
