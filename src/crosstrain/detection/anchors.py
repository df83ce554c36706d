"""Anchors: boxes of fixed shapes at the cells of a grid over the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crosstrain.detection.boxes import corners


def anchor_grid(
    picture: tuple[int, int], cells: tuple[int, int], sizes: Sequence[float], ratios: Sequence[float] = (1.0,)
) -> np.ndarray:
    """Anchors around the centre of each of ``cells`` (rows, columns) of a picture (height, width): float32
    (rows · columns · sizes · ratios, 4), the last factor changing fastest. ``sizes`` are in pixels, the
    square root of an anchor's area; ``ratios`` are height by width. They may reach beyond the picture."""
    height, width = picture
    rows, columns = cells
    y = (np.arange(rows) + 0.5) * height / rows
    x = (np.arange(columns) + 0.5) * width / columns
    roots = np.sqrt(np.asarray(ratios, np.float64))
    tall = (np.asarray(sizes, np.float64)[:, None] * roots).reshape(-1)
    wide = (np.asarray(sizes, np.float64)[:, None] / roots).reshape(-1)
    grid = np.empty((rows, columns, len(tall), 4))
    grid[..., 0], grid[..., 1] = y[:, None, None], x[None, :, None]
    grid[..., 2], grid[..., 3] = tall, wide
    return np.asarray(corners(grid), np.float32).reshape(-1, 4)
