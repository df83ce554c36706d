"""The tables of GTSRB: ``GT-000CC.csv``, ``GT-final_test.csv`` and ``subset.csv``, matched with pictures."""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from crosstrain.data.images.decoding import Box
from crosstrain.data.source import DamagedImage, summed_up
from crosstrain.data.tree import Tree
from crosstrain.errors import CrosstrainError

BAD_ROWS_LIMIT = 0.05
REGION = ("Roi.X1", "Roi.Y1", "Roi.X2", "Roi.Y2")
COLUMNS = ("Filename", *REGION, "ClassId")
_CLASS_TABLE = re.compile(r"(^|/)GT-\d{5}\.csv$")
_TEST_TABLE = re.compile(r"(^|/)GT-final_test\.csv$")
_SUBSET = re.compile(r"(^|/)subset\.csv$")
_TEST_FOLDER = "/Final_Test/Images/"
Row = dict[str, str | None]

CLASSES = (
    "speed limit 20", "speed limit 30", "speed limit 50", "speed limit 60", "speed limit 70",
    "speed limit 80", "end of speed limit 80", "speed limit 100", "speed limit 120", "no overtaking",
    "no overtaking by trucks", "priority at next crossing", "priority road", "give way", "stop",
    "no vehicles", "no trucks", "no entry", "danger", "bend left", "bend right", "double bend",
    "uneven road", "slippery road", "road narrows", "road works", "traffic lights", "pedestrians",
    "children", "cyclists", "ice or snow", "wild animals", "end of all limits", "turn right", "turn left",
    "straight on", "straight on or right", "straight on or left", "keep right", "keep left", "roundabout",
    "end of no overtaking", "end of no overtaking by trucks",
)  # fmt: skip


@dataclass(frozen=True)
class Record:
    """A picture that is there: its name in the tree, the sign's region, its class and its track."""

    name: str
    region: Box
    label: int
    track: str


@dataclass
class Records:
    """The pictures for training and the official (or the subset's) test, and what was left out."""

    train: list[Record] = field(default_factory=list)
    test: list[Record] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_records(tree: Tree, pictures: Iterable[str], location: Path) -> Records:
    """Match all tables of ``tree`` with its ``pictures`` (names).

    Rows whose picture is absent, rows that cannot be read or have a class outside 0..42, and pictures
    without a row are left out and counted. Raises ``CrosstrainError`` where there is no table or no
    picture, or where more than 5 % of the rows cannot be read.
    """
    subset = [name for name in tree.names if _SUBSET.search(name)]
    classes = [name for name in tree.names if _CLASS_TABLE.search(name)]
    if not subset and not classes:
        raise CrosstrainError(f"{location} has no GT-000CC.csv and no subset.csv, so it is not a GTSRB tree")
    matching = _Matching({_stem(name): name for name in sorted(pictures)})
    if not matching.stems:
        raise CrosstrainError(f"{location} holds the tables of GTSRB but not one picture")
    for table in subset or classes:
        for row in _rows(tree, table, location):
            matching.take(row, _target(table, row), "train")
    if subset:
        # a subset decides by itself which pictures count; the full tables beside it are only counted
        targets = {_target(table, row) for table in classes for row in _rows(tree, table, location)}
        matching.absent |= targets - matching.stems.keys()
    else:
        for table in (name for name in tree.names if _TEST_TABLE.search(name)):
            for row in _rows(tree, table, location):
                matching.take(row, matching.test_target(_target(table, row)), "test")
    matching.report(location)
    if not matching.records.train:
        raise CrosstrainError(f"{location}: none of the pictures that the tables list for training is there")
    return matching.records


class _Matching:
    """Rows on one side, pictures (by their names without suffix) on the other, and what does not match."""

    def __init__(self, stems: dict[str, str]) -> None:
        self.stems = stems
        self.records = Records()
        self.rows = 0
        self.seen: set[str] = set()
        self.absent: set[str] = set()
        self.repeated: list[str] = []
        self.bad: list[str] = []
        self._tests = {stem.rpartition("/")[2]: stem for stem in stems if _TEST_FOLDER in f"/{stem}"}

    def test_target(self, target: str) -> str:
        """The test's table is an archive of its own and may lie apart from the pictures."""
        return target if target in self.stems else self._tests.get(target.rpartition("/")[2], target)

    def take(self, row: Row, target: str, split: str) -> None:
        """Put one row where it belongs: a record of ``split``, unless the row names its own."""
        self.rows += 1
        if target not in self.stems:
            self.absent.add(target)
        elif target in self.seen:
            self.repeated.append(target)
        else:
            self.seen.add(target)
            try:
                split, record = _record(row, self.stems[target], split)
            except ValueError as reason:
                self.bad.append(f"{target} ({reason})")
            else:
                (self.records.test if split == "test" else self.records.train).append(record)

    def report(self, location: Path) -> None:
        """Add what was left out to the records' warnings; refuse too many bad rows."""
        if len(self.bad) > BAD_ROWS_LIMIT * len(self.seen):
            raise CrosstrainError(
                f"{location}: {len(self.bad)} of {len(self.seen)} rows of the tables cannot be used, "
                f"more than {BAD_ROWS_LIMIT:.0%}: {summed_up(self.bad)}"
            )
        problems = {
            f"of {self.rows} rows of the tables name pictures that are not here": sorted(self.absent),
            f"of {self.rows} rows of the tables cannot be used": self.bad,
            f"of {self.rows} rows of the tables name a picture again": self.repeated,
            f"of {len(self.stems)} pictures are in no table": sorted(self.stems.keys() - self.seen),
        }
        self.records.warnings += [
            f"{len(names)} {what}: {summed_up(names)}; left out" for what, names in problems.items() if names
        ]


def _record(row: Row, name: str, split: str) -> tuple[str, Record]:
    """The split and the record that a row stands for; ``ValueError`` says what is wrong with it."""
    try:
        x1, y1, x2, y2, label = (int(row[column] or "") for column in (*REGION, "ClassId"))
    except ValueError as error:
        raise ValueError("not all its fields are numbers") from error
    if not 0 <= label < len(CLASSES):
        raise ValueError(f"class {label} is outside 0..{len(CLASSES) - 1}")
    split = row.get("Split") or split
    if split not in ("train", "test"):
        raise ValueError(f"its split is {split!r}")
    return split, Record(name, (x1, y1, x2, y2), label, posixpath.basename(name)[:5])


def _rows(tree: Tree, table: str, location: Path) -> list[Row]:
    try:
        rows = csv.DictReader(io.StringIO(tree.read(table).decode("utf-8-sig"), newline=""), delimiter=";")
        content = list(rows)
    except (DamagedImage, UnicodeDecodeError, csv.Error) as error:
        raise CrosstrainError(f"{location}: the table {table} cannot be read ({error})") from error
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise CrosstrainError(
            f"{location}: the table {table} lacks the column {missing[0]} (its separator is ';')"
        )
    return content


def _target(table: str, row: Row) -> str:
    """The picture a row names, relative to its table, without suffix (copies write PNG for PPM)."""
    return _stem(posixpath.join(posixpath.dirname(table), row["Filename"] or ""))


def _stem(name: str) -> str:
    return posixpath.splitext(name)[0]
