"""The loss of single-shot detectors with anchors."""

from __future__ import annotations

from typing import Any

import keras

from crosstrain.detection.anchored import VARIANCES, ssd_parts
from crosstrain.graph.keras_import.detection.matching import codes_of, matched, smooth_l1


def ssd(
    y_true: Any, y_pred: Any, height: int, width: int, classes: int, positive: float = 0.5,
    mining: float = 3.0, focus: float = 0.0,
) -> Any:  # fmt: skip
    """Liu et al. 2016, equation 1, (batch,): cross-entropy of the classes and background plus smooth L1 of
    the codes of positives, both divided by the number of positives of the picture (at least 1).

    Positive is an anchor that overlaps a true box by ``positive``, or of all anchors most. Of the others
    count those whose cross-entropy is largest, ``mining`` for each positive (at least that many). With
    ``focus`` above 0 all count, and the cross-entropy is the focal one, each value times (1 - p)^focus (Lin
    et al. 2017).
    """
    ops = keras.ops
    anchors, logits, codes = ssd_parts(y_pred, classes)
    match = matched(anchors, y_true, positive, every=True)
    labels = ops.where(match.positive > 0, match.labels, classes)
    log_p = ops.log_softmax(logits, axis=-1)
    own = ops.sum(ops.one_hot(labels, classes + 1, dtype=logits.dtype) * log_p, axis=-1)
    if focus > 0:
        counted, entropy = 1.0, -own * ops.power(1.0 - ops.exp(own) + 1e-7, focus)
    else:
        entropy = -own
        counted = ops.maximum(match.positive, hardest(entropy, match.positive, mining))
    number = ops.maximum(ops.sum(match.positive, axis=1), 1.0)
    places = smooth_l1(codes - codes_of(match, anchors, VARIANCES))
    return ops.sum(counted * entropy + match.positive * places, axis=1) / number


def hardest(values: Any, positive: Any, share: float) -> Any:
    """Of what is not positive, (batch, n) of 0 and 1, the largest ``values``: ``share`` for each positive."""
    ops = keras.ops
    count = values.shape[1]
    negative = ops.where(positive > 0, -1.0, ops.stop_gradient(values))
    places = ops.cast(ops.argsort(-negative, axis=1), "int32")
    ranks = ops.argsort(places, axis=1)
    most = ops.floor(share * ops.maximum(ops.sum(positive, axis=1, keepdims=True), 1.0))
    most = ops.minimum(most, count - ops.sum(positive, axis=1, keepdims=True))
    return ops.cast(ops.cast(ranks, values.dtype) < most, values.dtype)
