"""Boxes of a picture as pictures of one size."""

from __future__ import annotations

import cv2
import numpy as np


def warped(picture: np.ndarray, boxes: np.ndarray, size: tuple[int, int], context: int = 0) -> np.ndarray:
    """What lies in each of ``boxes`` (n, 4), whatever its aspect ratio, at ``size`` (height, width): uint8
    (n, height, width, 3) of ``picture``, uint8 (H, W, 3), with so many pixels of its surroundings as
    ``context``, in pixels of the result (Girshick et al. 2014, appendix A). Beyond the picture its border is
    repeated."""
    height, width = size
    result = np.empty((len(boxes), height, width, 3), np.uint8)
    for place, (top, left, bottom, right) in zip(result, np.asarray(boxes, np.float64), strict=True):
        down = (bottom - top) / (height - 2 * context)
        across = (right - left) / (width - 2 * context)
        # From the middle of a pixel of the result to that of the picture.
        matrix = np.array(
            [
                [across, 0, left - (context - 0.5) * across - 0.5],
                [0, down, top - (context - 0.5) * down - 0.5],
            ]
        )
        place[:] = cv2.warpAffine(
            picture, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
    return result
