"""``labelled-sequences:DIR``: lines of text as pictures, with what they say; for CTC.

A picture becomes ``height`` pixels high, and as wide as the widest, filled up with its own ground on the
right. The target is the number of each character, (length,), filled up with 0, which is CTC's blank; 1 is a
character that the training part does not have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.images import decoding as images
from crosstrain.data.options import LINES, completed
from crosstrain.data.sets.sequences.annotated import annotated, files_of
from crosstrain.data.sets.sequences.tokens import PADDING, Tokenizer
from crosstrain.data.source import DamagedImage, Files, Images, Request, Size, Source, Table, Values
from crosstrain.data.split import TEST, divided
from crosstrain.data.tree import read_file
from crosstrain.errors import CrosstrainError

FACTS = "lines"
STEM = "labels"
FEWEST = 3
"""Lines that three parts need."""

Read = Callable[[int], np.ndarray]


def files(location: Path) -> Files:
    return files_of(location, STEM)


def read(location: Path, request: Request) -> Source:
    """Grey pictures (RGB on request) and the numbers of their characters."""
    found = annotated(location, STEM)
    paths = [each.picture for each in found.lines]
    options = completed(LINES, (request.fitted.get(FACTS) or {}).get("options") or {}, request.options)

    def whole(row: int) -> np.ndarray:
        return images.decode(read_file(paths[row]))

    def label(row: int) -> str:
        return paths[row].relative_to(location).as_posix()

    size = request.size or _size(location, whole, len(paths), int(options["height"]))
    column = _column(whole, label, len(paths), size, request.channels or 1)
    return of_lines(location, column, [each.text for each in found.lines], options, request, found.warnings)


def of_lines(
    place: Path | str, column: Images, texts: Sequence[str], options: Mapping[str, Any], request: Request,
    warnings: Sequence[str] = (),
) -> Source:  # fmt: skip
    """Pictures of lines with their ``texts``, held out at random: every text once, in one part only where
    the same occurs several times."""
    if len(texts) < FEWEST:
        raise CrosstrainError(f"{place} has {len(texts)} lines, too few for training, validation and test")
    fitted = request.fitted.get(FACTS) or {}
    parts = _parts(texts, request)
    tokenizer = (
        Tokenizer.from_json(fitted["tokenizer"])
        if fitted
        else Tokenizer.fitted("characters", (texts[row] for row in parts["train"]), MOST)
    )
    length = int(fitted.get("length") or max(map(len, texts)))
    longest = max(map(len, texts))
    if longest > length:
        raise CrosstrainError(
            f"{place} has a text of {longest} characters; the longest that the network was trained on has "
            f"{length}"
        )
    numbers = tokenizer.encode_all(texts, length)
    table = Table({"": column}, {"": Values.of(numbers, "int64")})
    facts = {FACTS: {"options": dict(options), "tokenizer": tokenizer.to_json(), "length": length}}
    space = tokenizer.encode(" ").tolist()
    spec = {
        "blank": PADDING, "space": space[0] if " " in tokenizer.vocabulary else None,
        "steps": max(map(_steps, numbers)),
    }  # fmt: skip
    return Source(
        {split: table.take(rows) for split, rows in parts.items()},
        {"": [tokenizer.token(number) or "[blank]" for number in range(tokenizer.size)]},
        warnings, facts=facts, specs={"": spec}, task="transcription",
    )  # fmt: skip


MOST = 1 << 20
"""Characters that an alphabet can have: all that there are."""


def _parts(texts: Sequence[str], request: Request) -> dict[str, np.ndarray]:
    """Whole groups of equal texts lie in one part, so that no text is tested on that was learnt by heart."""
    different, group = np.unique(np.array(texts), return_inverse=True)
    if len(different) < FEWEST:
        raise CrosstrainError(
            f"there are {len(different)} different texts, too few for training, validation and test"
        )
    of_texts = divided(np.zeros(len(different), np.int64), TEST, TEST, request.seed, request.split)
    return {split: np.flatnonzero(np.isin(group, rows)) for split, rows in of_texts.items()}


def _steps(numbers: np.ndarray) -> int:
    """Steps that CTC needs for a text: one for each character, and a blank between two that are equal."""
    own = numbers[numbers != PADDING]
    return len(own) + int(np.count_nonzero(own[1:] == own[:-1]))


def _column(whole: Read, label: Callable[[int], str], count: int, size: Size, channels: int) -> Images:
    def original(row: int) -> tuple[int, ...] | None:
        try:
            return whole(row).shape
        except DamagedImage:
            return None

    return Images(
        lambda row: images.padded(whole(row), size, channels), label, (*size, channels), np.arange(count),
        original=original,
    )  # fmt: skip


def _size(location: Path, whole: Read, count: int, height: int) -> Size:
    """``height``, and the width of the widest line at it, a multiple of 4."""

    def width(row: int) -> int:
        try:
            own = whole(row).shape
        except DamagedImage:
            return 0  # told when it is prepared
        return round(int(own[1]) * height / int(own[0]))

    with ThreadPoolExecutor() as pool, images.one_by_one():
        widest = max(pool.map(width, range(count)))
    if not widest:
        raise CrosstrainError(f"{location}: no picture can be read")
    if widest > MOST_WIDE:
        raise CrosstrainError(
            f"{location}: the longest line would be {widest} pixels wide at a height of {height}; give a "
            "smaller height, or --sizes HEIGHTxWIDTH"
        )
    return height, -(-widest // 4) * 4


MOST_WIDE = 4096
"""Pixels."""

__all__ = ["FACTS", "files", "of_lines", "read"]
