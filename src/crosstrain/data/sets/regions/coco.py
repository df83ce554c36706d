"""``coco:DIR``: pictures with boxes in COCO's JSON (Lin et al. 2014; cocodataset.org/#format-data).

Files of instances, each with its pictures: ``annotations/instances_train2017.json`` beside ``train2017/``,
``train/_annotations.coco.json`` among its pictures, or one file beside ``images/``. The file's name, or its
folder's, says which split it is of; what is missing is held out. A zip or tar is read where it lies. Boxes
are x, y, width and height in pixels; groups of objects under one box (``iscrowd``) are left out.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.images import decoding as images
from crosstrain.data.sets.regions.boxes import ALL, Annotated, of_tree, source_of
from crosstrain.data.source import DamagedImage, Files, Request, Source, summed_up
from crosstrain.data.split import PARTS
from crosstrain.data.tree import Tree, open_tree
from crosstrain.errors import CrosstrainError

INSTANCES = "instances"
KEYS = ("images", "annotations", "categories")


def files(location: Path) -> Files:
    """The archive itself, or all pictures and JSON files of a tree."""
    if location.is_file():
        return [("", location)]
    wanted = {".json", *images.SUFFIXES}
    return [(name, location / name) for name in open_tree(location).names if _suffix(name) in wanted]


def read(location: Path, request: Request) -> Source:
    """RGB pictures (grey on request) and their boxes; classes are the categories in the order of their
    ids."""
    return of_tree(location, request, _read)


def _read(tree: Tree, location: Path, request: Request) -> Source:
    read_ones = {name: _instances(tree, name) for name in _tables(tree, location)}
    categories: dict[int, str] = {}
    for name, data in read_ones.items():
        for each in data["categories"]:
            number, label = _whole(name, each, "id"), str(_field(name, each, "name"))
            if categories.setdefault(number, label) != label:
                raise CrosstrainError(
                    f"{location}: the category {number} is {categories[number]!r} and, in {name}, {label!r}"
                )
    named = [label for _, label in sorted(categories.items())]
    if len(set(named)) < len(named):
        raise CrosstrainError(f"{location}: two categories have one name ({summed_up(named)})")
    parts: dict[str, list[Annotated]] = {}
    crowds = 0
    for name, data in read_ones.items():
        own, groups = _annotated(tree, name, data, categories)
        parts.setdefault(_split(name), []).extend(own)
        crowds += groups
    if ALL in parts and len(parts) > 1:
        raise CrosstrainError(
            f"{location}: of its files ({summed_up(list(read_ones))}) some name a split and others none; "
            "name train, val or test in each"
        )
    if ALL not in parts and "train" not in parts:
        raise CrosstrainError(
            f"{location} has no file of instances for training, only for {', '.join(parts)}"
        )
    source = source_of(parts, named, tree.read, request, str(location))
    said = [f"{crowds} boxes around groups of objects (iscrowd): left out"] if crowds else []
    return Source(**{**vars(source), "warnings": [*said, *source.warnings]})


def _tables(tree: Tree, location: Path) -> list[str]:
    """The files of instances: those called so, where there are any; else all JSON files."""
    names = [name for name in tree.names if _suffix(name) == ".json"]
    named = [name for name in names if posixpath.basename(name).startswith(INSTANCES)]
    if not names:
        raise CrosstrainError(
            f"{location} has no JSON file; COCO's are annotations/{INSTANCES}_train2017.json and so on"
        )
    return named or names


def _instances(tree: Tree, name: str) -> Mapping[str, Any]:
    try:
        data = json.loads(tree.read(name))
    except (DamagedImage, ValueError, RecursionError) as reason:
        raise CrosstrainError(f"{name} cannot be read as JSON ({reason})") from reason
    if not isinstance(data, dict) or not all(_objects(data.get(key)) for key in KEYS):
        raise CrosstrainError(f"{name} is no file of instances: it needs the lists {', '.join(KEYS)}")
    return data


def _objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def _annotated(
    tree: Tree, name: str, data: Mapping[str, Any], categories: Mapping[int, str]
) -> tuple[list[Annotated], int]:
    """The pictures of a file, and how many groups were left out."""
    boxes: dict[Any, list[Sequence[float]]] = {}
    labels: dict[Any, list[str]] = {}
    known = {_whole(name, each, "id") for each in data["images"]}
    crowds = 0
    for each in data["annotations"]:
        picture, number = _whole(name, each, "image_id"), _whole(name, each, "category_id")
        if picture not in known or number not in categories:
            what = f"picture {picture}" if picture not in known else f"category {number}"
            raise CrosstrainError(
                f"{name}: the annotation {each.get('id')} is of a {what} that is not listed"
            )
        if each.get("iscrowd"):
            crowds += 1
            continue
        x, y, width, height = _box(name, each)
        boxes.setdefault(picture, []).append((y, x, y + height, x + width))
        labels.setdefault(picture, []).append(categories[number])
    here = _Pictures(tree, name)
    result = []
    for each in data["images"]:
        number, file = _whole(name, each, "id"), str(_field(name, each, "file_name"))
        path = here.find(file)
        size = (each.get("height"), each.get("width"))
        sized = all(isinstance(side, int) and side > 0 for side in size)
        result.append(
            Annotated(
                path or file,
                (int(size[0] or 0), int(size[1] or 0)) if sized else None,
                np.asarray(boxes.get(number, ()), np.float64).reshape(-1, 4),
                labels.get(number, ()),
                "" if path else "there is no such file",
            )
        )
    return result, crowds


class _Pictures:
    """Finds the pictures that a file of instances names: beside it, in the folder that is called as it is, or
    in ``images/``."""

    def __init__(self, tree: Tree, name: str) -> None:
        folder, stem = posixpath.dirname(name), posixpath.splitext(posixpath.basename(name))[0]
        called, above = stem.removeprefix(INSTANCES).strip("_"), posixpath.dirname(folder)
        self._names = set(tree.names)
        self._folders = [
            posixpath.join(base, inner)
            for base in (folder, above)
            for inner in ("", called, "images", posixpath.join("images", called))
        ]

    def find(self, file: str) -> str | None:
        """The name in the tree; None where there is none."""
        paths = (posixpath.normpath(posixpath.join(folder, file)) for folder in self._folders)
        return next((path for path in paths if path in self._names), None)


def _split(name: str) -> str:
    """Which split a file is of, by its name, or else its folder's; ``all`` where neither says."""
    for text in (
        posixpath.splitext(posixpath.basename(name))[0],
        posixpath.basename(posixpath.dirname(name)),
    ):
        for word in re.findall(r"[a-z]+", text.lower()):
            if word in PARTS:
                return PARTS[word]
    return ALL


def _field(name: str, entry: Mapping[str, Any], key: str) -> Any:
    if key not in entry:
        raise CrosstrainError(f"{name}: an entry has no {key!r} ({str(dict(entry))[:80]})")
    return entry[key]


def _whole(name: str, entry: Mapping[str, Any], key: str) -> int:
    value = _field(name, entry, key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise CrosstrainError(f"{name}: {key!r} is a whole number, not {str(value)[:40]!r}")
    return value


def _box(name: str, entry: Mapping[str, Any]) -> tuple[float, float, float, float]:
    box = _field(name, entry, "bbox")
    numbers = (
        isinstance(box, list)
        and len(box) == 4
        and all(isinstance(n, int | float) and not isinstance(n, bool) and abs(n) < 1e9 for n in box)
    )
    if not numbers:
        raise CrosstrainError(f"{name}: 'bbox' is x, y, width and height, not {str(box)[:60]}")
    x, y, width, height = map(float, box)
    return x, y, width, height


def _suffix(name: str) -> str:
    return posixpath.splitext(name)[1].lower()
