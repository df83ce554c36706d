"""What grew by whole factors, cut to the size that it came from."""

from __future__ import annotations

from typing import Any

from keras import layers


def cropped_like(x: Any, other: Any) -> Any:
    """``x`` without the rows and columns at its end that ``other`` (batch, H, W, C) has not: those that a
    pooling with padding has made up for."""
    extra = [mine - its for mine, its in zip(x.shape[1:3], other.shape[1:3], strict=True)]
    return layers.Cropping2D(((0, extra[0]), (0, extra[1])))(x) if any(extra) else x
