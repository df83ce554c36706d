"""GTSRB as one ``.npz``: whole frames of one size, with the native sizes, regions and tracks beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from crosstrain.data.images import decoding as images
from crosstrain.data.sets.gtsrb_tables import CLASSES
from crosstrain.data.sets.npz import read_archive
from crosstrain.data.source import Images, Request, Source, Table, labelled
from crosstrain.errors import CrosstrainError

HoldOut = Callable[[np.ndarray, np.ndarray, Request, list[str]], tuple[np.ndarray, np.ndarray]]

NEEDED = (
    "x_train",
    "y_train",
    "track_train",
    "wh_train",
    "roi_train",
    "x_test",
    "y_test",
    "wh_test",
    "roi_test",
)


def read(location: Path, request: Request, validation: HoldOut) -> Source:
    """``x_*`` uint8 (N, H, W, 3); ``wh_*`` (N, 2) native width and height; ``roi_*`` (N, 4) x1, y1, x2, y2 in
    native pixels, scaled here to the frames; ``track_train`` (N) numbers the tracks within a class.
    ``validation(labels, tracks, request, warnings)`` gives the rows to train on and those to hold out."""
    arrays = read_archive(location, NEEDED)
    for part in ("train", "test"):
        _check(location, arrays, part)
    train, test = (_table(arrays, part, request) for part in ("train", "test"))
    labels = arrays["y_train"].astype(np.int64)
    tracks = labels * (int(arrays["track_train"].max()) + 1) + arrays["track_train"].astype(np.int64)
    warnings: list[str] = []
    train_rows, validation_rows = validation(labels, tracks, request, warnings)
    splits = {"train": train.take(train_rows), "validation": train.take(validation_rows), "test": test}
    return Source(splits, {"": CLASSES}, tuple(warnings))


def _check(location: Path, arrays: dict[str, np.ndarray], part: str) -> None:
    frames = arrays[f"x_{part}"]
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not len(frames):
        raise CrosstrainError(
            f"{location}: x_{part} must be uint8 (N, H, W, 3), not {frames.dtype} {frames.shape}"
        )
    shapes = {"y": (), "wh": (2,), "roi": (4,)} | ({"track": ()} if part == "train" else {})
    for name, shape in shapes.items():
        array = arrays[f"{name}_{part}"]
        if array.shape != (len(frames), *shape) or array.dtype.kind not in "iu":
            raise CrosstrainError(
                f"{location}: {name}_{part} must be integer {(len(frames), *shape)}, "
                f"not {array.dtype} {array.shape}"
            )
    labels = arrays[f"y_{part}"]
    outside = int(np.count_nonzero((labels < 0) | (labels >= len(CLASSES))))
    if outside:
        raise CrosstrainError(f"{location}: {outside} labels in y_{part} are outside 0..{len(CLASSES) - 1}")


def _table(arrays: dict[str, np.ndarray], part: str, request: Request) -> Table:
    assert request.size is not None
    frames, size, channels = arrays[f"x_{part}"], request.size, request.channels or 3
    scale = np.tile(np.array(frames.shape[2:0:-1]) / np.maximum(1, arrays[f"wh_{part}"]), 2)
    regions = np.rint(arrays[f"roi_{part}"] * scale).astype(int)

    def picture(row: int) -> np.ndarray:
        x1, y1, x2, y2 = (int(edge) for edge in regions[row])
        return images.fitted(images.crop(frames[row], (x1, y1, x2, y2)), size, channels)

    def original(row: int) -> tuple[int, ...]:
        x1, y1, x2, y2 = (int(edge) for edge in arrays[f"roi_{part}"][row])
        return y2 - y1, x2 - x1

    label = lambda row: f"x_{part}[{row}]"
    pictures = Images(picture, label, (*size, channels), np.arange(len(frames)), original=original)
    return labelled(pictures, arrays[f"y_{part}"])
