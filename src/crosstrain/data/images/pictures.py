"""Columns of pictures that already lie in memory: digits, idx files, arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crosstrain.data.images import decoding as images
from crosstrain.data.source import Images, Request


def in_memory(array: np.ndarray, request: Request, label: Callable[[int], str]) -> Images:
    """``array`` (N, H, W) or (N, H, W, C), uint8 or float, as pictures of the requested size and channels."""
    channels = request.channels or (array.shape[3] if array.ndim == 4 else 1)
    size = request.size or (array.shape[1], array.shape[2])
    images.with_channels(np.zeros((1, 1, *array.shape[3:]), np.uint8), channels)  # refuses what cannot be

    def picture(row: int) -> np.ndarray:
        one = array[row]
        if one.dtype != np.uint8:
            one = one.astype(np.float32)
        return images.fitted(one, size, channels)

    return Images(
        picture, label, (*size, channels), np.arange(len(array)), original=lambda row: array.shape[1:]
    )
