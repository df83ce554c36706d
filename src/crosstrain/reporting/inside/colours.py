"""Arrays as pictures, uint8 (h, w, 3) RGB: signed numbers around grey, magnitudes, heat over a picture."""

from __future__ import annotations

import cv2
import numpy as np

GREY = 127.5
SHARE = 0.5
"""Of the heat in a picture that it lies over."""


def signed(array: np.ndarray) -> np.ndarray:
    """Numbers of either sign, (h, w, 1 or 3): 0 is grey, the largest magnitude black or white."""
    most = float(np.abs(array).max())
    scaled = array / most if most > 0 else np.zeros_like(array)
    return _colours(np.rint(GREY + GREY * scaled))


def stretched(array: np.ndarray) -> np.ndarray:
    """Numbers of one thing, (h, w, 1 or 3): the smallest is black, the largest white."""
    low, high = float(array.min()), float(array.max())
    return _colours(np.rint((array - low) / (high - low) * 255) if high > low else np.zeros_like(array))


def magnitude(array: np.ndarray) -> np.ndarray:
    """Numbers that are not negative, (h, w): 0 is black, the largest white."""
    most = float(array.max())
    return _colours(np.rint(array / most * 255 if most > 0 else array)[..., None])


def heat(array: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """(h, w) as colours (blue: the smallest, red: the largest) over a picture (H, W, 1 or 3), uint8; enlarged
    with bilinear interpolation."""
    height, width = picture.shape[:2]
    large = cv2.resize(array.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    low, high = float(large.min()), float(large.max())
    grey = np.rint((large - low) / (high - low) * 255 if high > low else np.zeros_like(large))
    colours = cv2.applyColorMap(grey.astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1]
    return np.asarray(np.rint(SHARE * colours + (1 - SHARE) * rgb(picture)), np.uint8)


def rgb(picture: np.ndarray) -> np.ndarray:
    """A uint8 picture with three channels."""
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture


def _colours(values: np.ndarray) -> np.ndarray:
    return rgb(np.clip(values, 0, 255).astype(np.uint8))
