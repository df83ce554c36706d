"""The mathematics of boxes, (…, n, 4) as ymin, xmin, ymax, xmax, on NumPy's arrays or on tensors of Keras.

``ops`` is NumPy, or ``keras.ops``, in which a loss is written.
"""

from __future__ import annotations

from typing import Any

import numpy as np

UNIT = (1.0, 1.0, 1.0, 1.0)
LARGEST_LOG = 4.135166556742356
"""log(1000 / 16): the most that decoding enlarges an anchor by, as in Detectron, so that no exponential
overflows."""


def areas(boxes: Any, ops: Any = np) -> Any:
    """Areas (…, n), 0 for a box whose edges are the wrong way round."""
    height = ops.maximum(boxes[..., 2] - boxes[..., 0], 0.0)
    return height * ops.maximum(boxes[..., 3] - boxes[..., 1], 0.0)


def iou(first: Any, second: Any, ops: Any = np) -> Any:
    """Intersection over union of each of ``first`` (…, n, 4) with each of ``second`` (…, m, 4): (…, n, m).
    0 where both are empty."""
    a, b = ops.expand_dims(first, -2), ops.expand_dims(second, -3)
    return paired_iou(a, b, ops)


def paired_iou(a: Any, b: Any, ops: Any = np) -> Any:
    """Intersection over union of boxes (…, 4) with those at the same places, broadcast: (…)."""
    top, left = ops.maximum(a[..., 0], b[..., 0]), ops.maximum(a[..., 1], b[..., 1])
    bottom, right = ops.minimum(a[..., 2], b[..., 2]), ops.minimum(a[..., 3], b[..., 3])
    both = ops.maximum(bottom - top, 0.0) * ops.maximum(right - left, 0.0)
    union = areas(a, ops) + areas(b, ops) - both
    some = union > 0
    return ops.where(some, both / ops.where(some, union, 1.0), 0.0)


def clipped(boxes: Any, size: tuple[int, int], ops: Any = np) -> Any:
    """Boxes cut at the edges of a picture of ``size`` (height, width)."""
    limits = (size[0], size[1], size[0], size[1])
    parts = [ops.clip(boxes[..., n], 0, limit) for n, limit in enumerate(limits)]
    return ops.stack(parts, axis=-1)


def centres(boxes: Any, ops: Any = np) -> Any:
    """(y, x, height, width) of boxes, y and x being the centre's."""
    height, width = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
    return ops.stack([boxes[..., 0] + height / 2, boxes[..., 1] + width / 2, height, width], axis=-1)


def corners(centred: Any, ops: Any = np) -> Any:
    """The boxes of (y, x, height, width); the inverse of ``centres``."""
    y, x, half_height, half_width = (
        centred[..., 0], centred[..., 1], centred[..., 2] / 2, centred[..., 3] / 2,
    )  # fmt: skip
    return ops.stack([y - half_height, x - half_width, y + half_height, x + half_width], axis=-1)


def encoded(
    boxes: Any, anchors: Any, variances: tuple[float, float, float, float] = UNIT, ops: Any = np
) -> Any:
    """Boxes as seen from anchors at the same places: (dx, dy, dw, dh), the distances of the centres in widths
    and heights of the anchor and the logarithms of the ratios of the sides (Girshick et al. 2014, appendix
    C), each divided by its variance (SSD has 0.1, 0.1, 0.2, 0.2). Boxes and anchors must have an area."""
    own, of = centres(boxes, ops), centres(anchors, ops)
    parts = (
        (own[..., 1] - of[..., 1]) / of[..., 3],
        (own[..., 0] - of[..., 0]) / of[..., 2],
        ops.log(own[..., 3] / of[..., 3]),
        ops.log(own[..., 2] / of[..., 2]),
    )
    return ops.stack([part / each for part, each in zip(parts, variances, strict=True)], axis=-1)


def decoded(
    codes: Any, anchors: Any, variances: tuple[float, float, float, float] = UNIT, ops: Any = np
) -> Any:
    """The boxes that ``codes`` (…, 4) stand for; the inverse of ``encoded``, sides being at most 62.5 times
    those of the anchor."""
    of = centres(anchors, ops)
    dx, dy, dw, dh = (codes[..., n] * variance for n, variance in enumerate(variances))
    centred = [
        of[..., 0] + dy * of[..., 2],
        of[..., 1] + dx * of[..., 3],
        of[..., 2] * ops.exp(ops.minimum(dh, LARGEST_LOG)),
        of[..., 3] * ops.exp(ops.minimum(dw, LARGEST_LOG)),
    ]
    return corners(ops.stack(centred, axis=-1), ops)
