"""``folder:DIR``: one's own images, a folder for each class; or train, val and test folders of those.

Caltech-101 is such a folder, ImageNet and Tiny ImageNet are too: their pictures for validation lie in one
folder beside a list of classes (``listed``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from crosstrain.data.images import decoding as images
from crosstrain.data.sets import listed
from crosstrain.data.source import DamagedImage, Files, Images, Request, Source, Table, labelled, summed_up
from crosstrain.data.split import PARTS, of_files
from crosstrain.data.tree import read_file
from crosstrain.errors import CrosstrainError


@dataclass
class _Listing:
    """Class names, the pictures of each split as (path, class), what was passed over, lists of classes."""

    classes: list[str]
    pictures: dict[str, list[tuple[Path, int]]] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    lists: list[Path] = field(default_factory=list)


def files(location: Path) -> Files:
    """Every picture, by its path in the folder."""
    listing = _list(location)
    pictures = [path for part in listing.pictures.values() for path, _ in part]
    return [(path.relative_to(location).as_posix(), path) for path in (*pictures, *listing.lists)]


def read(location: Path, request: Request) -> Source:
    """RGB pictures (grey on request): the largest centre crop with the requested aspect ratio, resized."""
    if request.size is None:
        raise CrosstrainError(f"the images in {location} differ in size: give one size for all, such as 64")
    listing = _list(location)
    warnings = []
    if listing.ignored:
        warnings.append(
            f"{len(listing.ignored)} files are not images in a class folder: {summed_up(listing.ignored)}"
        )
    tables = {split: _table(location, pictures, request) for split, pictures in listing.pictures.items()}
    labels = np.array([label for _, label in listing.pictures["train"]], np.int64)
    parts, notes = of_files(tables, labels, request.seed, "folder")
    return Source(parts, {"": listing.classes}, warnings + notes)


def _list(location: Path) -> _Listing:
    """Read the folders, not the files."""
    if not location.is_dir():
        raise CrosstrainError(f"{location} is not a folder")
    inside = [entry.name for entry in _entries(location) if entry.is_dir()]
    split_folders = {name: PARTS[name.lower()] for name in inside if name.lower() in PARTS}
    if len(set(split_folders.values())) < len(split_folders):
        raise CrosstrainError(
            f"{location} has two folders for the same split: {', '.join(sorted(split_folders))}"
        )
    if "train" in split_folders.values() and len(split_folders) == len(inside):
        roots = {split: location / name for name, split in split_folders.items()}
    else:
        roots = {"train": location}
    classes = sorted(entry.name for entry in _entries(roots["train"]) if entry.is_dir())
    if not classes:
        raise CrosstrainError(
            f"{roots['train']} has no folders; it must hold a folder of images for each class"
        )
    listing = _Listing(classes)
    for split, root in roots.items():
        list_file = None if split == "train" else listed.list_of(root, classes)
        if list_file is not None:
            listing.lists.append(list_file)
            files = [path for path in _below(root) if path.suffix.lower() in images.SUFFIXES]
            listing.pictures[split], left = listed.pictures(list_file, files, classes)
            listing.ignored += [path.relative_to(location).as_posix() for path in left]
        else:
            listing.pictures[split] = _pictures(root, location, classes, listing.ignored)
        if not listing.pictures[split]:
            raise CrosstrainError(f"there are no images in the folders of {root}")
    return listing


def _pictures(root: Path, location: Path, classes: list[str], ignored: list[str]) -> list[tuple[Path, int]]:
    pictures = []
    for entry in _entries(root):
        path = Path(entry.path)
        if not entry.is_dir():
            ignored.append(path.relative_to(location).as_posix())
        elif entry.name not in classes:
            raise CrosstrainError(f"{root} has a class {entry.name!r} that training lacks")
        else:
            for one in _below(path):
                if one.suffix.lower() in images.SUFFIXES:
                    pictures.append((one, classes.index(entry.name)))
                else:
                    ignored.append(one.relative_to(location).as_posix())
    return pictures


def _below(folder: Path) -> list[Path]:
    """All files below ``folder`` in order; hidden ones and linked folders apart."""
    pictures = []
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            pictures += _below(Path(entry.path))
        elif not entry.is_dir():
            pictures.append(Path(entry.path))
    return pictures


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not e.name.startswith(".")), key=lambda entry: entry.name)
    except OSError as error:
        raise CrosstrainError(f"the folder {folder} cannot be read ({error.strerror})") from error


def _table(location: Path, pictures: list[tuple[Path, int]], request: Request) -> Table:
    assert request.size is not None
    size, channels = request.size, request.channels or 3

    def whole(row: int) -> np.ndarray:
        return images.decode(read_file(pictures[row][0]))

    def picture(row: int) -> np.ndarray:
        return images.cropped(whole(row), size, channels)

    def original(row: int) -> tuple[int, ...] | None:
        try:
            return whole(row).shape
        except DamagedImage:
            return None

    labels = np.array([label for _, label in pictures], np.int64)
    column = Images(
        picture,
        lambda row: pictures[row][0].relative_to(location).as_posix(),
        (*size, channels),
        np.arange(len(pictures)),
        original=original,
    )
    return labelled(column, labels)
