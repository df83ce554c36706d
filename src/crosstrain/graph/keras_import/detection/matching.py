"""Which true box belongs to which of a detector's boxes, and which of them a loss counts; in
``keras.ops``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from crosstrain.detection.boxes import encoded, iou


@dataclass(frozen=True)
class Matched:
    """For each of n boxes of a picture: ``overlap`` (batch, n) with the true box that it overlaps most,
    ``positive`` (batch, n) of 0 and 1, ``labels`` int32 (batch, n) and ``boxes`` (batch, n, 4) of the true
    box that is its own, where positive; elsewhere 0 and the box itself."""

    overlap: Any
    positive: Any
    labels: Any
    boxes: Any


def matched(boxes: Any, y_true: Any, least: float, *, every: bool) -> Matched:
    """``boxes`` (batch, n, 4) against true ones (batch, most, 5), ``detection/truths.py``'s: positive is what
    overlaps one by at least ``least`` and, where ``every`` true box is to have one, the box that overlaps it
    most (Ren et al. 2015, section 3.1.2). No gradient flows through any of it."""
    ops = keras.ops
    boxes, dtype = ops.stop_gradient(boxes), boxes.dtype
    real = ops.cast(y_true[..., 4] >= 0, dtype)
    overlap = iou(boxes, y_true[..., :4], ops) * ops.expand_dims(real, 1)
    best, which = ops.max(overlap, axis=2), ops.argmax(overlap, axis=2)
    positive = ops.cast(best >= least, dtype)
    if every:
        # By place, not by equality with the maximum: a compiler may compute that anew, in other bits.
        nearest = ops.one_hot(ops.argmax(overlap, axis=1), boxes.shape[1], dtype=dtype)
        nearest = nearest * ops.expand_dims(ops.cast(ops.max(overlap, axis=1) > 0, dtype), 2)
        forced = ops.max(nearest, axis=1)
        which = ops.where(forced > 0, ops.argmax(nearest, axis=1), which)
        positive = ops.maximum(positive, forced)
    own = ops.take_along_axis(y_true, ops.tile(ops.expand_dims(which, 2), (1, 1, 5)), axis=1)
    labels = ops.cast(own[..., 4] * positive, "int32")
    targets = ops.where(ops.expand_dims(positive, 2) > 0, own[..., :4], boxes)
    return Matched(best, positive, labels, targets)


def codes_of(match: Matched, boxes: Any, variances: tuple[float, float, float, float]) -> Any:
    """What a network should say of ``boxes``, (batch, n, 4); 0 where a box is not positive."""
    return encoded(match.boxes, keras.ops.stop_gradient(boxes), variances, keras.ops)


def sampled(
    positive: Any, negative: Any, offsets: Any, size: int, share: float, seed: int
) -> tuple[Any, Any]:
    """Of positives and negatives, (batch, n) of 0 and 1, a sample of at most ``size`` together with at most
    ``share`` of it positives; what these leave free negatives fill (Ren et al. 2015, section 3.1.3).

    The order in which they are drawn is one permutation, of ``seed``, that begins at another place for each
    offset, so that engines that are given the same offsets draw the same, to the last box.
    """
    ops = keras.ops
    count = positive.shape[1]
    places = np.random.default_rng(seed).permutation(count).astype("int32")
    start = ops.cast(ops.floor(ops.stop_gradient(offsets) * count), "int32")
    order = ops.mod(ops.add(start, places), count) + 1
    first = _first(positive, order, ops.full_like(start[:, :1], int(size * share)))
    left = size - ops.cast(ops.sum(first, axis=1, keepdims=True), "int32")
    return first, _first(negative, order, left)


def _first(candidates: Any, order: Any, most: Any) -> Any:
    """Those of ``candidates`` (batch, n) whose ``order`` (from 1, all different) is highest, at most ``most``
    (batch, 1)."""
    ops = keras.ops
    keys = ops.where(candidates > 0, order, 0)
    falling = ops.flip(ops.sort(keys, axis=1), axis=1)
    last = ops.clip(most - 1, 0, candidates.shape[1] - 1)
    edge = ops.take_along_axis(falling, last, axis=1)
    chosen = ops.logical_and(ops.logical_and(keys >= edge, keys > 0), most > 0)
    return ops.cast(chosen, candidates.dtype)


def smooth_l1(difference: Any, edge: float = 1.0) -> Any:
    """x² / (2 · edge) up to ``edge``, beyond it |x| - edge / 2 (Girshick 2015, equation 3, of edge 1); summed
    over the last axis."""
    ops = keras.ops
    size = ops.abs(difference)
    return ops.sum(ops.where(size < edge, ops.square(difference) * (0.5 / edge), size - 0.5 * edge), axis=-1)
