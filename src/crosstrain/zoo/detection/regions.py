"""What stands between the stages of a detector: rows with their boxes, proposals, numbers to draw by.

Everything has a fixed number of rows, of which some may not count, so that the graph is static. No gradient
flows through boxes, as in the papers' joint training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from crosstrain.detection.anchors import anchor_grid
from crosstrain.detection.boxes import areas, clipped, decoded, iou

LEAST_SIDE = 1.0
"""Pixels; a proposal with a shorter side does not count."""


@keras.saving.register_keras_serializable("crosstrain")
class Anchors(layers.Layer):
    """The anchors of a map (batch, H, W, C), (batch, H · W · sizes · ratios, 4), in pixels of a picture of
    size ``picture`` (height, width); the same for every picture of a batch."""

    def __init__(
        self, picture: Sequence[int], sizes: Sequence[float], ratios: Sequence[float], **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.picture, self.sizes, self.ratios = _size(picture), tuple(sizes), tuple(ratios)

    def call(self, inputs: Any) -> Any:
        boxes = anchor_grid(self.picture, tuple(inputs.shape[1:3]), self.sizes, self.ratios)
        nothing = ops.zeros_like(ops.stop_gradient(inputs[:, :1, :1, :1]))
        return ops.reshape(nothing, (-1, 1, 1)) + boxes[None].astype("float64")

    def compute_output_shape(self, input_shape: Any) -> Any:
        count = input_shape[1] * input_shape[2] * len(self.sizes) * len(self.ratios)
        return (input_shape[0], count, 4)

    def get_config(self) -> dict[str, Any]:
        own = {"picture": self.picture, "sizes": self.sizes, "ratios": self.ratios}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("crosstrain")
class SamplingOffset(layers.Layer):
    """For boxes (batch, n, 4) a number in [0, 1) for each picture, (batch, n, 1), the same in all its rows:
    new in every training step, 0.5 otherwise. Losses draw their samples by it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        rows = ops.zeros_like(ops.stop_gradient(inputs[..., :1]))
        if not training:
            return rows + 0.5
        drawn = keras.random.uniform((ops.shape(inputs)[0], 1, 1), seed=self.seed_generator)
        return rows + ops.cast(drawn, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], 1)


@keras.saving.register_keras_serializable("crosstrain")
class Proposals(layers.Layer):
    """The regions of a region proposal network (Ren et al. 2015, section 3.3).

    Inputs are anchors (batch, n, 4), logits (batch, n, 1) and codes (batch, n, 4). Of the ``considered`` best
    anchors' boxes, cut at the picture's edges, those stay that overlap no better one that stays by more than
    ``overlap``; of these the best ``count`` are the proposals, (batch, count, 4), and (batch, count, 1) is 1
    for those and 0 for rows that fill up.

    Suppression goes in ``rounds``: in each, what stays removes what it overlaps. A box is decided once all
    boxes of the chain that leads to it are, so that the result is that of one after the other where no chain
    of overlapping boxes is longer than ``rounds``.
    """

    def __init__(
        self, picture: Sequence[int], considered: int, count: int, overlap: float = 0.7, rounds: int = 16,
        **settings: Any,
    ) -> None:  # fmt: skip
        super().__init__(**settings)
        self.picture = _size(picture)
        self.considered, self.count, self.overlap, self.rounds = considered, count, overlap, rounds

    def call(self, anchors: Any, logits: Any, codes: Any) -> Any:
        considered = min(self.considered, anchors.shape[1])
        anchors, logits, codes = (ops.stop_gradient(x) for x in (anchors, logits, codes))
        _, best = ops.top_k(logits[..., 0], considered)
        boxes = decoded(gathered(codes, best), gathered(anchors, best), ops=ops)
        boxes = clipped(boxes, self.picture, ops)
        sides = boxes[..., 2:] - boxes[..., :2]
        counts = ops.cast(ops.min(sides, axis=-1) >= LEAST_SIDE, boxes.dtype)
        whole = np.array([0, 0, *self.picture], "float64")
        boxes = ops.where(ops.expand_dims(counts, 2) > 0, boxes, whole)
        staying = suppressed(boxes, counts, self.overlap, self.rounds)
        falling = np.arange(considered, 0, -1).astype("float64")
        order, chosen = ops.top_k(staying * falling, min(self.count, considered))
        return gathered(boxes, chosen), ops.expand_dims(ops.cast(order > 0, boxes.dtype), 2)

    def compute_output_shape(self, anchors_shape: Any, logits_shape: Any, codes_shape: Any) -> Any:
        count = min(self.count, self.considered, anchors_shape[1])
        return (anchors_shape[0], count, 4), (anchors_shape[0], count, 1)

    def get_config(self) -> dict[str, Any]:
        names = ("picture", "considered", "count", "overlap", "rounds")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("crosstrain")
class GivenRegions(layers.Layer):
    """Boxes (batch, n, 4) as shares of the picture's sides, in pixels of a picture of size ``picture``, cut
    at its edges, (batch, n, 4); and (batch, n, 1), 1 for those that have an area and 0 for the others (zeros,
    to fill up), which are the whole picture."""

    def __init__(self, picture: Sequence[int], **settings: Any) -> None:
        super().__init__(**settings)
        self.picture = _size(picture)

    def call(self, inputs: Any) -> Any:
        whole = np.array(self.picture * 2, "float64")
        boxes = clipped(ops.stop_gradient(inputs) * whole, self.picture, ops)
        counts = ops.expand_dims(ops.cast(areas(boxes, ops) > 0, boxes.dtype), 2)
        return ops.where(counts > 0, boxes, np.array([0, 0, *self.picture], "float64")), counts

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape), (*input_shape[:-1], 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "picture": self.picture}


def _size(picture: Sequence[int]) -> tuple[int, int]:
    height, width = picture
    return int(height), int(width)


def gathered(rows: Any, places: Any) -> Any:
    """``rows`` (batch, n, m) at ``places`` (batch, k): (batch, k, m)."""
    return ops.take_along_axis(rows, ops.tile(ops.expand_dims(places, 2), (1, 1, rows.shape[2])), axis=1)


def suppressed(boxes: Any, counts: Any, overlap: float, rounds: int) -> Any:
    """Which of boxes (batch, n, 4), the best first, stay: (batch, n) of 0 and 1. ``counts`` (batch, n) is 0
    for boxes that are none."""
    before = np.triu(np.ones((boxes.shape[1],) * 2), 1)
    over = ops.cast(iou(boxes, boxes, ops) > overlap, counts.dtype) * before
    staying = counts
    for _ in range(min(rounds, boxes.shape[1])):
        removed = ops.matmul(ops.expand_dims(staying, 1), over)[:, 0]
        staying = counts * ops.cast(removed < 0.5, counts.dtype)
    return staying
