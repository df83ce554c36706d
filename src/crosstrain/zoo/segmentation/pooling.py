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
        values, maxima = ops.stop_gradient(covered), ops.stop_gradient(highest)
        first = ops.equal(values[:, ::2, ::2], maxima)
        second = ops.logical_and(ops.equal(values[:, ::2, 1::2], maxima), ops.logical_not(first))
        before = ops.logical_or(first, second)
        third = ops.logical_and(ops.equal(values[:, 1::2, ::2], maxima), ops.logical_not(before))
        fourth = ops.logical_not(ops.logical_or(before, third))
        # (batch, H // 2, 2, W // 2, 2, C): rows and columns within a window stand beside those of windows.
        windows = ops.stack([ops.stack([first, second], 3), ops.stack([third, fourth], 3)], 2)
        places = ops.reshape(ops.cast(windows, inputs.dtype), (-1, height, width, inputs.shape[3]))
        below, right = inputs.shape[1] - height, inputs.shape[2] - width
        if below or right:
            places = ops.pad(places, ((0, 0), (0, below), (0, right), (0, 0)))
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
        below, right = places.shape[1] - height, places.shape[2] - width
        return ops.pad(result, ((0, 0), (0, below), (0, right), (0, 0))) if below or right else result

    def compute_output_shape(self, inputs_shape: Any, places_shape: Any) -> Any:
        return tuple(places_shape)
