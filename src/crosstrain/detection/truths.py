"""True boxes as an array of a fixed shape: float32 (…, most, 5), a box and its class in each row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NUMBERS = 5
"""Of a row: ymin, xmin, ymax, xmax, class."""
NOTHING = -1
"""The class of a row that stands for no box; its other numbers are 0."""


def padded(rows: Sequence[np.ndarray], most: int) -> np.ndarray:
    """The rows (n, 5) of several pictures, each n at most ``most``: (pictures, most, 5)."""
    result = np.zeros((len(rows), most, NUMBERS), np.float32)
    result[..., 4] = NOTHING
    for picture, own in zip(result, rows, strict=True):
        picture[: len(own)] = own
    return result


def present(rows: np.ndarray) -> np.ndarray:
    """Of the rows (most, 5) of a picture those that stand for a box."""
    return np.asarray(rows[rows[:, 4] >= 0])


def renumbered(rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The rows (…, most, 5) with class n as ``numbers[n]``; where that is below 0 they stand for nothing."""
    classes = np.append(numbers, NOTHING)[rows[..., 4].astype(np.int64)]
    result = np.where(classes[..., None] < 0, 0, rows)
    result[..., 4] = np.maximum(classes, NOTHING)
    return np.asarray(result, rows.dtype)


def compacted(rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The rows (most, 5) of which only ``kept`` (bool) still stand for boxes, first in their order."""
    return np.asarray(padded([rows[kept]], len(rows))[0])
