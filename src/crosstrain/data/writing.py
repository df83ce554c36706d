"""Writes a table's columns into memory-mapped ``.npy`` files, pictures on all cores, in a fixed order."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from crosstrain.data.images.decoding import one_by_one
from crosstrain.data.prepared import array_file
from crosstrain.data.source import DamagedImage, Images, Table, Values
from crosstrain.errors import CrosstrainError

CHUNK = 64
"""Pictures that a thread makes before it reports."""
MOST_THREADS = 16
"""Beyond it they wait for Python's lock."""
_CHUNK_BYTES = 1 << 24
Damage = list[tuple[int, str]]
"""Positions of pictures that cannot be used, each with a sentence's part that names it and says why."""


@dataclass
class Meter:
    """Counts examples over all columns and reports the progress."""

    total: int
    progress: Callable[[int, int, str], None] | None = None
    what: str = "preparing"
    done: int = 0

    def advance(self, examples: int) -> None:
        self.done += examples
        if self.progress is not None:
            self.progress(self.done, self.total, self.what)


@dataclass
class Written:
    """What came of a split: how many examples there are, and what was left out, in words and as positions."""

    examples: int
    damaged: list[str] = field(default_factory=list)
    left_out: list[int] = field(default_factory=list)


def write_table(folder: Path, split: str, table: Table, meter: Meter) -> Written:
    """Write every column of ``table`` and drop the examples that have a damaged picture.

    Raises ``CrosstrainError`` where values are not finite, ``OSError`` where the disk is full.
    """
    damage: dict[int, str] = {}
    paths = []
    for kind, name, column in table.columns:
        path = folder / array_file(split, kind, name)  # type: ignore[arg-type]
        out = create(path, (len(column), *column.shape), column.dtype)
        if isinstance(column, Images):
            damage.update(_write_images(column, out, meter if kind == "input" else Meter(0)))
        else:
            _write_values(column, out, f"{kind} {name!r}" if name else f"the {kind}s", split)
            meter.advance(len(column) if kind == "input" else 0)
        out.flush()  # a power cut must not leave zeros behind a manifest that says all is there
        paths.append(path)
    if damage:
        sound = np.setdiff1d(np.arange(len(table)), np.fromiter(damage, int))
        for path in paths:
            _keep_rows(path, sound)
    left_out = sorted(damage)
    return Written(len(table) - len(damage), [damage[position] for position in left_out], left_out)


def create(path: Path, shape: tuple[int, ...], dtype: str) -> np.memmap:
    """A new memory-mapped ``.npy`` whose room on the disk is already taken.

    A mapped file that outgrows the disk would kill the process by a signal, so this raises ``OSError``.
    """
    out: np.memmap = np.lib.format.open_memmap(path, "w+", np.dtype(dtype), shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, max(1, path.stat().st_size))
    return out


def _write_images(column: Images, out: np.ndarray, meter: Meter) -> Damage:
    def make(start: int) -> Damage:
        damage, sound, pictures = [], [], []
        for position in range(start, min(start + CHUNK, len(column))):
            row = int(column.rows[position])
            try:
                pictures.append(column.picture(row))
            except DamagedImage as reason:
                damage.append((position, f"{column.label(row)} ({reason})"))
            else:
                sound.append(position)
        if pictures:
            batch = column.after(np.stack(pictures))
            rows = slice(start, start + len(batch)) if not damage else sound
            out[rows] = batch / np.float32(255) if batch.dtype == np.uint8 else batch
        return damage

    starts = range(0, len(column), CHUNK)
    damage: Damage = []
    with one_by_one(), ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as pool:
        try:
            for start, damages in zip(starts, pool.map(make, starts), strict=True):
                damage += damages
                meter.advance(min(CHUNK, len(column) - start))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return damage


def _write_values(column: Values, out: np.ndarray, what: str, split: str) -> None:
    rows = max(1, _CHUNK_BYTES // max(1, int(np.prod(column.shape)) * out.itemsize))
    unusable = 0
    for start in range(0, len(column), rows):
        part = column.array[column.rows[start : start + rows]]
        with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and is counted
            out[start : start + rows] = part
        if out.dtype.kind == "f":
            finite = np.isfinite(out[start : start + rows]).reshape(len(part), -1).all(axis=1)
            unusable += int(len(part) - finite.sum())
    if unusable:
        raise CrosstrainError(
            f"{what}: {unusable} of {len(column)} examples for {split} hold NaN or infinite values"
        )


def _keep_rows(path: Path, rows: np.ndarray) -> None:
    """Leave only ``rows`` in the array at ``path``."""
    old: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    shorter = path.with_suffix(".shorter")
    new = create(shorter, (len(rows), *old.shape[1:]), old.dtype.str)
    for start in range(0, len(rows), 1024):
        new[start : start + 1024] = old[rows[start : start + 1024]]
    new.flush()
    del old, new
    shorter.replace(path)


def inputs_total(tables: list[Table]) -> int:
    """What a ``Meter`` counts to: the examples of all input columns."""
    return sum(len(column) for table in tables for column in table.inputs.values())
