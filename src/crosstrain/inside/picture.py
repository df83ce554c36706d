"""A picture's file as the network sees it: by the steps that its data went through."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from crosstrain.data.augmentation.augmenter import evaluated
from crosstrain.data.augmentation.evaluation import training_form
from crosstrain.data.images import decoding
from crosstrain.data.images.steps import parse_steps, prepared_table
from crosstrain.data.prepared import Prepared
from crosstrain.data.source import DamagedImage, Images, Table
from crosstrain.errors import CrosstrainError
from crosstrain.training.augmentation import parts

_KINDS = {1: "grey", 3: "red, green, blue", 4: "red, green, blue, alpha"}
_TRUE_COLOUR = 255


def read_picture(
    path: Path, shape: tuple[int, int, int], data: Prepared | None, augmentation: dict
) -> np.ndarray:
    """The picture in ``path`` as an input of ``shape`` (H, W, C), float32.

    It is cropped around its centre to the aspect ratio, resized, and goes through the preparation of ``data``
    and what ``augmentation`` does to every example (None and {}: values from 0 to 1). Raises
    ``CrosstrainError`` for a file that is no whole picture, or has other channels than the network takes.
    """
    pixels = _decoded(path, shape[2])
    source, statistics = training_form(data) if data else (None, {})
    height, width = next(iter(source.pictures().values()))[:2] if source and source.pictures() else shape[:2]
    size = int(height), int(width)
    fitted = decoding.cropped(pixels, size, shape[2])
    steps = parse_steps(",".join(map(str, source.manifest.get("steps", ()))) if source else None)
    column = Images(lambda row: fitted, lambda row: path.name, fitted.shape, np.arange(1))
    prepared = prepared_table(Table({"": column}, {}), steps).inputs[""]
    stepped = prepared.after(fitted[None]) if isinstance(prepared, Images) else fitted[None]
    values = stepped.astype(np.float32)
    if stepped.dtype == np.uint8:
        values /= _TRUE_COLOUR
    for scale in (source.manifest.get("standardized") or {}).values() if source else ():
        deviation = np.asarray(scale["deviation"], np.float32)
        scaled = (values - np.asarray(scale["mean"], np.float32)) / np.where(deviation > 0, deviation, 1)
        values = scaled.astype(np.float32)
    lasting = {**parts(augmentation, "evaluated"), **parts(augmentation, "fitted")}
    result = evaluated(lasting, values, statistics)[0] if lasting else values[0]
    if result.shape != shape:
        raise CrosstrainError(
            f"{path} becomes {_text(result.shape)} when prepared as the network's data, but the network "
            f"takes {_text(shape)}"
        )
    return np.asarray(result)


def _decoded(path: Path, channels: int) -> np.ndarray:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CrosstrainError(f"the picture {path} cannot be read ({error.strerror})") from error
    try:
        with decoding.one_by_one():
            pixels = decoding.decode(content)
            own = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except DamagedImage as error:
        raise CrosstrainError(f"{path} is no whole picture: {error}") from error
    present = 1 if own is None or own.ndim == 2 else own.shape[2]
    if present != channels:
        raise CrosstrainError(
            f"{path} has {_described(present)}, but the network takes {_described(channels)}; convert the "
            "picture first"
        )
    return decoding.with_channels(pixels, channels)


def _described(channels: int) -> str:
    plural = "" if channels == 1 else "s"
    return f"{channels} channel{plural} ({_KINDS.get(channels, 'of no known kind')})"


def _text(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
