"""Features of boxes, all of one size."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable("crosstrain")
class RoIAlign(layers.Layer):
    """RoI align (He et al. 2017, section 3): the features under each box, on a grid of one size for all.

    Inputs are features (batch, H, W, C) and boxes (batch, R, 4), as (ymin, xmin, ymax, xmax) in pixels of the
    picture; the output is (batch, R, rows, columns, C). Each cell is the mean of ``samples`` × ``samples``
    values, interpolated bilinearly between the centres of pixels, as by torchvision's ``roi_align`` with
    ``aligned=True``: beyond the border up to a pixel the border's value counts, farther out 0. No gradient
    flows to the boxes. The whole is two products with matrices of interpolation, one for each axis, so that
    neither forward nor backward gathers or scatters.

    Parameters
    ----------
    size : (int, int)
        Rows and columns of the grid.
    stride : float
        Pixels of the picture for one of the features.
    samples : int
        Along each axis of a cell.
    """

    def __init__(self, size: tuple[int, int] = (7, 7), stride: float = 16, samples: int = 2, **settings: Any):
        super().__init__(**settings)
        if len(size) != 2 or min(size) < 1 or samples < 1 or stride <= 0:
            raise ValueError(
                f"RoIAlign: size is two positive numbers, stride and samples are positive, not {size}, "
                f"{stride} and {samples}"
            )
        self.size = (int(size[0]), int(size[1]))
        self.stride, self.samples = stride, samples

    def call(self, features: Any, boxes: Any) -> Any:
        height, width, channels = features.shape[1:]
        count, (rows, columns) = boxes.shape[1], self.size
        corners = ops.stop_gradient(boxes) / self.stride - 0.5
        down = self._interpolation(corners[..., 0], corners[..., 2], rows, height)
        across = self._interpolation(corners[..., 1], corners[..., 3], columns, width)
        lines = ops.matmul(
            ops.reshape(down, (-1, count * rows, height)),
            ops.reshape(features, (-1, height, width * channels)),
        )
        lines = ops.reshape(lines, (-1, count, rows, width, channels))
        return ops.matmul(ops.expand_dims(across, 2), lines)

    def _interpolation(self, first: Any, last: Any, cells: int, length: int) -> Any:
        """(batch, R, cells, length): what each feature along an axis gives to each cell."""
        points = cells * self.samples
        shares = (np.arange(points) + 0.5) / points
        at = ops.expand_dims(first, -1) + ops.expand_dims(last - first, -1) * shares
        inside = ops.logical_and(at >= -1.0, at <= float(length))
        at = ops.expand_dims(ops.clip(at, 0.0, length - 1.0), -1)
        near = ops.relu(1.0 - ops.abs(at - np.arange(length, dtype="float64")))
        near = near * ops.expand_dims(ops.cast(inside, self.compute_dtype), -1)
        return ops.mean(ops.reshape(near, (-1, first.shape[1], cells, self.samples, length)), axis=3)

    def compute_output_shape(self, features_shape: Any, boxes_shape: Any) -> Any:
        return (features_shape[0], boxes_shape[1], *self.size, features_shape[3])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "stride": self.stride, "samples": self.samples}
