"""Losses of class numbers that Keras has for one-hot rows alone, written in ``keras.ops``.

``ignore_class`` is a number that stands for no class: what has it does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from crosstrain.graph.keras_import.detection import BOX_LOSSES

SPARSE_DICE = "sparse_dice"


def smoothed_sparse(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    axis: int = -1,
    label_smoothing: float = 0.0,
    ignore_class: int | None = None,
) -> Any:
    """Keras's categorical cross-entropy with label smoothing, of targets that are class numbers."""
    if len(y_true.shape) == len(y_pred.shape):
        y_true = keras.ops.squeeze(y_true, axis=-1)
    counts = None
    if ignore_class is not None:
        counts = keras.ops.not_equal(y_true, ignore_class)
        y_true = keras.ops.where(counts, y_true, 0)
    rows = keras.ops.one_hot(y_true, y_pred.shape[-1], dtype=y_pred.dtype)
    values = keras.losses.categorical_crossentropy(rows, y_pred, from_logits, label_smoothing, axis)
    if counts is not None:
        values = keras.ops.where(counts, values, 0.0)
        keras.src.backend.set_keras_mask(values, mask=counts)
    return values


def sparse_dice(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    ignore_class: int | None = None,
    smooth: float = 1.0,
) -> Any:
    """The soft Dice loss of label maps (Milletari, Navab and Ahmadi 2016, section 3), the mean over classes.

    ``1 - mean_c (2 Σ p_c g_c + s) / (Σ p_c + Σ g_c + s)``, the sums over the pixels of a picture that count,
    p the probabilities, g 1 where the class is c, s ``smooth`` pixels. ``y_true`` (batch, H, W) class
    numbers, ``y_pred`` (batch, H, W, classes) → (batch,).
    """
    ops = keras.ops
    if len(y_true.shape) == len(y_pred.shape):
        y_true = ops.squeeze(y_true, axis=-1)
    p = ops.softmax(y_pred, axis=-1) if from_logits else y_pred
    counts = None
    if ignore_class is not None:
        counts = ops.not_equal(y_true, ignore_class)
        y_true = ops.where(counts, y_true, 0)
    truth = ops.one_hot(y_true, y_pred.shape[-1], dtype=y_pred.dtype)
    if counts is not None:
        weights = ops.expand_dims(ops.cast(counts, y_pred.dtype), axis=-1)
        p, truth = p * weights, truth * weights
    axes = tuple(range(1, len(y_pred.shape) - 1))
    both = ops.sum(p * truth, axis=axes)
    total = ops.sum(p, axis=axes) + ops.sum(truth, axis=axes)
    return 1.0 - ops.mean((2.0 * both + smooth) / (total + smooth), axis=-1)


OWN: Mapping[str, Callable[..., Any]] = {SPARSE_DICE: sparse_dice, **BOX_LOSSES}
"""Losses that users name and Keras has not."""
