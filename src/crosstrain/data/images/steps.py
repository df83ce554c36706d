"""Steps of preparation that come after cropping and resizing: contrast, colour spaces, features, scale.

What the GTSRB release and the studies on it feed to networks. A request is spelled as
``clahe:clip=2,standardize``: steps in their order, each with its settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from crosstrain.data.prepared import SPLITS, array_file
from crosstrain.data.source import Images, Shape, Table
from crosstrain.errors import CrosstrainError

STANDARDIZE = "standardize"
_ROWS = 1024
"""Examples at a time where whole arrays are gone through."""


@dataclass(frozen=True)
class Step:
    """A step with its settings: a row of ``PICTURE_STEPS``, or ``standardize``."""

    name: str
    settings: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return ":".join([self.name, *(f"{key}={value:g}" for key, value in sorted(self.settings.items()))])


@dataclass(frozen=True)
class PictureStep:
    """What is done to pictures of one size, uint8 (N, H, W, C) RGB or grey; ``shape`` and ``dtype`` of what
    comes of one. Several at a time: what works on single pixels is then one call for all."""

    apply: Callable[..., np.ndarray]
    what: str
    settings: Mapping[str, float] = field(default_factory=dict)
    channels: tuple[int, ...] = (1, 3)
    shape: Callable[[Shape], Shape] = lambda shape: shape
    dtype: type = np.uint8


def clahe(pictures: np.ndarray, *, clip: float, tiles: float) -> np.ndarray:
    """Contrast-limited adaptive histogram equalisation (Zuiderveld 1994) of the luminance, L of L*a*b*."""
    # One for each call: OpenCV's object keeps what it works on and must not be shared by threads.
    equalizer = cv2.createCLAHE(clipLimit=clip, tileGridSize=(int(tiles), int(tiles)))
    return _on_luminance(pictures, equalizer.apply)


def equalize(pictures: np.ndarray) -> np.ndarray:
    """Histogram equalisation of the luminance."""
    return _on_luminance(pictures, cv2.equalizeHist)


def _on_luminance(pictures: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    if pictures.shape[-1] == 1:
        return np.stack([function(picture[..., 0]) for picture in pictures])[..., None]
    lab = _converted(pictures, cv2.COLOR_RGB2Lab)
    for picture in lab:
        picture[..., 0] = function(np.ascontiguousarray(picture[..., 0]))
    return _converted(lab, cv2.COLOR_Lab2RGB)


def _converted(pictures: np.ndarray, code: int) -> np.ndarray:
    """Other colours, pixel by pixel: OpenCV sees the pictures as one, each below the one before."""
    count, height, width, channels = pictures.shape
    below = np.ascontiguousarray(pictures).reshape(count * height, width, channels)
    return np.asarray(cv2.cvtColor(below, code)).reshape(pictures.shape)


def hsv(pictures: np.ndarray) -> np.ndarray:
    """Hue, saturation and value, each over 0..255."""
    return _converted(pictures, cv2.COLOR_RGB2HSV_FULL)


def bgr(pictures: np.ndarray) -> np.ndarray:
    """Blue, green, red: the order of networks that were trained with OpenCV or Caffe."""
    return pictures[..., ::-1]


CELL, BINS = 5, 8


def hog(pictures: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients (Dalal and Triggs 2005) with the settings of the GTSRB release's
    HOG_01: cells of 5 pixels, blocks of 2×2 cells, 8 orientations. float32 (N, features); 1,568 at 40×40."""
    height, width = pictures.shape[1:3]
    descriptor = cv2.HOGDescriptor((width, height), (2 * CELL, 2 * CELL), (CELL, CELL), (CELL, CELL), BINS)
    return np.stack([np.ravel(descriptor.compute(np.ascontiguousarray(each))) for each in pictures])


def _hog_shape(shape: Shape) -> Shape:
    height, width = shape[:2]
    if height % CELL or width % CELL or min(height, width) < 2 * CELL:
        raise CrosstrainError(
            f"hog needs pictures whose sides are multiples of {CELL} pixels, as --sizes 40, not "
            f"{height}×{width}"
        )
    return ((height // CELL - 1) * (width // CELL - 1) * 4 * BINS,)


PICTURE_STEPS = {
    "clahe": PictureStep(
        clahe, "adaptive histogram equalisation of the luminance", {"clip": 2.0, "tiles": 8}
    ),
    "equalize": PictureStep(equalize, "histogram equalisation of the luminance"),
    "hsv": PictureStep(hsv, "hue, saturation, value", channels=(3,)),
    "bgr": PictureStep(bgr, "blue, green, red", channels=(3,)),
    "hog": PictureStep(hog, "histograms of oriented gradients", shape=_hog_shape, dtype=np.float32),
}


# -- what was asked for -----------------------------------------------------------------------------
def parse_steps(text: str | None) -> tuple[Step, ...]:
    """``clahe:clip=2,standardize`` as steps with all their settings. ``CrosstrainError`` names what is
    wrong."""
    steps = []
    for item in filter(None, (part.strip() for part in (text or "").split(","))):
        name, *settings = item.split(":")
        if name != STANDARDIZE and name not in PICTURE_STEPS:
            known = ", ".join([*PICTURE_STEPS, STANDARDIZE])
            raise CrosstrainError(f"there is no preparation {name!r}; there are {known}")
        known_settings = {} if name == STANDARDIZE else dict(PICTURE_STEPS[name].settings)
        steps.append(Step(name, known_settings | _settings(name, settings, known_settings)))
    names = [step.name for step in steps]
    if STANDARDIZE in names[:-1]:
        raise CrosstrainError(f"{STANDARDIZE} must come last: its result is no longer a picture")
    if "hog" in names and names.index("hog") < len([n for n in names if n != STANDARDIZE]) - 1:
        raise CrosstrainError("hog must come last but for standardize: its result is no longer a picture")
    return tuple(steps)


def _settings(name: str, texts: list[str], known: Mapping[str, float]) -> dict[str, float]:
    settings = {}
    for text in texts:
        key, _, value = text.partition("=")
        if key not in known:
            names = ", ".join(known) or "none"
            raise CrosstrainError(f"the preparation {name} has no setting {key!r}; it has {names}")
        try:
            settings[key] = float(value)
        except ValueError:
            raise CrosstrainError(f"{name}:{key} must be a number, not {value!r}") from None
        if not settings[key] > 0:
            raise CrosstrainError(f"{name}:{key} must be more than 0, not {value}")
    return settings


# -- doing it ---------------------------------------------------------------------------------------
def prepared_table(table: Table, steps: tuple[Step, ...]) -> Table:
    """The table whose pictures go through the steps that work on single ones. ``CrosstrainError`` where it
    has no pictures, or not of the right kind."""
    single = [step for step in steps if step.name != STANDARDIZE]
    if not single:
        return table
    regions = [
        name for name, column in table.inputs.items() if isinstance(column, Images) and len(column.shape) != 3
    ]
    inputs = {n: column if n in regions else _stepped(column, single) for n, column in table.inputs.items()}
    return replace(table, inputs=inputs)


def _stepped(column: Any, steps: list[Step]) -> Images:
    if not isinstance(column, Images):
        raise CrosstrainError(f"{steps[0].name} works on pictures; this data set has plain arrays")
    shape, applied = column.shape, []
    for step in steps:
        row = PICTURE_STEPS[step.name]
        if shape[-1] not in row.channels:
            raise CrosstrainError(f"{step.name} works on colour pictures; these have {shape[-1]} channel")
        shape = row.shape(shape)
        applied.append(partial(row.apply, **step.settings))

    def after(pictures: np.ndarray) -> np.ndarray:
        if pictures.dtype != np.uint8:
            pictures = np.clip(np.rint(pictures * 255), 0, 255).astype(np.uint8)
        for apply in applied:
            pictures = apply(pictures)
        return pictures

    return replace(column, after=after, shape=shape)


def standardize(folder: Path, inputs: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Scale the float inputs that were written to ``folder`` to mean 0 and deviation 1, for each channel
    over the training part; returns the numbers. Constant channels are only shifted."""
    statistics = {}
    for name in inputs:
        train = np.load(folder / array_file("train", "input", name), mmap_mode="r", allow_pickle=False)
        if train.dtype.kind != "f":
            raise CrosstrainError(f"standardize works on numbers; the input {name!r} is {train.dtype}")
        mean, deviation = _moments(train)
        scale = (1 / np.where(deviation > 0, deviation, 1)).astype(train.dtype)
        shift = mean.astype(train.dtype)
        del train
        for split in SPLITS:
            array = np.load(folder / array_file(split, "input", name), mmap_mode="r+", allow_pickle=False)
            for start in range(0, len(array), _ROWS):
                array[start : start + _ROWS] = (array[start : start + _ROWS] - shift) * scale
            array.flush()
        statistics[name] = {"mean": mean.tolist(), "deviation": deviation.tolist()}
    return statistics


def _moments(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation for each entry of the last axis, in float64, in two passes."""
    axes = tuple(range(array.ndim - 1))
    parts = [slice(start, start + _ROWS) for start in range(0, len(array), _ROWS)]
    count = array.size / array.shape[-1]
    mean = sum(array[part].sum(axes, dtype=np.float64) for part in parts) / count
    squares = sum(((array[part] - mean) ** 2).sum(axes, dtype=np.float64) for part in parts)
    return np.asarray(mean), np.sqrt(np.asarray(squares) / count)
