"""Pictures with boxes, whatever the format that they are written in, as tables.

Boxes are resized with their pictures. What cannot be learnt from is left out and told with its file: boxes
without an area, boxes that lie beyond the picture; what reaches beyond it is cut at its edge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from crosstrain.data.images import decoding as images
from crosstrain.data.sets.regions.proposals import PROPOSALS, with_proposals
from crosstrain.data.source import DamagedImage, Images, Request, Source, Table, Values, summed_up
from crosstrain.data.split import TEST, three_ways, with_held_out
from crosstrain.data.tree import Tree, open_tree
from crosstrain.detection.truths import NUMBERS, padded
from crosstrain.errors import CrosstrainError

ALL = "all"
MOST = "most_boxes"
"""The fact that tells how many boxes a picture of the training had at most: the rows of its targets."""


@dataclass(frozen=True)
class Annotated:
    """A picture by its file's ``name``, ``size`` (height, width) as annotated, None where that is not said;
    ``boxes`` float64 (n, 4) as ymin, xmin, ymax, xmax in its pixels, edges half-open, and the class of each.
    ``damage`` says why its annotation cannot be used."""

    name: str
    size: tuple[int, int] | None = None
    boxes: np.ndarray = field(default_factory=lambda: np.empty((0, 4)))
    classes: Sequence[str] = ()
    damage: str = ""


@dataclass
class Remarks:
    """What was left out or cut, by file."""

    empty: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        rows = (
            (self.empty, "without an area", "left out"),
            (self.outside, "outside the picture", "left out"),
            (self.cut, "reaching beyond the picture", "cut at its edge"),
        )
        return [
            f"{len(names)} {'box' if len(names) == 1 else 'boxes'} {what} ({summed_up(unique)}): {done}"
            for names, what, done in rows
            if names and (unique := list(dict.fromkeys(names)))
        ]


def of_tree(location: Path, request: Request, read: Callable[[Tree, Path, Request], Source]) -> Source:
    """The data set that ``read`` finds in a folder or an archive, which stays open until the set is
    closed."""
    tree = open_tree(location)
    try:
        source = read(tree, location, request)
    except BaseException:
        tree.close()
        raise
    return Source(**{**vars(source), "close": tree.close})


def source_of(
    parts: Mapping[str, Sequence[Annotated]],
    classes: Sequence[str],
    read: Callable[[str], bytes],
    request: Request,
    where: str,
) -> Source:
    """The data set of annotated pictures by split, or of ``all`` of them, which are then split at random: RGB
    pictures (grey on request), and float32 (most, 5) boxes of ``classes``. ``read`` gives a file's bytes;
    ``where`` is the place that messages name."""
    every = [each for part in parts.values() for each in part]
    sized = [each for each in every if not each.damage]
    if not sized:
        reason = f" ({every[0].name}: {every[0].damage})" if every else ""
        raise CrosstrainError(f"{where} has no picture with annotations that can be read{reason}")
    size = request.size or _size(sized[0], read)
    remarks = Remarks()
    rows = {split: [_rows(each, classes, read, remarks) for each in part] for split, part in parts.items()}
    counts = [
        (len(own), each.name) for s, part in parts.items() for own, each in zip(rows[s], part, strict=True)
    ]
    highest, name = max(counts)
    if not highest:
        raise CrosstrainError(f"{where} has no box that can be learnt from")
    known = request.fitted.get(MOST)
    if known is not None and highest > known:
        raise CrosstrainError(
            f"{where}: {name} has {highest} boxes; a picture of the training had at most {known}, and the "
            "network's loss takes no more"
        )
    most = int(known or highest)
    tables = {
        split: _table(part, rows[split], (size[0], size[1]), most, read, request)
        for split, part in parts.items()
    }
    count = int(request.options.get(PROPOSALS, 0))
    if count:
        tables = {split: with_proposals(table, count) for split, table in tables.items()}
    warnings = remarks.sentences()
    if ALL in tables:
        held = three_ways(np.zeros(len(tables[ALL]), np.int64), TEST, TEST, request.seed)
        whole = {split: tables[ALL].take(positions) for split, positions in held.items()}
    else:
        whole, shares = with_held_out(tables, np.zeros(len(tables["train"]), np.int64), request.seed)
        warnings += [
            f"there are no pictures for {split}: {share:.0%} of train was held out for it"
            for split, share in shares.items()
        ]
    return Source(
        whole,
        {"": tuple(classes)},
        warnings,
        facts={MOST: most},
        specs={"": {"boxes": True}},
        regions=(PROPOSALS,) if count else (),
        task="detection",
    )


def _size(picture: Annotated, read: Callable[[str], bytes]) -> tuple[int, int]:
    """As annotated, or that of the picture itself; (1, 1) where that is damaged, and is left out later."""
    if picture.size is not None:
        return picture.size
    try:
        height, width = images.decode(read(picture.name)).shape[:2]
    except DamagedImage:
        return 1, 1
    return height, width


def _rows(
    picture: Annotated, classes: Sequence[str], read: Callable[[str], bytes], remarks: Remarks
) -> np.ndarray:
    """Its boxes as shares of its sides and their classes, float64 (n, 5)."""
    if picture.damage or not len(picture.boxes):
        return np.empty((0, NUMBERS))
    limit = np.asarray(_size(picture, read) * 2, np.float64)
    numbers = np.asarray([classes.index(name) for name in picture.classes], np.float64)
    sides = picture.boxes[:, 2:] - picture.boxes[:, :2]
    cut = np.clip(picture.boxes, 0, limit)
    empty = ~(sides > 0).all(axis=1)
    outside = ~empty & ~(cut[:, 2:] > cut[:, :2]).all(axis=1)
    beyond = ~empty & ~outside & (cut != picture.boxes).any(axis=1)
    for names, which in ((remarks.empty, empty), (remarks.outside, outside), (remarks.cut, beyond)):
        names += [picture.name] * int(which.sum())
    rows = np.concatenate([cut / limit, numbers[:, None]], axis=1)
    return np.asarray(rows[~empty & ~outside])


def _table(
    part: Sequence[Annotated], rows: Sequence[np.ndarray], size: tuple[int, int], most: int,
    read: Callable[[str], bytes], request: Request,
) -> Table:  # fmt: skip
    channels = request.channels or 3

    def picture(row: int) -> np.ndarray:
        own = part[row]
        if own.damage:
            raise DamagedImage(own.damage)
        whole = images.decode(read(own.name))
        actual = (whole.shape[0], whole.shape[1])
        if own.size is not None and actual != own.size:
            raise DamagedImage(
                f"it is {actual[1]}x{actual[0]}, and its boxes are of {own.size[1]}x{own.size[0]} pixels"
            )
        if request.size is None and actual != size:
            raise CrosstrainError(
                f"the pictures differ in size ({own.name} is {actual[1]}x{actual[0]}, the first "
                f"{size[1]}x{size[0]}); give one size for all, such as --sizes 224"
            )
        return images.fitted(whole, size, channels)

    scale = np.asarray([*size, *size, 1], np.float64)
    targets = padded([own * scale for own in rows], most)
    pictures = Images(
        picture, lambda row: part[row].name, (*size, channels), np.arange(len(part)),
        original=lambda row: part[row].size,
    )  # fmt: skip
    return Table({"": pictures}, {"": Values.of(targets, "float32")})
