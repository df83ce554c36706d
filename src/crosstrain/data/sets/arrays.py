"""``arrays:FILE.npz`` (or a folder of ``.npy`` files): one's own arrays, for any task.

uint8 arrays (N, H, W) or (N, H, W, 1 | 3 | 4) are pictures and become 0 to 1. Other inputs keep their values:
floats and booleans as float32, integers as int64. Integer targets and texts are classes, floats are numbers
to predict, rows with a single 1 are one-hot classes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from crosstrain.data.images.pictures import in_memory
from crosstrain.data.prepared import SPLITS
from crosstrain.data.sets.npz import read_archive, read_folder
from crosstrain.data.source import Column, Files, Request, Source, Table, Values, summed_up
from crosstrain.data.split import TEST, divided, with_held_out
from crosstrain.data.targets import Labels, labels_of
from crosstrain.errors import CrosstrainError

ALL = "all"
_KEY = re.compile(r"([xy])(?:_(train|validation|val|test))?(?:/(.+))?")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass
class _Part:
    """The arrays of one split as found: inputs and targets by name."""

    x: dict[str, np.ndarray] = field(default_factory=dict)
    y: dict[str, np.ndarray] = field(default_factory=dict)


def files(location: Path) -> Files:
    """The ``.npz``, or every ``.npy`` in the folder."""
    if location.is_dir():
        return [(path.relative_to(location).as_posix(), path) for path in sorted(location.rglob("*.npy"))]
    return [("", location)]


def read(location: Path, request: Request) -> Source:
    """The arrays as columns. What has no validation or test gets one, held out from training."""
    parts, ignored = _parts(location)
    lead = parts.get("train") or parts[ALL]
    for part_name, part in parts.items():
        _check_alike(location, lead, part, part_name)
    targets = {name: labels_of(location, name, {s: p.y[name] for s, p in parts.items()}) for name in lead.y}
    tables = {split: _table(part, split, targets, request) for split, part in parts.items()}
    pictures = [
        column for column in tables[next(iter(tables))].inputs.values() if not isinstance(column, Values)
    ]
    if request.size and not pictures:
        raise CrosstrainError(f"{location} has no pictures to resize to {request.size}")
    warnings = [f"arrays that no split uses were ignored: {summed_up(ignored)}"] if ignored else []
    splits, notes = _three(tables, targets, request)
    return Source(splits, {n: t.classes for n, t in targets.items() if t.classes}, warnings + notes)


def _parts(location: Path) -> tuple[dict[str, _Part], list[str]]:
    """The arrays by split (``all`` where there are only x and y), and the names of unknown ones."""
    arrays = read_folder(location) if location.is_dir() else read_archive(location)
    parts: dict[str, _Part] = {}
    ignored = []
    for key, array in arrays.items():
        match = _KEY.fullmatch(key)
        if match is None:
            ignored.append(key)
            continue
        kind, split, name = match.group(1), match.group(2) or ALL, match.group(3) or ""
        if name and not _NAME.fullmatch(name):
            raise CrosstrainError(
                f"{location}: {name!r} is not a name for an input or target; use letters and digits"
            )
        part = parts.setdefault("validation" if split == "val" else split, _Part())
        (part.x if kind == "x" else part.y)[name] = array
    if set(parts) != {ALL} and ("train" not in parts or ALL in parts):
        contents = f"it has {summed_up(list(arrays))}" if arrays else "it has no arrays"
        raise CrosstrainError(f"{location} must hold x_train and y_train (or x and y alone); {contents}")
    return parts, ignored


def _check_alike(location: Path, lead: _Part, part: _Part, split: str) -> None:
    """All splits have the same inputs and targets, of the same shapes and kinds, and equal lengths."""
    where = f"{location}: " if split == ALL else f"{location}, {split}: "
    if not part.x or not part.y:
        raise CrosstrainError(f"{where}both inputs (x…) and targets (y…) are needed")
    lengths = {}
    for kind, actual, expected in (("x", part.x, lead.x), ("y", part.y, lead.y)):
        if actual.keys() != expected.keys():
            raise CrosstrainError(f"{where}{kind} has {_names(actual)}, but training has {_names(expected)}")
        for name, array in actual.items():
            label = f"{kind}/{name}" if name else kind
            if array.size == 0:
                raise CrosstrainError(f"{where}{label} is empty (its shape is {array.shape})")
            if array.ndim == 0:
                raise CrosstrainError(
                    f"{where}{label} is a single number; its first axis must count the examples"
                )
            if array.shape[1:] != expected[name].shape[1:] or _family(kind, array) != _family(
                kind, expected[name]
            ):
                raise CrosstrainError(
                    f"{where}{label} is {array.dtype} {array.shape[1:]}, but in training it is "
                    f"{expected[name].dtype} {expected[name].shape[1:]}"
                )
            lengths[label] = len(array)
    if len(set(lengths.values())) > 1:
        described = ", ".join(f"{label}: {count}" for label, count in lengths.items())
        raise CrosstrainError(f"{where}inputs and targets have different numbers of examples ({described})")


def _family(kind: str, array: np.ndarray) -> str:
    """What an array counts as: integers of all widths are alike, but uint8 inputs are pictures."""
    if kind == "x" and array.dtype == np.uint8:
        return "uint8"
    return "i" if array.dtype.kind == "u" else array.dtype.kind


def _names(arrays: Mapping[str, np.ndarray]) -> str:
    return ", ".join(name or "one array" for name in arrays)


def _table(part: _Part, split: str, targets: Mapping[str, Labels], request: Request) -> Table:
    inputs = {name: _input(name, array, split, request) for name, array in part.x.items()}
    return Table(inputs, {name: labels.values[split] for name, labels in targets.items()})


def _input(name: str, array: np.ndarray, split: str, request: Request) -> Column:
    label = f"x{'' if split == ALL else '_' + split}{'/' + name if name else ''}"
    colours = array.ndim == 4 and array.shape[3] in (1, 3, 4)
    resizes = request.size is not None or request.channels is not None
    if (array.dtype == np.uint8 and (array.ndim == 3 or colours)) or (
        array.dtype.kind == "f" and colours and resizes
    ):
        return in_memory(array, request, lambda row: f"{label}[{row}]")
    if array.dtype.kind in "US":
        raise CrosstrainError(f"{label} holds text; inputs are numbers")
    return Values.of(array, "float32" if array.dtype.kind in "fb" else "int64")


def _three(
    tables: Mapping[str, Table], targets: Mapping[str, Labels], request: Request
) -> tuple[dict[str, Table], list[str]]:
    """The tables of all three splits, held out as far as they are not given."""
    first = next(iter(targets.values()))
    if ALL in tables:
        parts = divided(first.strata(ALL), TEST, TEST, request.seed, request.split)
        return {split: tables[ALL].take(parts[split]) for split in SPLITS}, []
    splits, shares = with_held_out(tables, first.strata("train"), request.seed, request.split)
    if "test" not in shares:
        return splits, []
    return splits, [
        f"there is no test set: {shares['test']:.0%} of the training examples were held out as one"
    ]
