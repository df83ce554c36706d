"""Proposals beside pictures: what a detector reads that is given its regions (Fast R-CNN)."""

from __future__ import annotations

import numpy as np

from crosstrain.data.images.selective_search import selective_search
from crosstrain.data.source import Images, Table

PICTURE, PROPOSALS = "picture", "proposals"
"""The inputs' names, which are those of the network ``fast-rcnn``."""


def with_proposals(table: Table, count: int) -> Table:
    """The table of pictures, or of an array of them, with a second input, (count, 4): the likeliest boxes of
    selective search."""
    (pictures,) = table.inputs.values()
    picture_of = pictures.picture if isinstance(pictures, Images) else pictures.array.__getitem__
    label = pictures.label if isinstance(pictures, Images) else str
    boxes = Images(lambda row: shares_of(picture_of(row), count), label, (count, 4), pictures.rows)
    return Table({PICTURE: pictures, PROPOSALS: boxes}, table.targets)


def shares_of(picture: np.ndarray, count: int) -> np.ndarray:
    """Of a picture (H, W, C), uint8 or float32 in [0, 1], at most ``count`` boxes as shares of its sides,
    float32 (count, 4), zeros to fill up."""
    whole = picture if picture.dtype == np.uint8 else np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)
    coloured = np.ascontiguousarray(np.broadcast_to(whole, (*whole.shape[:2], 3)))
    boxes = selective_search(coloured, count)
    result = np.zeros((count, 4), np.float32)
    result[: len(boxes)] = boxes / np.asarray([*whole.shape[:2]] * 2, np.float32)
    return result
