"""``segmentation:DIR``: pictures with a class for every pixel.

Two layouts: that of CamVid in the SegNet release (``train/`` and ``trainannot/``, ``val…``, ``test…``), and
``images/`` beside ``masks/``, with folders of splits in or around them. A picture and its map share their
name. Maps are PNG, grey or with a palette, of whose colours nothing is used.

``classes.txt`` in DIR names the values, a line each: ``VALUE NAME``, or ``NAME`` alone, whose value is the
line's position from 0. Values called ``void`` are not learnt and not judged. Without the file, 255 is void
and the rest are classes by number; CamVid's layout has CamVid's eleven classes, and 11 is void.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crosstrain.data.images import decoding as images
from crosstrain.data.images import label_maps
from crosstrain.data.prepared import VOID
from crosstrain.data.source import DamagedImage, Files, Images, Request, Source, Table, summed_up
from crosstrain.data.split import TEST, three_ways, with_held_out
from crosstrain.data.tree import read_file
from crosstrain.errors import CrosstrainError

CAMVID = (
    "Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian",
    "Bicyclist",
)  # fmt: skip
"""The classes of the SegNet release, by their values; 11 is void."""
NAMES = "classes.txt"
VOID_NAME = "void"
MOST = 255
"""Classes that a map of 8 bits can have beside void."""
SPLITS = {"train": "train", "val": "validation", "test": "test"}
ALL = "all"

Pair = tuple[Path, Path]
"""A picture and its label map."""


@dataclass(frozen=True)
class Classes:
    """``names`` of the classes, and the class of each value of a map (``VOID``: not learnt); ``source`` is
    where that is said."""

    names: tuple[str, ...]
    numbers: Mapping[int, int]
    source: str


def files(location: Path) -> Files:
    """Every picture, every map, and the list of classes."""
    paths = [path for pairs in _pairs(location).values() for pair in pairs for path in pair]
    names = location / NAMES
    return [
        (path.relative_to(location).as_posix(), path)
        for path in (*paths, *([names] if names.exists() else ()))
    ]


def read(location: Path, request: Request) -> Source:
    """RGB pictures (grey on request) and int32 label maps, resized alike where a size is asked for: pictures
    by area or cubic curves, maps by the nearest pixel."""
    pairs = _pairs(location)
    every = [pair for part in pairs.values() for pair in part]
    classes = _classes(location, [maps for _, maps in every])
    size = request.size or images.decode(read_file(every[0][0])).shape[:2]
    resizes = request.size is not None
    tables = {
        split: _table(location, part, classes, (size[0], size[1]), request.channels or 3, resizes=resizes)
        for split, part in pairs.items()
    }
    if ALL in tables:
        parts = three_ways(np.zeros(len(tables[ALL]), np.int64), TEST, TEST, request.seed)
        return Source({s: tables[ALL].take(rows) for s, rows in parts.items()}, {"": classes.names})
    whole, shares = with_held_out(tables, np.zeros(len(tables["train"]), np.int64), request.seed)
    warnings = [
        f"there are no pictures for {split}: {share:.0%} of train was held out for it"
        for split, share in shares.items()
    ]
    return Source(whole, {"": classes.names}, warnings)


# -- finding ----------------------------------------------------------------------------------------
def _pairs(location: Path) -> dict[str, list[Pair]]:
    """The pairs of each split, or of ``all``. ``CrosstrainError`` for a folder of neither layout."""
    if not location.is_dir():
        raise CrosstrainError(f"{location} is not a folder")
    layouts = [
        {split: (location / folder, location / f"{folder}annot") for folder, split in SPLITS.items()},
        {
            split: (location / folder / "images", location / folder / "masks")
            for folder, split in SPLITS.items()
        },
        {
            split: (location / "images" / folder, location / "masks" / folder)
            for folder, split in SPLITS.items()
        },
        {ALL: (location / "images", location / "masks")},
    ]
    for folders in layouts:
        present = {split: pair for split, pair in folders.items() if all(folder.is_dir() for folder in pair)}
        if "train" in present or ALL in present:
            return {split: _matched(location, *pair) for split, pair in present.items()}
    raise CrosstrainError(
        f"{location} has neither train/ and trainannot/ nor images/ and masks/; pictures and label maps lie "
        "in two folders, under the same names"
    )


def _matched(location: Path, pictures: Path, maps: Path) -> list[Pair]:
    """Pictures with their maps, in order. ``CrosstrainError`` names pictures that have none."""
    by_stem = {path.stem: path for path in _files_of(maps) if path.suffix.lower() == ".png"}
    own = [path for path in _files_of(pictures) if path.suffix.lower() in images.SUFFIXES]
    where = maps.relative_to(location)
    lacking = [path.relative_to(location).as_posix() for path in own if path.stem not in by_stem]
    if lacking:
        count = "1 picture has" if len(lacking) == 1 else f"{len(lacking)} pictures have"
        raise CrosstrainError(
            f"{location}: {count} no label map of the same name (.png) in {where}/: {summed_up(lacking)}"
        )
    if not own:
        raise CrosstrainError(f"there are no pictures in {pictures}")
    return [(path, by_stem[path.stem]) for path in own]


def _files_of(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    except OSError as error:
        raise CrosstrainError(f"the folder {folder} cannot be read ({error.strerror})") from error


# -- classes ----------------------------------------------------------------------------------------
def _classes(location: Path, maps: Sequence[Path]) -> Classes:
    if (location / NAMES).exists():
        return _named(location / NAMES)
    if (location / "trainannot").is_dir():
        return Classes(CAMVID, {**{n: n for n in range(len(CAMVID))}, len(CAMVID): VOID}, "CamVid's classes")
    with ThreadPoolExecutor() as pool, images.one_by_one():
        highest = max(pool.map(_highest, maps))
    if highest < 1:
        raise CrosstrainError(
            f"{location}: the label maps have no class but 0 (255 is void); if 255 is a class, name the "
            f"values in {NAMES}, as '0 background' and '255 object'"
        )
    names = tuple(str(number) for number in range(highest + 1))
    return Classes(names, {**{n: n for n in range(highest + 1)}, VOID: VOID}, "numbered classes")


def _highest(path: Path) -> int:
    """The highest value of a map but 255; -1 where there is none, or it cannot be read."""
    try:
        labels = label_maps.values(read_file(path))
    except DamagedImage:
        return -1
    return int(labels[labels != VOID].max(initial=0)) if (labels != VOID).any() else -1


def _named(path: Path) -> Classes:
    """``classes.txt``. ``CrosstrainError`` names the first line that cannot be used."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise CrosstrainError(f"the list of classes {path} cannot be read ({error})") from error
    names: list[str] = []
    numbers: dict[int, int] = {}
    written = [(row, line) for row, line in enumerate(lines, 1) if line]
    for position, (row, line) in enumerate(written):
        first, _, rest = line.replace("\t", " ").partition(" ")
        value, name = (int(first), rest.strip()) if first.isdecimal() and rest.strip() else (position, line)
        if value > 255:
            raise CrosstrainError(f"{path}, line {row}: {value} is no value of a pixel; those are 0 to 255")
        if value in numbers:
            raise CrosstrainError(f"{path}, line {row}: the value {value} has a name already")
        if name == VOID_NAME:
            numbers[value] = VOID
            continue
        if name in names:
            raise CrosstrainError(f"{path}, line {row}: the class {name!r} is named twice")
        numbers[value] = len(names)
        names.append(name)
    if not 2 <= len(names) <= MOST:
        raise CrosstrainError(f"{path} names {len(names)} classes; 2 to {MOST} can be told apart")
    # 255 is void where the list does not say otherwise.
    return Classes(tuple(names), {VOID: VOID, **numbers}, NAMES)


# -- columns ----------------------------------------------------------------------------------------
def _table(
    location: Path, pairs: Sequence[Pair], classes: Classes, size: tuple[int, int], channels: int, *,
    resizes: bool,
) -> Table:  # fmt: skip
    numbers = label_maps.table(classes.numbers)

    def name(row: int, part: int = 0) -> str:
        return pairs[row][part].relative_to(location).as_posix()

    def picture(row: int) -> np.ndarray:
        whole = images.decode(read_file(pairs[row][0]))
        try:
            own, other = whole.shape[:2], label_maps.png_size(read_file(pairs[row][1]))
        except DamagedImage as reason:
            raise DamagedImage(f"its label map: {reason}") from reason
        if own != other:
            raise CrosstrainError(
                f"{location}: the picture {name(row)} is {own[1]}x{own[0]} and its label map {name(row, 1)} "
                f"{other[1]}x{other[0]}; both must have one size"
            )
        if not resizes and own != size:
            raise CrosstrainError(
                f"{location}: the pictures differ in size ({name(row)} is {own[1]}x{own[0]}, the first "
                f"{size[1]}x{size[0]}); give one size for all, such as --sizes 128"
            )
        return images.fitted(whole, size, channels)

    def labels(row: int) -> np.ndarray:
        found = label_maps.values(read_file(pairs[row][1]))
        known = numbers[found]
        if (known < 0).any():
            strange = ", ".join(map(str, np.unique(found[known < 0])[:5]))
            raise CrosstrainError(
                f"{location}: the label map {name(row, 1)} has the value {strange}, which is neither a class "
                f"nor void ({classes.source}: {_ranges(classes.numbers)}); name it in {NAMES}, a line "
                "'VALUE NAME' each"
            )
        return label_maps.resized(known.astype(np.uint8), size).astype(label_maps.DTYPE)

    rows = np.arange(len(pairs))
    return Table(
        {"": Images(picture, name, (*size, channels), rows)},
        {"": Images(labels, lambda row: name(row, 1), size, rows, label_maps.DTYPE)},
    )


def _ranges(numbers: Mapping[int, int]) -> str:
    """``0 to 10, void 11``."""
    own = sorted(value for value, number in numbers.items() if number != VOID)
    void = sorted(value for value, number in numbers.items() if number == VOID)
    spread = (
        f"{own[0]} to {own[-1]}" if own == list(range(own[0], own[-1] + 1)) else summed_up([*map(str, own)])
    )
    return f"{spread}, void {' and '.join(map(str, void))}"
