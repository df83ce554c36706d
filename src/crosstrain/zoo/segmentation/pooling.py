"""Max pooling that remembers where its maxima were, and its inverse, in ``keras.ops``.

The memory is a map of 0 and 1 in the shape of the input rather than indices: then unpooling is a product,
every engine runs both layers without an op of its own, and neither scatters. Of equal values the first
counts, row by row, on every engine.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

WINDOW = 2


@keras.saving.register_keras_serializable("crosstrain")
class MaxPoolingWithPlaces(layers.Layer):
    """Maxima of windows of 2×2 and their places. Input (batch, H, W, C); outputs (batch, H // 2, W // 2, C)
    and the places, (batch, H, W, C), 1 at each window's maximum and 0 elsewhere, also in an odd last row or
    column, which no window covers. No gradient flows through places."""

    def call(self, inputs: Any) -> Any:
        height, width = (size // WINDOW * WINDOW for size in inputs.shape[1:3])
        covered = inputs[:, :height, :width]
        highest = ops.max_pool(covered, WINDOW, WINDOW)
        values = ops.stop_gradient(covered)
        first, second = values[:, ::2, ::2], values[:, ::2, 1::2]
        third, fourth = values[:, 1::2, ::2], values[:, 1::2, 1::2]
        # Compared with each other and not with the maximum: a compiler may compute what leads to both anew,
        # and differ in the last bit. So each window has one place, whatever is rounded.
        upper, lower = ops.maximum(first, second), ops.maximum(third, fourth)
        above, left, lower_left = upper >= lower, first >= second, third >= fourth
        below = ops.logical_not(above)
        rows = (
            (ops.logical_and(above, left), ops.logical_and(above, ops.logical_not(left))),
            (ops.logical_and(below, lower_left), ops.logical_and(below, ops.logical_not(lower_left))),
        )
        # (batch, H // 2, 2, W // 2, 2, C): rows and columns within a window stand beside those of windows.
        windows = ops.stack([ops.stack(row, 3) for row in rows], 2)
        places = ops.reshape(ops.cast(windows, inputs.dtype), (-1, height, width, inputs.shape[3]))
        odd = inputs.shape[1] - height, inputs.shape[2] - width
        if any(odd):
            places = ops.pad(places, ((0, 0), (0, odd[0]), (0, odd[1]), (0, 0)))
        return highest, places

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, height, width, channels = input_shape
        return (batch, height // WINDOW, width // WINDOW, channels), tuple(input_shape)


@keras.saving.register_keras_serializable("crosstrain")
class Unpooling(layers.Layer):
    """Puts values (batch, H // 2, W // 2, C) at their places, (batch, H, W, C), and 0 everywhere else
    (Zeiler and Fergus 2014, section 2.1; Badrinarayanan et al. 2017, figure 3)."""

    def call(self, inputs: Any, places: Any) -> Any:
        rows, columns, channels = inputs.shape[1:]
        height, width = rows * WINDOW, columns * WINDOW
        windows = ops.reshape(places[:, :height, :width], (-1, rows, WINDOW, columns, WINDOW, channels))
        spread = ops.reshape(inputs, (-1, rows, 1, columns, 1, channels))
        result = ops.reshape(spread * windows, (-1, height, width, channels))
        odd = places.shape[1] - height, places.shape[2] - width
        return ops.pad(result, ((0, 0), (0, odd[0]), (0, odd[1]), (0, 0))) if any(odd) else result

    def compute_output_shape(self, inputs_shape: Any, places_shape: Any) -> Any:
        return tuple(places_shape)
