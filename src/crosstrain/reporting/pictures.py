"""Test examples as people look at them: what preparation did to the numbers is undone where it can be."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from crosstrain.data.prepared import Prepared

LARGEST = 96
"""Pixels of a shown picture's longer side; larger ones are made smaller."""
RANGE_FROM = 256
"""Number of test examples from which the range of plain arrays is read."""
NEAR = 1e-3


def as_pictures(data: Prepared, examples: np.ndarray) -> list[np.ndarray] | str:
    """The test examples at these positions as uint8 (H, W, 1) or (H, W, 3) RGB; or a sentence that says
    why the data set has no pictures to show."""
    inputs, _ = data.arrays("test")
    tokens = [name for name, spec in data.manifest["inputs"].items() if spec.get("vocabulary")]
    seen = {name: array for name, array in inputs.items() if name not in tokens}
    if len(seen) > 1:
        return "the network has several inputs; there is no single picture to show"
    name, array = next(iter((seen or inputs).items()))
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or array.dtype.kind not in "fui":
        return "the inputs are not pictures"
    return shown(data, name, np.asarray(array), np.asarray(array)[examples])


def shown(data: Prepared, name: str, array: np.ndarray, pictures: np.ndarray) -> list[np.ndarray]:
    """Some ``pictures`` (N, H, W, C) like those of the input ``name``, whose examples are ``array``, as
    uint8: what preparation did to the numbers is undone where it can be."""
    scale = data.manifest.get("standardized", {}).get(name)
    low, high = value_range(_unscaled(np.asarray(array[:RANGE_FROM]), scale))
    steps = [str(step).partition(":")[0] for step in data.manifest.get("steps", ())]
    bytes_ = np.clip(np.rint((_unscaled(pictures, scale) - low) / (high - low) * 255), 0, 255)
    return [displayed(picture, steps) for picture in bytes_.astype(np.uint8)]


def data_uri(picture: np.ndarray) -> str:
    """A uint8 picture, (H, W, 1) or (H, W, 3) RGB, as a PNG in a ``data:`` URI."""
    import cv2

    height, width = picture.shape[:2]
    shrink = LARGEST / max(height, width)
    if shrink < 1:
        size = max(1, round(width * shrink)), max(1, round(height * shrink))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        picture = picture.reshape(*picture.shape[:2], -1)
    colours = picture if picture.shape[-1] == 1 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, png = cv2.imencode(".png", colours, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return "data:image/png;base64," + base64.b64encode(png.tobytes()).decode()


def _unscaled(array: np.ndarray, scale: Any) -> np.ndarray:
    """What ``standardize`` did, undone: it divided by the deviation, unless that was 0."""
    array = array.astype(np.float64)
    if not scale:
        return array
    deviation = np.asarray(scale["deviation"])
    return np.asarray(array * np.where(deviation > 0, deviation, 1) + np.asarray(scale["mean"]))


def value_range(array: np.ndarray) -> tuple[float, float]:
    """The numbers for black and white: 0 and 1 or 0 and 255 where the data keeps to them, else its own
    smallest and largest."""
    finite = array[np.isfinite(array)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    for white in (1.0, 255.0):
        if low >= -NEAR * white and high <= white * (1 + NEAR):
            return 0.0, white
    return low, high if high > low else low + 1


def displayed(picture: np.ndarray, steps: list[str]) -> np.ndarray:
    """The steps that changed what the channels mean, undone, the last one first. What equalisation did
    stays: that is what the network saw."""
    import cv2

    for step in reversed(steps):
        if step == "hsv":
            picture = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_HSV2RGB_FULL)
        elif step == "bgr":
            picture = picture[..., ::-1]
    return np.ascontiguousarray(picture)
