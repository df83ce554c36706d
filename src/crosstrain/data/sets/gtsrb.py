"""``gtsrb:DIR-or-zip``: the German Traffic Sign Recognition Benchmark, cropped to the signs.

Source: J. Stallkamp, M. Schlipsing, J. Salmen, C. Igel, Man vs. computer, Neural Networks 32, 2012. The 30
frames of a track show one physical sign on approach, so validation is made of whole tracks. Regions are
half-open (``[y1:y2, x1:x2]``): only so are the borders of at least 5 pixels that the authors promise there.
"""

from __future__ import annotations

import posixpath
from pathlib import Path

import numpy as np

from crosstrain.data.images import decoding as images
from crosstrain.data.sets import gtsrb_arrays
from crosstrain.data.sets.gtsrb_tables import CLASSES, Record, Records, read_records
from crosstrain.data.source import Files, Images, Request, Source, Table, labelled
from crosstrain.data.split import held_out
from crosstrain.data.tree import Tree, open_tree
from crosstrain.errors import CrosstrainError

VALIDATION = 0.1
TEST = 0.2
"""Held out for a test where there is no official one."""
RANDOM, RANDOM_VALIDATION = "random", 0.2
"""A split that studies have used: 80 % of all training images, whatever their tracks (31,367 of 39,209)."""
TABLES = (".csv",)


def files(location: Path) -> Files:
    """The zip or ``.npz`` itself, or all pictures and tables of a tree."""
    if location.is_file():
        return [("", location)]
    wanted = images.SUFFIXES.union(TABLES)
    root = str(location)
    return [(name, f"{root}/{name}") for name in open_tree(location).names if _suffix(name) in wanted]


def read(location: Path, request: Request) -> Source:
    """RGB pictures (grey on request) of the 43 classes, cropped to their regions and resized."""
    if request.size is None:
        raise CrosstrainError("the pictures of gtsrb differ in size: give one size for all, such as 48")
    if location.suffix == ".npz":
        return gtsrb_arrays.read(location, request, validation)
    tree = open_tree(location)
    try:
        records = read_records(
            tree, {name for name in tree.names if _suffix(name) in images.SUFFIXES}, location
        )
        splits = _splits(tree, records, request)
    except BaseException:
        tree.close()
        raise
    return Source(splits, {"": CLASSES}, tuple(records.warnings), tree.close)


def _splits(tree: Tree, records: Records, request: Request) -> dict[str, Table]:
    train = _table(tree, records.train, request)
    labels = np.array([record.label for record in records.train], np.int64)
    tracks = np.array([f"{record.label:05d}/{record.track}" for record in records.train])
    if records.test:
        test = _table(tree, records.test, request)
        rest = np.arange(len(train))
    else:
        rest, tested = held_out(labels, TEST, request.seed, tracks)
        test = train.take(tested)
        records.warnings.append(
            f"there is no test set: whole tracks were held out as one ({TEST:.0%} of each class)"
        )
    train_rows, validation_rows = validation(labels[rest], tracks[rest], request, records.warnings)
    return {
        "train": train.take(rest[train_rows]),
        "validation": train.take(rest[validation_rows]),
        "test": test,
    }


def validation(
    labels: np.ndarray, tracks: np.ndarray, request: Request, warnings: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """What to train on and what to validate on, by whole tracks, or at random as some studies do."""
    if request.split != RANDOM:
        return held_out(labels, VALIDATION, request.seed + 1, tracks)
    warnings.append(
        f"{RANDOM_VALIDATION:.0%} were held out for validation at random: frames of one sign stand on both "
        "sides, so validation accuracy says little of signs that were not seen"
    )
    return held_out(labels, RANDOM_VALIDATION, request.seed + 1)


def _table(tree: Tree, records: list[Record], request: Request) -> Table:
    assert request.size is not None
    size, channels = request.size, request.channels or 3

    def picture(row: int) -> np.ndarray:
        record = records[row]
        whole = images.decode(tree.read(record.name))
        return images.fitted(images.crop(whole, record.region), size, channels)

    def original(row: int) -> tuple[int, ...]:
        x1, y1, x2, y2 = records[row].region
        return y2 - y1, x2 - x1

    pictures = Images(
        picture, lambda row: records[row].name, (*size, channels), np.arange(len(records)), original=original
    )
    return labelled(pictures, np.array([record.label for record in records], np.int64))


def _suffix(name: str) -> str:
    return posixpath.splitext(name)[1].lower()
