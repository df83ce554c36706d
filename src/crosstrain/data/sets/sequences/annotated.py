"""A file of texts for pictures: which picture each line is about, and what it says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crosstrain.data.images.decoding import SUFFIXES
from crosstrain.data.sets.sequences.reading import in_words, read_rows, read_text
from crosstrain.data.source import Files
from crosstrain.errors import CrosstrainError

ENDINGS = (".csv", ".tsv", ".txt")
_NUMBER = re.compile(r"#\d+$")
"""What tells several texts of one picture apart, as in Flickr8k's list."""
PICTURES = "images"
"""A folder in which the pictures may lie, beside the file."""


@dataclass(frozen=True)
class Annotation:
    """One line: the ``picture`` and its ``text``, in ``line`` of the file."""

    picture: Path
    text: str
    line: int


@dataclass(frozen=True)
class Annotations:
    """What the file ``path`` says, in its order; ``warnings`` are sentences on lines that were left out."""

    path: Path
    lines: Sequence[Annotation]
    warnings: Sequence[str] = ()


def files_of(location: Path, stem: str) -> Files:
    """The file of texts and the pictures that it names."""
    found = annotated(location, stem)
    pictures = dict.fromkeys(each.picture for each in found.lines)
    return [(path.relative_to(location).as_posix(), path) for path in (found.path, *pictures)]


def annotated(location: Path, stem: str) -> Annotations:
    """The texts in ``location/STEM.csv`` or ``.tsv`` (a line of names; the first column is the picture, the
    second the text) or ``.txt`` (``PICTURE``, a tab, the text). Pictures lie beside the file, or in
    ``images/``.

    ``CrosstrainError`` where there is no such file, and for a line whose picture is not there, or not in the
    folder.
    """
    if not location.is_dir():
        raise CrosstrainError(f"{location} is not a folder")
    path = next((p for ending in ENDINGS if (p := location / f"{stem}{ending}").is_file()), None)
    if path is None:
        wanted = ", ".join(f"{stem}{ending}" for ending in ENDINGS)
        raise CrosstrainError(f"{location} has no file of texts; it may be called {wanted}")
    lines, empty = [], []
    for line, written, text in _plain(path) if path.suffix == ".txt" else _table(path):
        name = _NUMBER.sub("", written)
        if not text:
            empty.append(line)
            continue
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise CrosstrainError(f"{path}, line {line}: the picture {name!r} is not inside the folder")
        picture = next((p for p in (location / name, location / PICTURES / name) if p.is_file()), None)
        if picture is None or picture.suffix.lower() not in SUFFIXES:
            reason = "there is no picture" if picture is None else "no picture is called"
            raise CrosstrainError(f"{path}, line {line}: {reason} {name!r}")
        lines.append(Annotation(picture, text, line))
    if not lines:
        raise CrosstrainError(f"{path} has no line with a picture and a text")
    count = f"{len(empty)} line{'' if len(empty) == 1 else 's'} without a text"
    warnings = [f"{count} {'was' if len(empty) == 1 else 'were'} left out: {in_words(empty)}"]
    return Annotations(path, lines, warnings if empty else [])


def _table(path: Path) -> list[tuple[int, str, str]]:
    names, rows = read_rows(path)
    if len(names) < 2:
        raise CrosstrainError(f"{path} has one column; the first is the picture, the second its text")
    return [(line, cells[0].strip(), cells[1].strip()) for line, cells in rows]


def _plain(path: Path) -> list[tuple[int, str, str]]:
    rows = []
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        name, tab, text = line.partition("\t")
        if not tab:
            raise CrosstrainError(f"{path}, line {number} has no tab between the picture and its text")
        rows.append((number, name.strip(), text.strip()))
    return rows
