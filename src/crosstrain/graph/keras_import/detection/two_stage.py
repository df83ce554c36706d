"""The losses of Faster R-CNN's two stages (Ren et al. 2015; Girshick 2015)."""

from __future__ import annotations

from typing import Any

import keras

from crosstrain.detection.anchored import VARIANCES, roi_parts, rpn_parts
from crosstrain.detection.boxes import UNIT
from crosstrain.graph.keras_import.detection.matching import codes_of, matched, sampled, smooth_l1


def rpn(
    y_true: Any, y_pred: Any, height: int, width: int, classes: int, sample: int = 256, positive: float = 0.7,
    negative: float = 0.3, seed: int = 0,
) -> Any:  # fmt: skip
    """The loss of region proposals, (batch,): Ren et al. 2015, equation 1, over ``sample`` anchors a picture,
    up to half of them positive.

    Cross-entropy of "object" plus smooth L1 of the codes of positives, both divided by the size of the
    sample, as in the authors' later joint training. Positive is an anchor that overlaps a true box by
    ``positive``, or of all anchors most; negative one that overlaps none by ``negative``. Anchors that cross
    the border count too, where the paper leaves them out: in small pictures they are most.
    """
    ops = keras.ops
    anchors, offsets, logits, codes = rpn_parts(y_pred)
    match = matched(anchors, y_true, positive, every=True)
    far = ops.cast(match.overlap < negative, logits.dtype) * (1.0 - match.positive)
    chosen, background = sampled(match.positive, far, offsets, sample, 0.5, seed)
    total = ops.maximum(ops.sum(chosen + background, axis=1), 1.0)
    objects = ops.softplus(logits) - match.positive * logits
    places = smooth_l1(codes - codes_of(match, anchors, UNIT), 1 / 9)
    return ops.sum((chosen + background) * objects + chosen * places, axis=1) / total


def rois(
    y_true: Any, y_pred: Any, height: int, width: int, classes: int, sample: int = 128, share: float = 0.25,
    positive: float = 0.5, negative: float = 0.5, seed: int = 1,
) -> Any:  # fmt: skip
    """The loss of Fast R-CNN, (batch,): Girshick 2015, equation 1, over ``sample`` proposals a picture, up to
    ``share`` of them positive.

    Cross-entropy of the classes and background plus smooth L1 of the codes that positives have for their
    class, both divided by the size of the sample. Positive is a proposal that overlaps a true box by
    ``positive``; what overlaps none by ``negative`` is background. True boxes are not among the proposals,
    where the authors' code adds them.
    """
    ops = keras.ops
    boxes, counts, offsets, logits, codes = roi_parts(y_pred, classes, ops)
    counts = ops.stop_gradient(counts)
    match = matched(boxes, y_true, positive, every=False)
    near = match.positive * counts
    far = ops.cast(match.overlap < negative, logits.dtype) * counts
    chosen, background = sampled(near, far, offsets, sample, share, seed)
    total = ops.maximum(ops.sum(chosen + background, axis=1), 1.0)
    labels = ops.where(match.positive > 0, match.labels, classes)
    log_p = ops.log_softmax(logits, axis=-1)
    entropy = -ops.sum(ops.one_hot(labels, classes + 1, dtype=logits.dtype) * log_p, axis=-1)
    own = ops.expand_dims(ops.one_hot(match.labels, classes, dtype=logits.dtype), 3)
    places = smooth_l1(ops.sum(codes * own, axis=2) - codes_of(match, boxes, VARIANCES))
    return ops.sum((chosen + background) * entropy + chosen * places, axis=1) / total
