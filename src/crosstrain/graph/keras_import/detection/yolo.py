"""The loss of YOLO, version 1."""

from __future__ import annotations

from typing import Any

import keras

from crosstrain.detection.boxes import centres, paired_iou
from crosstrain.detection.yolo import PREDICTORS, boxes_of, parts


def yolo(
    y_true: Any,
    y_pred: Any,
    height: int,
    width: int,
    classes: int,
    predictors: int = PREDICTORS,
    coord: float = 5.0,
    noobj: float = 0.5,
) -> Any:
    """The loss of Redmon et al. 2016 (equation 3), (batch,): the sum over a picture's cells.

    The cell in which an object's centre lies answers for it (of several objects in a cell the first), and in
    the cell the predictor whose box overlaps it most; where none overlaps it, the one whose box is nearest,
    as in darknet. That one learns centre and square roots of the sides (weighted by ``coord``) and, as its
    confidence, its overlap with the object; the confidences of all others learn 0 (weighted by ``noobj``),
    and cells with an object learn its class. No gradient flows through overlaps.
    """
    ops = keras.ops
    own, probabilities = parts(y_pred, predictors, ops)
    rows, columns = y_pred.shape[1:3]
    first = in_cells(y_true, rows, columns, height, width)
    present = ops.sum(first, axis=1)
    truth = at_cells(first, y_true[..., :4])
    boxes = boxes_of(own, (height, width), ops)
    target = ops.expand_dims(truth, -2)
    overlap = paired_iou(ops.stop_gradient(boxes), target, ops)
    chosen = responsible(ops.stop_gradient(boxes), target, overlap) * ops.expand_dims(present, -1)

    y, x, tall, wide = (centres(truth, ops)[..., n] for n in range(4))
    y, x = y * (rows / height), x * (columns / width)
    wanted = [
        x - ops.floor(x),
        y - ops.floor(y),
        ops.sqrt(wide / float(width)),
        ops.sqrt(tall / float(height)),
    ]
    place = ops.sum(ops.square(own[..., :4] - ops.expand_dims(ops.stack(wanted, axis=-1), -2)), axis=-1)
    confidence = own[..., 4]
    of_boxes = chosen * (coord * place + ops.square(confidence - overlap)) + (
        1.0 - chosen
    ) * noobj * ops.square(confidence)
    kinds = ops.one_hot(ops.cast(y_true[..., 4], "int32"), classes, dtype=y_pred.dtype)
    of_cells = present * ops.sum(ops.square(probabilities - at_cells(first, kinds)), axis=-1)
    return ops.sum(of_boxes, axis=(1, 2, 3)) + ops.sum(of_cells, axis=(1, 2))


def in_cells(y_true: Any, rows: int, columns: int, height: int, width: int) -> Any:
    """Which object each cell answers for, (batch, most, rows, columns) of 0 and 1: of those whose centre
    lies in it the first."""
    ops = keras.ops
    centred = centres(y_true[..., :4], ops)
    down = ops.clip(ops.floor(centred[..., 0] * (rows / height)), 0, rows - 1)
    right = ops.clip(ops.floor(centred[..., 1] * (columns / width)), 0, columns - 1)
    dtype = y_true.dtype
    down = ops.one_hot(ops.cast(down, "int32"), rows, dtype=dtype)
    right = ops.one_hot(ops.cast(right, "int32"), columns, dtype=dtype)
    real = ops.cast(y_true[..., 4:] >= 0, dtype)
    at = ops.expand_dims(down * real, -1) * ops.expand_dims(right, -2)
    return at * ops.cast(ops.cumsum(at, axis=1) < 1.5, dtype)


def at_cells(first: Any, values: Any) -> Any:
    """``values`` of the objects, (batch, most, n), at the cells that answer for them, (batch, rows, columns,
    n); zeros elsewhere."""
    ops = keras.ops
    spread = ops.expand_dims(ops.expand_dims(values, 2), 2)
    return ops.sum(ops.expand_dims(first, -1) * spread, axis=1)


def responsible(boxes: Any, target: Any, overlap: Any) -> Any:
    """Of the predictors of each cell the one that answers for its object: (…, predictors) of 0 and 1."""
    ops = keras.ops
    distance = ops.sum(ops.square(boxes - target), axis=-1)
    fits = ops.where(ops.max(overlap, axis=-1, keepdims=True) > 0, overlap, -distance)
    return ops.one_hot(ops.argmax(fits, axis=-1), boxes.shape[-2], dtype=boxes.dtype)
