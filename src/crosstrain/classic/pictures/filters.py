"""What hidden units look for: their weights as pictures, in rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.classic.pictures.canvas import backdrop, heading, save

SIDE = 560
"""The longer side, in pixels."""
GAP = 1


def tiles(weights: np.ndarray, shape: tuple[int, int], columns: int) -> np.ndarray:
    """Weights (units, inputs) as one field, each unit's as a picture of ``shape``, in rows of ``columns``;
    NaN between them."""
    units = len(weights)
    rows = -(-units // columns)
    high, wide = shape[0] + GAP, shape[1] + GAP
    field = np.full((rows * high + GAP, columns * wide + GAP), np.nan)
    for number, one in enumerate(weights):
        y, x = (each * size + GAP for each, size in zip(divmod(number, columns), (high, wide), strict=True))
        field[y : y + shape[0], x : x + shape[1]] = one.reshape(shape)
    return field


def filters(
    weights: Any,
    shape: tuple[int, int],
    file: str | Path,
    *,
    columns: int | None = None,
    title: str = "Filters",
) -> Path:
    """Draws weights (units, inputs), such as an RBM's ``components_``: orange excites, blue inhibits.

    Each unit has its own range. Writes PNG, SVG or HTML.

    :raises ValueError: the inputs do not fit ``shape`` (height, width).
    """

    array = np.asarray(weights, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != shape[0] * shape[1] or not len(array):
        raise ValueError(f"the weights must have the shape (units, {shape[0] * shape[1]}), not {array.shape}")
    largest = np.abs(array).max(axis=1, keepdims=True)
    field = tiles(
        array / np.where(largest > 0, largest, 1.0), shape, columns or int(np.ceil(np.sqrt(len(array))))
    )
    zoom = max(1, SIDE * 2 // max(field.shape))
    image = np.kron(_diverging(field), np.ones((zoom, zoom, 1), dtype=np.uint8))
    width, height = (SIDE * side / max(field.shape) for side in reversed(field.shape))
    chart = backdrop(image, round(width), round(height)).properties(
        width=round(width), height=round(height),
        title=heading(title, f"{len(array)} units; orange excites, blue inhibits"),
    )  # fmt: skip
    return save(chart, file)


def _diverging(field: np.ndarray) -> np.ndarray:
    """−1 … 1 as blue, white, orange; NaN as grey. uint8 (H, W, 3), blue first."""
    strength = np.nan_to_num(np.abs(field))[..., None]
    ends = np.where((np.nan_to_num(field) > 0)[..., None], (0, 94, 213), (178, 114, 0))
    image: np.ndarray = np.rint(255 - strength * (255 - ends)).astype(np.uint8)
    image[np.isnan(field)] = 200
    return image
