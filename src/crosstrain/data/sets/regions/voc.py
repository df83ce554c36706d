"""``voc:DIR-or-tar``: a tree as Pascal VOC has it (Everingham et al. 2010), pictures with boxes.

``Annotations/NAME.xml`` beside ``JPEGImages/``, at the top or one folder down; the lists in
``ImageSets/Main`` (``train.txt``, ``val.txt`` or ``trainval.txt``, ``test.txt``) split it, and what is
missing is held out. A tar or zip is read where it lies. Corners are pixels, counted from 1 and inside the
box, as the devkit has them: a box from 1 to 10 spans ten pixels. One whose corners coincide has no area.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from crosstrain.data.images import decoding as images
from crosstrain.data.sets.regions.boxes import ALL, Annotated, of_tree, source_of
from crosstrain.data.source import DamagedImage, Files, Request, Source, summed_up
from crosstrain.data.tree import Tree, open_tree
from crosstrain.errors import CrosstrainError

ANNOTATIONS, PICTURES, LISTS = "Annotations", "JPEGImages", "ImageSets/Main"
SPLITS = {"train": ("train", "trainval"), "validation": ("val",), "test": ("test",)}
"""The lists of each split, the first that there is."""


def files(location: Path) -> Files:
    """The archive itself, or all pictures, annotations and lists of a tree."""
    if location.is_file():
        return [("", location)]
    wanted = {".xml", ".txt", *images.SUFFIXES}
    return [(name, location / name) for name in open_tree(location).names if _suffix(name) in wanted]


def read(location: Path, request: Request) -> Source:
    """RGB pictures (grey on request) and their boxes; classes are the names that occur, in order."""
    return of_tree(location, request, _read)


def _read(tree: Tree, location: Path, request: Request) -> Source:
    root = _root(tree, location)
    pictures = {
        posixpath.splitext(posixpath.basename(name))[0]: name
        for name in tree.names
        if name.startswith(f"{root}{PICTURES}/") and _suffix(name) in images.SUFFIXES
    }
    front = f"{root}{ANNOTATIONS}/"
    stems = [n.removeprefix(front)[:-4] for n in tree.names if n.startswith(front) and _suffix(n) == ".xml"]
    lacking = [f"{stem}.xml" for stem in stems if stem not in pictures]
    if len(lacking) == len(stems):
        raise CrosstrainError(
            f"{location}: no annotation has a picture of its name in {root}{PICTURES}/ ({summed_up(lacking)})"
        )
    with ThreadPoolExecutor() as pool:
        own = [stem for stem in stems if stem in pictures]
        read_ones = pool.map(lambda stem: annotated(tree, f"{front}{stem}.xml", pictures[stem]), own)
        by_stem = dict(zip(own, read_ones, strict=True))
    names = sorted({name for each in by_stem.values() for name in each.classes})
    parts, warnings = _parts(tree, root, location, by_stem)
    if lacking:
        warnings.append(f"{len(lacking)} annotations without a picture ({summed_up(lacking)}): left out")
    source = source_of(parts, names, tree.read, request, str(location))
    return Source(**{**vars(source), "warnings": [*warnings, *source.warnings]})


def annotated(tree: Tree, name: str, picture: str) -> Annotated:
    """What an annotation's file says of its picture; damaged where it cannot be read, which is kept."""
    try:
        data = tree.read(name)
        if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
            raise ValueError("it declares entities")
        root = ElementTree.fromstring(data)
        rows, classes = [], []
        for thing in root.iter("object"):
            label = (thing.findtext("name") or "").strip()
            if not label:
                raise ValueError("an object has no name")
            rows.append([_number(thing, f"bndbox/{key}") for key in ("ymin", "xmin", "ymax", "xmax")])
            classes.append(label)
        height, width = (int(_number(root, f"size/{key}", 0.0)) for key in ("height", "width"))
    except (DamagedImage, ElementTree.ParseError, ValueError) as reason:
        return Annotated(picture, damage=f"its annotation {name}: {reason}")
    boxes = np.asarray(rows, np.float64).reshape(-1, 4)
    # Counted from 1 and inside the box: its upper left edges are one less; no area stays none.
    boxes[:, :2] -= (boxes[:, 2:] > boxes[:, :2]).all(axis=1, keepdims=True)
    return Annotated(picture, (height, width) if height > 0 < width else None, boxes, classes)


def _number(node: ElementTree.Element, path: str, default: float | None = None) -> float:
    text = node.findtext(path)
    if text is None and default is not None:
        return default
    try:
        value = float(text or "")
    except ValueError as error:
        raise ValueError(f"{path} is no number: {text!r}") from error
    if not np.isfinite(value):
        raise ValueError(f"{path} is no number: {text!r}")
    return value


def _root(tree: Tree, location: Path) -> str:
    """What comes before ``Annotations/`` in the tree's names."""
    roots = sorted(
        {
            name[: name.index(f"{ANNOTATIONS}/")]
            for name in tree.names
            if (name.startswith(f"{ANNOTATIONS}/") or f"/{ANNOTATIONS}/" in name) and _suffix(name) == ".xml"
        }
    )
    if not roots:
        raise CrosstrainError(
            f"{location} has no {ANNOTATIONS}/*.xml; a tree of Pascal VOC has those beside {PICTURES}/"
        )
    if len(roots) > 1:
        raise CrosstrainError(f"{location} has several trees ({', '.join(roots)}); name one of them")
    return roots[0]


def _parts(
    tree: Tree, root: str, location: Path, by_stem: dict[str, Annotated]
) -> tuple[dict[str, list[Annotated]], list[str]]:
    """The pictures of each split, and what is to be said of the lists."""
    parts: dict[str, list[Annotated]] = {}
    warnings: list[str] = []
    seen: dict[str, str] = {}
    for split, lists in SPLITS.items():
        paths = [path for each in lists if (path := f"{root}{LISTS}/{each}.txt") in tree.names]
        if not paths:
            continue
        stems = list(_listed(tree, paths[0]))
        lacking = [stem for stem in stems if stem not in by_stem]
        if lacking:
            warnings.append(
                f"{len(lacking)} names in {paths[0]} without picture or annotation "
                f"({summed_up(lacking)}): left out"
            )
        if shared := [stem for stem in stems if seen.setdefault(stem, split) != split]:
            warnings.append(
                f"{len(shared)} pictures of {split} are also for {seen[shared[0]]} ({summed_up(shared)})"
            )
        parts[split] = [by_stem[stem] for stem in stems if stem in by_stem]
        if not parts[split]:
            raise CrosstrainError(
                f"{location}: none of the names in {paths[0]} has a picture with annotations"
            )
    if "train" not in parts:
        return {ALL: list(by_stem.values())}, warnings
    return parts, warnings


def _listed(tree: Tree, path: str) -> Iterator[str]:
    """The names in a list, each once; a second column, which tells of one class, is passed over."""
    try:
        text = tree.read(path).decode("utf-8")
    except (DamagedImage, UnicodeDecodeError) as reason:
        raise CrosstrainError(f"the list {path} cannot be read ({reason})") from reason
    yield from dict.fromkeys(line.split()[0] for line in text.splitlines() if line.strip())


def _suffix(name: str) -> str:
    return posixpath.splitext(name)[1].lower()
