"""What a trained network is asked about: pictures, folders and zips of pictures, and arrays, as one table."""

from __future__ import annotations

import importlib
import posixpath
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.images import decoding as images
from crosstrain.data.prepared import Arrays
from crosstrain.data.registry import datasets
from crosstrain.data.sets.npz import read_archive
from crosstrain.data.source import (
    Column,
    DamagedImage,
    Images,
    NewExamples,
    Shape,
    Table,
    Values,
    summed_up,
)
from crosstrain.data.trained_preparation import TrainedPreparation
from crosstrain.data.tree import FolderTree, Tree, ZipTree, read_file
from crosstrain.errors import CrosstrainError

ARRAYS = (".npz", ".npy")
ZIP = ".zip"
READERS = {"text": "sequences.text", "table": "table", "series": "sequences.series"}
"""The modules that read new examples of what is no picture, by the kind of facts that training kept."""
InputSource = str | Path | np.ndarray | Mapping[str, np.ndarray]
"""A picture, a folder, a zip or a file of arrays by its path; or arrays."""
COLOURS = (1, 3, 4)
"""Channels that the last axis of an array of pictures can have: grey, RGB, RGB with alpha."""


@dataclass(frozen=True)
class Inputs:
    """What was named: ``labels`` of its examples, ``table`` of their inputs, ``notes`` on what was passed
    over; ``picture(row)`` is an example as it was before preparation, uint8 RGB (H, W, 3), where it is a
    picture. ``in_units`` makes of the outputs for all examples numbers in the target's own unit (None: they
    are what they are). To be closed once all is read (``opened``)."""

    labels: list[str]
    table: Table
    notes: list[str]
    picture: Callable[[int], np.ndarray | None]
    in_units: Callable[[np.ndarray], np.ndarray] | None = None


@dataclass
class _Collected:
    """Pictures to be read, in order, and arrays by input."""

    labels: list[str] = field(default_factory=list)
    readers: list[Callable[[], np.ndarray]] = field(default_factory=list)
    arrays: list[tuple[str, Arrays]] = field(default_factory=list)
    new: list[NewExamples] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_inputs(sources: Sequence[InputSource], preparation: TrainedPreparation, stack: ExitStack) -> Inputs:
    """The inputs that were ``sources``: pictures, folders and zips of them (all pictures below, in order of
    their names), ``.npy`` and ``.npz`` files; of a network that was trained on texts, tables or series files
    of these; arrays themselves, by the network's inputs where there are several.

    Nothing is decoded here. ``stack`` closes what stays open. ``CrosstrainError`` where a path is none of
    these, holds nothing, or does not fit a network with these inputs.
    """
    if not sources:
        raise CrosstrainError("name at least one input: a picture, a folder, a .zip, .npz, .npy or a film")
    collected, names = _Collected(), preparation.given
    for each in sources:
        if isinstance(each, str | Path):
            _add(collected, Path(each).expanduser(), preparation, stack)
            continue
        arrays = dict(each) if isinstance(each, Mapping) else {names[0]: each}
        if set(arrays) != set(names):
            raise CrosstrainError(f"there are arrays for {', '.join(arrays)}; the network takes {names}")
        collected.arrays.append(("the array", {name: np.asarray(array) for name, array in arrays.items()}))
    if sum(map(bool, (collected.arrays, collected.readers, collected.new))) > 1:
        raise CrosstrainError("files and arrays cannot be mixed; ask about them one after the other")
    if collected.new:
        return _of_new(collected.new, preparation)
    if collected.arrays:
        return _of_arrays(collected, preparation)
    return _of_pictures(collected, preparation)


# -- finding ----------------------------------------------------------------------------------------
def _add(collected: _Collected, path: Path, preparation: TrainedPreparation, stack: ExitStack) -> None:
    suffix = path.suffix.lower()
    facts = preparation.manifest.get("facts") or {}
    kind = next((kind for kind in READERS if kind in facts), None)
    if kind and path.exists() and suffix not in ARRAYS:
        module = importlib.import_module(f"crosstrain.data.sets.{READERS[kind]}")
        collected.new.append(module.new_examples(path, facts[kind]))
    elif path.is_dir():
        _add_tree(collected, path, FolderTree(path))
    elif not path.exists():
        raise CrosstrainError(f"there is no file or folder {path}")
    elif suffix == ZIP:
        tree = ZipTree(path)
        stack.callback(tree.close)
        _add_tree(collected, path, tree)
    elif suffix in ARRAYS:
        collected.arrays.append((str(path), _chosen(path, preparation.manifest["inputs"])))
    elif suffix in images.SUFFIXES:
        collected.labels.append(str(path))
        collected.readers.append(_file(path))
    else:
        raise CrosstrainError(
            f"{path} is neither a picture ({', '.join(sorted(images.SUFFIXES))}) nor a folder, a .zip, "
            ".npy, .npz or a film"
        )


def _add_tree(collected: _Collected, path: Path, tree: Tree) -> None:
    pictures = [n for n in tree.names if posixpath.splitext(n)[1].lower() in images.SUFFIXES]
    others = [n for n in tree.names if n not in set(pictures)]
    if not pictures:
        raise CrosstrainError(f"there are no pictures in {path}")
    if others:
        count = "1 file is no picture" if len(others) == 1 else f"{len(others)} files are no pictures"
        collected.notes.append(f"{count} in {path}: {summed_up(others)}")
    for name in pictures:
        collected.labels.append(f"{path}/{name}")
        collected.readers.append(_member(tree, name))


def _file(path: Path) -> Callable[[], np.ndarray]:
    return lambda: images.decode(read_file(path))


def _member(tree: Tree, name: str) -> Callable[[], np.ndarray]:
    return lambda: images.decode(tree.read(name))


# -- pictures ---------------------------------------------------------------------------------------
def _of_pictures(collected: _Collected, preparation: TrainedPreparation) -> Inputs:
    specs = preparation.manifest["inputs"]
    tokens = [name for name, spec in specs.items() if spec.get("vocabulary")]
    (name, shape), *more = [
        (n, preparation.picture(n)) for n in preparation.given if n not in tokens or len(specs) == 1
    ]
    if more or shape is None:
        raise CrosstrainError(
            "the network does not take a picture but "
            f"{_described(preparation.manifest['inputs'])}; give it arrays (.npz or .npy)"
        )
    height, width, channels = shape
    if channels not in (1, 3):
        raise CrosstrainError(
            f"the network takes pictures with {channels} channels, and picture files have 1 or 3; give it "
            "arrays (.npz or .npy)"
        )
    fit = images.FITS[fit_of(preparation)]

    def picture(row: int) -> np.ndarray:
        return fit(collected.readers[row](), (height, width), channels)

    def original(row: int) -> Shape | None:
        try:
            return collected.readers[row]().shape
        except DamagedImage:
            return None

    rows = np.arange(len(collected.readers))
    column = Images(
        picture, lambda row: collected.labels[row], (height, width, channels), rows, original=original
    )
    # What a captioner has said so far: nothing.
    none = {each: Values.of(np.zeros((len(rows), *specs[each]["shape"])), "int64") for each in tokens}
    return Inputs(
        collected.labels, Table({name: column, **none}, {}), collected.notes,
        lambda row: collected.readers[row](),
    )  # fmt: skip


def fit_of(preparation: TrainedPreparation) -> str:
    """How the training's data set makes pictures fit the network's size."""
    row = datasets().get(str(preparation.manifest["spec"]).partition(":")[0])
    return row.fit if row else "stretched"


# -- texts, tables, series ----------------------------------------------------------------------------
def _of_new(parts: Sequence[NewExamples], preparation: TrainedPreparation) -> Inputs:
    (name,) = preparation.given
    labels = [label for part in parts for label in part.labels]
    if not labels:
        raise CrosstrainError("there is nothing to answer: no text, and no row, was found")
    spec = preparation.manifest["inputs"][name]
    whole = np.concatenate([part.array for part in parts])
    ends = np.cumsum([len(part.labels) for part in parts])[:-1]

    def in_units(outputs: np.ndarray) -> np.ndarray:
        pieces = zip(parts, np.split(outputs, ends), strict=True)
        return np.concatenate([part.in_units(each) if part.in_units else each for part, each in pieces])

    scaled = any(part.in_units for part in parts)
    table = Table({name: Values.of(whole, spec["dtype"])}, {})
    return Inputs(labels, table, [], lambda row: None, in_units if scaled else None)


# -- arrays -----------------------------------------------------------------------------------------
def _chosen(path: Path, inputs: Mapping[str, Any]) -> Arrays:
    """The arrays in a file by the network's inputs: under their names, ``x/NAME`` or, for a single one,
    ``x``, ``x_test``, or the only array that there is."""
    arrays = _single(path) if path.suffix.lower() == ".npy" else read_archive(path)
    chosen = {}
    for name in inputs:
        keys = [name, f"x/{name}", f"x_test/{name}"] if name else ["x", "x_test"]
        if len(inputs) == 1:
            keys += ["x", "x_test", *(list(arrays) if len(arrays) == 1 else ())]
        key = next((key for key in keys if key in arrays), None)
        if key is None:
            wanted = f"x/{name}" if name else "x"
            held = f"it has {summed_up(list(arrays))}" if arrays else "it has none"
            raise CrosstrainError(f"{path} has no array {wanted!r} for the network's input; {held}")
        chosen[name] = arrays[key]
    return chosen


def _single(path: Path) -> Arrays:
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CrosstrainError(f"{path} is not a whole .npy file of a plain array ({error})") from error
    return {"x": array}


def _of_arrays(collected: _Collected, preparation: TrainedPreparation) -> Inputs:
    labels: list[str] = []
    columns: dict[str, list[np.ndarray]] = {name: [] for name in preparation.given}
    for path, arrays in collected.arrays:
        batches = {name: _batched(path, name, array, preparation) for name, array in arrays.items()}
        lengths = {name: len(array) for name, array in batches.items()}
        if len(set(lengths.values())) > 1:
            raise CrosstrainError(f"the arrays in {path} have different numbers of examples ({lengths})")
        count = next(iter(lengths.values()))
        if not count:
            raise CrosstrainError(f"{path} has no examples")
        labels += [f"{path}[{row}]" for row in range(count)]
        for name, array in batches.items():
            columns[name].append(array)
    inputs = {name: _column(name, parts, labels, preparation) for name, parts in columns.items()}
    return Inputs(labels, Table(inputs, {}), collected.notes, _shown(columns))


def _batched(path: str, name: str, array: np.ndarray, preparation: TrainedPreparation) -> np.ndarray:
    """With an axis that counts examples; a single example has none."""
    if array.dtype.kind not in "biuf":
        raise CrosstrainError(f"{path} holds {array.dtype}, not numbers")
    picture = preparation.picture(name)
    shape = tuple(preparation.manifest["inputs"][name]["shape"])
    if picture is None:
        return array[None] if array.shape == shape else array
    single = array.ndim == 2 or (array.ndim == 3 and array.shape[-1] in COLOURS)
    batch = array[None] if single else array
    if batch.ndim not in (3, 4):
        raise CrosstrainError(
            f"{path} has the shape {_sized(array.shape)}; pictures are (N, H, W) or (N, H, W, channels), or "
            "one of them"
        )
    channels = batch.shape[3] if batch.ndim == 4 else 1
    if channels != picture[2] and (channels, picture[2]) not in images.CHANNEL_CHANGES:
        raise CrosstrainError(
            f"{path} has pictures with {channels} channels, and the network takes {picture[2]}; only 1 "
            "(grey), 3 (RGB) and 4 (with alpha) can be converted to 1 or 3"
        )
    return batch


def _column(
    name: str, parts: Sequence[np.ndarray], labels: Sequence[str], preparation: TrainedPreparation
) -> Column:
    picture = preparation.picture(name)
    spec = preparation.manifest["inputs"][name]
    if picture is None or all(part.shape[1:] == picture and part.dtype != np.uint8 for part in parts):
        if any(part.shape[1:] != tuple(spec["shape"]) for part in parts):
            shape = next(part.shape[1:] for part in parts if part.shape[1:] != tuple(spec["shape"]))
            raise CrosstrainError(
                f"an example{f' of {name!r}' if name else ''} has the shape {_sized(shape)}; the network "
                f"takes {_sized(spec['shape'])}"
            )
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return Values.of(whole, spec["dtype"])
    height, width, channels = picture
    starts = np.cumsum([0, *(len(part) for part in parts)])

    def at(row: int) -> np.ndarray:
        part = int(np.searchsorted(starts, row, side="right")) - 1
        one = np.asarray(parts[part][row - starts[part]])
        return one if one.dtype == np.uint8 else one.astype(np.float32)

    return Images(
        lambda row: images.fitted(at(row), (height, width), channels), lambda row: labels[row],
        (height, width, channels), np.arange(int(starts[-1])), original=lambda row: at(row).shape,
    )  # fmt: skip


def _shown(columns: Mapping[str, Sequence[np.ndarray]]) -> Callable[[int], np.ndarray | None]:
    """The pictures in uint8 arrays; there are none in others."""
    parts = next(iter(columns.values()))
    if len(columns) > 1 or any(part.dtype != np.uint8 or part.ndim not in (3, 4) for part in parts):
        return lambda row: None
    starts = np.cumsum([0, *(len(part) for part in parts)])

    def picture(row: int) -> np.ndarray | None:
        part = int(np.searchsorted(starts, row, side="right")) - 1
        one = np.asarray(parts[part][row - starts[part]])
        return images.with_channels(one, 3) if one.ndim == 2 or one.shape[-1] in COLOURS else None

    return picture


def _described(inputs: Mapping[str, Any]) -> str:
    return ", ".join(f"{name or 'an array'} of {_sized(spec['shape'])}" for name, spec in inputs.items())


def _sized(shape: Any) -> str:
    return "×".join(map(str, shape)) or "single numbers"
