"""``prepare``: from a data set's spec to its folder in the cache. Reads, checks, writes, each once."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.augmentation.evaluation import evaluation_form
from crosstrain.data.cache import Cache, Progress
from crosstrain.data.images import label_maps
from crosstrain.data.images.decoding import one_by_one
from crosstrain.data.images.steps import STANDARDIZE, Step, parse_steps, prepared_table, standardize
from crosstrain.data.prepared import (
    FORMAT,
    MANIFEST,
    SPLITS,
    VOID,
    Prepared,
    array_file,
    kept_file,
    owners_name,
)
from crosstrain.data.registry import DataSet, options_of, parse
from crosstrain.data.resemblance import original_sizes
from crosstrain.data.source import Column, Images, Request, Source, Table, summed_up
from crosstrain.data.writing import Meter, Written, inputs_total, write_table
from crosstrain.detection.truths import NUMBERS, present
from crosstrain.errors import CrosstrainError
from crosstrain.system.files import write_json

DAMAGE_LIMIT = 0.05
"""The share of damaged pictures above which a data set is refused: it is no longer what it says it is."""
LARGEST_SIZE = 4096


def prepare(
    spec: str,
    *,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    seed: int = 0,
    steps: str | None = None,
    split: str | None = None,
    limit: int | None = None,
    augmentation: Mapping[str, Any] | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """The data set ``spec`` (``digits``, ``mnist:DIR``, …), ready as memory-mapped arrays.

    ``size`` is that of the pictures, (height, width) or one number for both, in pixels; ``channels`` 1
    (grey) or 3 (RGB); None leaves the data's own. ``seed`` decides which examples are held out, ``split``
    how (``random`` for gtsrb: without regard to tracks; ``time``: what comes later). ``steps`` are further
    ones, as ``clahe,standardize`` (``crosstrain.data.images.steps``). ``limit`` keeps at most so many
    examples of each class in each of train, validation and test, for trials: the same ones for the same seed,
    and those of a smaller limit among those of a larger. Under an ``augmentation``
    (``crosstrain.training.augmentation``), the data set is what evaluation sees: cropped, normalised.
    ``cache`` is the cache's folder; ``progress(done, total, what)`` is called now and then. Raises
    ``CrosstrainError`` for a source that cannot be used, ``StorageError`` where the disk is full.
    """
    row, location = parse(spec)
    request = Request(
        _checked_size(size), _checked_channels(channels), int(seed), _checked_split(row, split),
        _checked_limit(limit), options_of(spec),
    )  # fmt: skip
    further = parse_steps(steps)
    store = Cache(cache)
    content = store.content_hash(row.reader().files(location), progress)
    key = _key(row.name, content, request, further)

    def fill(folder: Path) -> None:
        _fill(folder, spec, key, row, location, request, further, progress)

    obtained = store.obtain(f"{row.name}-{key[:32]}", fill)
    prepared = Prepared(obtained.folder, {**obtained.manifest, "spec": spec}, obtained.cached)
    return evaluation_form(prepared, augmentation or {}, store)


def _key(name: str, content: str, request: Request, steps: tuple[Step, ...]) -> str:
    settings: dict[str, Any] = {
        "format": FORMAT,
        "data": name,
        "content": content,
        "size": request.size,
        "channels": request.channels,
    }
    if steps:
        settings["steps"] = list(map(str, steps))
    if request.split:
        settings["split"] = request.split
    if request.limit is not None:
        settings["limit"] = request.limit
    if request.options:
        settings["options"] = dict(request.options)
    return hashlib.sha256(json.dumps({**settings, "seed": request.seed}, sort_keys=True).encode()).hexdigest()


def _checked_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    both = tuple(size) if isinstance(size, tuple | list) else (size, size)
    if len(both) != 2 or not all(isinstance(n, int | np.integer) and 0 < n <= LARGEST_SIZE for n in both):
        raise CrosstrainError(f"a picture's size is a number of pixels from 1 to {LARGEST_SIZE}, not {size}")
    return int(both[0]), int(both[1])


def _checked_channels(channels: int | None) -> int | None:
    if channels not in (None, 1, 3):
        raise CrosstrainError(f"pictures can have 1 channel (grey) or 3 (RGB), not {channels}")
    return channels


def _checked_split(row: DataSet, split: str | None) -> str:
    if split and split not in row.splits:
        known = ", ".join(row.splits) or "no other than its own"
        raise CrosstrainError(f"{row.name} has no split {split!r}; it has {known}")
    return split or ""


def _checked_limit(limit: int | None) -> int | None:
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int | np.integer) or limit < 1:
        raise CrosstrainError(f"a limit is a number of examples of each class, 1 or more, not {limit!r}")
    return int(limit)


def _fill(
    folder: Path, spec: str, key: str, row: DataSet, location: Path, request: Request,
    steps: tuple[Step, ...], progress: Progress | None,
) -> None:  # fmt: skip
    start = time.perf_counter()
    with closing(row.read(location, request)) as source:
        for split in SPLITS:
            if len(source.splits[split]) == 0:
                raise CrosstrainError(f"{spec} has no examples for {split}: it has too few of them")
        with one_by_one():
            sizes = original_sizes(source.splits["train"])
        for name, array in source.kept.items():
            np.save(folder / kept_file(name), array)
        tables = {split: prepared_table(source.splits[split], steps) for split in SPLITS}
        meter = Meter(inputs_total(list(tables.values())), progress, "preparing")
        written = {split: write_table(folder, split, tables[split], meter) for split in SPLITS}
        for split, owners in source.owners.items():
            np.save(folder / kept_file(owners_name(split)), np.delete(owners, written[split].left_out))
    table = tables["train"]
    scaled = standardize(folder, table.inputs) if any(s.name == STANDARDIZE for s in steps) else {}
    warnings = [*source.warnings, *_damage_warnings(spec, written)]
    counts = _class_counts(folder, spec, source)
    by_pixel, frequencies = _pixel_counts(folder, spec, source, written)
    by_box = _box_counts(folder, spec, source)
    warnings += _class_warnings({**counts, **by_pixel, **by_box}, source.classes)
    single = next(iter(source.classes)) if len(source.classes) == 1 else None
    write_json(
        folder / MANIFEST,
        {
            "format": FORMAT,
            "spec": spec,
            "hash": key,
            "task": _task(source, table),
            "classes": list(source.classes[single]) if single is not None else [],
            "inputs": {name: _input_spec(name, column, source) for name, column in table.inputs.items()},
            "targets": {name: _target_spec(name, c, source) for name, c in table.targets.items()},
            "splits": {split: result.examples for split, result in written.items()},
            "class_counts": counts.get(single or "", {}),
            "pixel_counts": by_pixel.get(single or "", {}),
            "box_counts": by_box.get(single or "", {}),
            "class_frequency": frequencies.get(single or "", []),
            "steps": list(map(str, steps)),
            "pictures": {
                name: list(column.shape)
                for name, column in source.splits["train"].inputs.items()
                if isinstance(column, Images) and name not in source.regions
            },
            "original_sizes": sizes,
            "split": request.split,
            "limit": request.limit,
            "standardized": scaled,
            "facts": dict(source.facts),
            "prepare_seconds": round(time.perf_counter() - start, 3),
            "warnings": warnings,
        },
    )


def _task(source: Source, table: Table) -> str:
    if source.task:
        return source.task
    if any(isinstance(column, Images) for column in table.targets.values()):
        return "segmentation"
    return "classification" if set(source.classes) == set(table.targets) else "regression"


def _input_spec(name: str, column: Column, source: Source) -> dict[str, Any]:
    spec: dict[str, Any] = {"shape": list(column.shape), "dtype": column.dtype}
    if name in source.regions:
        spec["regions"] = True
    return {**spec, "vocabulary": source.vocabulary[name]} if name in source.vocabulary else spec


def _target_spec(name: str, column: Column, source: Source) -> dict[str, Any]:
    classes = len(source.classes[name]) if name in source.classes else None
    void = {"void": VOID} if isinstance(column, Images) else {}
    return {
        "shape": list(column.shape),
        "dtype": column.dtype,
        "classes": classes,
        **void,
        **source.specs.get(name, {}),
    }


def _damage_warnings(spec: str, written: Mapping[str, Written]) -> list[str]:
    damaged = [what for result in written.values() for what in result.damaged]
    if not damaged:
        return []
    total = len(damaged) + sum(result.examples for result in written.values())
    warning = f"{len(damaged)} of {total} images are damaged: {summed_up(damaged)}"
    if len(damaged) > DAMAGE_LIMIT * total:
        raise CrosstrainError(f"{spec}: {warning}; more than {DAMAGE_LIMIT:.0%} is too many to train on")
    for split, result in written.items():
        if result.examples == 0:
            raise CrosstrainError(f"{spec}: all images for {split} are damaged")
    return [f"{warning}; left out"]


def _class_counts(folder: Path, spec: str, source: Source) -> dict[str, dict[str, list[int]]]:
    """Examples by class for each target whose label is one number; all labels are checked."""
    counts: dict[str, dict[str, list[int]]] = {}
    for name, classes in source.classes.items():
        if isinstance(source.splits["train"].targets[name], Images) or name in source.boxes:
            continue  # pixels and boxes are counted apart
        for split in SPLITS:
            labels = np.load(folder / array_file(split, "target", name), mmap_mode="r", allow_pickle=False)
            if labels.dtype.kind != "i":
                continue  # one-hot rows
            outside = int(np.count_nonzero((labels < 0) | (labels >= len(classes))))
            if outside:
                raise CrosstrainError(
                    f"{spec}: {outside} labels for {split} are outside 0..{len(classes) - 1}"
                )
            if labels.ndim == 1:
                counts_of_split = np.bincount(labels, minlength=len(classes))
                counts.setdefault(name, {})[split] = counts_of_split.tolist()
        if name in counts and np.count_nonzero(counts[name]["train"]) < 2:
            raise CrosstrainError(
                f"{spec}: all examples for training are of one class; there is nothing to learn"
            )
    return counts


def _pixel_counts(
    folder: Path, spec: str, source: Source, written: Mapping[str, Written]
) -> tuple[dict[str, dict[str, list[int]]], dict[str, list[float]]]:
    """Of label maps, pixels by class in each split, and each class's frequency in training: its share of the
    labelled pixels of the maps in which it occurs (Eigen and Fergus 2015, section 6.3.2)."""
    counts: dict[str, dict[str, list[int]]] = {}
    frequencies: dict[str, list[float]] = {}
    for name, classes in source.classes.items():
        if not isinstance(source.splits["train"].targets[name], Images):
            continue
        for split in SPLITS:
            maps = np.load(folder / array_file(split, "target", name), mmap_mode="r", allow_pickle=False)
            own, of_maps = label_maps.counts(maps, len(classes))
            counts.setdefault(name, {})[split] = own.tolist()
            if not own.any() and written[split].examples:
                raise CrosstrainError(f"{spec}: all pixels for {split} are void; there is nothing to learn")
            if split == "train":
                frequencies[name] = (own / np.maximum(of_maps, 1)).tolist()
        if np.count_nonzero(counts[name]["train"]) < 2:
            raise CrosstrainError(
                f"{spec}: all pixels for training are of one class; there is nothing to learn"
            )
    return counts, frequencies


def _box_counts(folder: Path, spec: str, source: Source) -> dict[str, dict[str, list[int]]]:
    """Of boxes how many each class has in each split."""
    counts: dict[str, dict[str, list[int]]] = {}
    for name in source.boxes:
        for split in SPLITS:
            rows = np.load(folder / array_file(split, "target", name), mmap_mode="r", allow_pickle=False)
            numbers = present(rows.reshape(-1, NUMBERS))[:, 4].astype(np.int64)
            counts.setdefault(name, {})[split] = np.bincount(
                numbers, minlength=len(source.classes[name])
            ).tolist()
        if not sum(counts[name]["train"]):
            raise CrosstrainError(f"{spec} has no boxes for training; there is nothing to learn")
    return counts


def _class_warnings(counts: Mapping[str, Mapping[str, list[int]]], classes: Mapping[str, Any]) -> list[str]:
    warnings = []
    for name, by_split in counts.items():
        for split in SPLITS:
            empty = [label for label, count in zip(classes[name], by_split[split], strict=True) if count == 0]
            if empty:
                empty_share = (
                    f"{len(empty)} of {len(by_split[split])} classes{f' of {name!r}' if name else ''}"
                )
                warnings.append(f"{empty_share} have no example for {split}: {summed_up(empty)}")
    return warnings
