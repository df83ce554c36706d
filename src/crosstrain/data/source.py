"""What a data set's file gives to preparation: columns of values or of pictures, split into tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.options import Setting
from crosstrain.errors import CrosstrainError

Size = tuple[int, int]
Shape = tuple[int, ...]
Files = Sequence[tuple[str, str | Path]]
"""A source's files: the name that counts for the hash (never the folder they lie in), and the path."""
NAMED = 5
"""How many culprits a warning names before it only counts."""


class DamagedImage(Exception):  # noqa: N818 - a state of a picture, not an error of ours
    """One picture cannot be used; says why. It is left out and counted."""


@dataclass(frozen=True)
class Request:
    """What a reader is asked for: pictures of ``size`` (height, width) with ``channels`` (1 grey, 3 RGB),
    None for the data's own; ``seed`` decides which examples are held out, ``split`` by which rule, where a
    data set has several. Of every class, ``limit`` examples at most are kept (None: all), which is
    ``DataSet.read``'s work: a reader need not know of it. ``options`` are the settings of its spec, as given;
    ``fitted`` is what an earlier reading found for training (``Source.facts``), which new data is to be read
    by."""

    size: Size | None = None
    channels: int | None = None
    seed: int = 0
    split: str = ""
    limit: int | None = None
    options: Mapping[str, Setting] = field(default_factory=dict)
    fitted: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Values:
    """Rows of an array that are written as they are, as ``dtype``."""

    array: np.ndarray
    dtype: str
    rows: np.ndarray

    @classmethod
    def of(cls, array: np.ndarray, dtype: str) -> Values:
        return cls(array, dtype, np.arange(len(array)))

    @property
    def shape(self) -> Shape:
        """Of one example."""
        return tuple(self.array.shape[1:])

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, positions: np.ndarray) -> Values:
        return replace(self, rows=self.rows[positions])


@dataclass(frozen=True)
class Images:
    """Pictures that are made one at a time, on several threads.

    ``picture(row)`` gives one, (H, W, C) uint8 or float32 (a label map: (H, W) int32), or raises
    ``DamagedImage``; ``label(row)`` is the name that a warning shows. ``after`` makes of several, (N, H, W,
    C), what is kept of them, each of ``shape``: uint8 is written as value / 255, float32 as it is.
    ``original(row)`` is a picture's shape before it was cropped and resized, None where that is not known.
    """

    picture: Callable[[int], np.ndarray]
    label: Callable[[int], str]
    shape: Shape
    rows: np.ndarray
    dtype: str = "float32"
    after: Callable[[np.ndarray], np.ndarray] = lambda pictures: pictures
    original: Callable[[int], Shape | None] = lambda row: None

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, positions: np.ndarray) -> Images:
        return replace(self, rows=self.rows[positions])


Column = Values | Images


@dataclass(frozen=True)
class Table:
    """Columns of equal length: the inputs and targets of the same examples, by name."""

    inputs: Mapping[str, Column]
    targets: Mapping[str, Column]

    def __post_init__(self) -> None:
        lengths = {f"{kind} {name!r}": len(column) for kind, name, column in self.columns}
        if len(set(lengths.values())) > 1:
            described = ", ".join(f"{name}: {count}" for name, count in lengths.items())
            raise CrosstrainError(f"inputs and targets have different numbers of examples ({described})")

    @property
    def columns(self) -> list[tuple[str, str, Column]]:
        """``(kind, name, column)``, kind being ``input`` or ``target``."""
        return [("input", name, column) for name, column in self.inputs.items()] + [
            ("target", name, column) for name, column in self.targets.items()
        ]

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def take(self, positions: np.ndarray) -> Table:
        """The examples at ``positions``."""
        return Table(
            {name: column.take(positions) for name, column in self.inputs.items()},
            {name: column.take(positions) for name, column in self.targets.items()},
        )


@dataclass(frozen=True)
class Source:
    """A data set as read: a table for each of train, validation and test; the class names of every target
    that has classes; sentences about what was left out; ``close`` lets go of open files. ``facts`` (JSON) is
    what was found out on the way and belongs into the manifest: scales, a tokenizer. ``vocabulary`` is how
    many numbers an input of tokens can have, by input. ``kept`` are further arrays to keep beside, by
    name. ``owners`` tells, by split, which thing each example is about where several are about the same (the
    picture of a caption). ``specs`` is what the manifest says of a target besides its shape: of boxes
    (``detection.truths``) a true ``boxes``; of texts that CTC is to spell the number that is ``blank``, that
    of the ``space`` (None: there is none), and how many ``steps`` the longest needs. ``regions`` names inputs
    that are boxes in the picture beside them, (n, 4) as shares of its sides. ``task`` is told where classes
    or numbers do not tell it."""

    splits: Mapping[str, Table]
    classes: Mapping[str, Sequence[str]]
    warnings: Sequence[str] = ()
    close: Callable[[], None] = lambda: None
    facts: Mapping[str, Any] = field(default_factory=dict)
    vocabulary: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, np.ndarray] = field(default_factory=dict)
    owners: Mapping[str, np.ndarray] = field(default_factory=dict)
    specs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    regions: Collection[str] = ()
    task: str = ""

    @property
    def boxes(self) -> list[str]:
        """The targets that are boxes."""
        return [name for name, spec in self.specs.items() if spec.get("boxes")]


@dataclass(frozen=True)
class NewExamples:
    """Examples without targets, read as a training's were: ``array`` (N, …), what each is called, and what
    makes numbers in the target's own unit of the network's outputs (N, …); None where they are in it."""

    labels: Sequence[str]
    array: np.ndarray
    in_units: Callable[[np.ndarray], np.ndarray] | None = None


def labelled(pictures: Images, labels: np.ndarray) -> Table:
    """Pictures with a class each: the usual table, whose input and target have no names."""
    return Table({"": pictures}, {"": Values.of(labels, "int64")})


def summed_up(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
