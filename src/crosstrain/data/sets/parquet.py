"""``parquet:FILE-or-folder``: tables of pictures with a class each, as Hugging Face's ``datasets`` has them.

A picture is the bytes of a file (PNG, JPEG, …) in a column of bytes, or in the field ``bytes`` of a struct.
Which columns are meant, and what classes are called, is in Hugging Face's description within the tables, else
in the columns' names. Files belong to the part that their names begin with (``train-00000-of-00002.parquet``)
or that a folder is called after.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.images import decoding as images
from crosstrain.data.sets.parquet_tables import (
    MOST_ROWS,
    Columns,
    agreed,
    damage,
    known,
    labels_in,
    opened,
)  # fmt: skip
from crosstrain.data.source import (
    DamagedImage,
    Files,
    Images,
    Request,
    Shape,
    Size,
    Source,
    Table,
    Values,
    labelled,
    summed_up,
)  # fmt: skip
from crosstrain.data.split import PARTS, of_files
from crosstrain.data.targets import labels_of
from crosstrain.errors import CrosstrainError

SUFFIX = ".parquet"
HELD = 4
"""Row groups in memory at a time."""
LOOKED_AT = 64
"""Pictures that are looked at for a size that all have."""


@dataclass
class _Pictures:
    """The bytes of pictures by their number over several files. Several threads may ask."""

    column: Columns
    files: list[Any]
    paths: list[str]
    starts: np.ndarray = field(init=False)
    groups: list[np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        counts = [file.metadata.num_rows for file in self.files]
        self.starts = np.cumsum([0, *counts])
        self.groups = [
            np.cumsum([0, *(file.metadata.row_group(n).num_rows for n in range(file.num_row_groups))])
            for file in self.files
        ]
        self._held: OrderedDict[tuple[int, int], Any] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self.starts[-1])

    def place(self, row: int) -> str:
        file = int(np.searchsorted(self.starts, row, side="right")) - 1
        return f"{self.paths[file]}[{row - int(self.starts[file])}]"

    def read(self, row: int) -> bytes:
        file = int(np.searchsorted(self.starts, row, side="right")) - 1
        inside = row - int(self.starts[file])
        group = int(np.searchsorted(self.groups[file], inside, side="right")) - 1
        try:
            value = self._group(file, group)[inside - int(self.groups[file][group])].as_py()
        except damage() as error:
            raise DamagedImage("the table is damaged there") from error
        if value is None:
            raise DamagedImage("it has no bytes (perhaps only the path of a file elsewhere)")
        return bytes(value)

    def _group(self, file: int, group: int) -> Any:
        """The column of bytes in one row group."""
        with self._lock:
            key = (file, group)
            if key not in self._held:
                name = self.column.picture
                table = self.files[file].read_row_group(
                    group, columns=[f"{name}.bytes" if self.column.inner else name], use_threads=False
                )
                column = table.column(name).combine_chunks()
                self._held[key] = column.field("bytes") if self.column.inner else column
                while len(self._held) > HELD:
                    self._held.popitem(last=False)
            self._held.move_to_end(key)
            return self._held[key]


def files(location: Path) -> Files:
    """The file, or every Parquet file below the folder."""
    return [(_relative(location, path), path) for paths in _parts(location).values() for path in paths]


def read(location: Path, request: Request) -> Source:
    """RGB pictures (grey on request): the largest centre crop with the requested aspect ratio, resized."""
    with ExitStack() as stack:
        tables, classes, warnings = _tables(location, request, stack)
        labels = tables["train"].targets[""]
        assert isinstance(labels, Values)
        parts, notes = of_files(tables, labels.array, request.seed, "file")
        return Source(parts, {"": classes}, [*warnings, *notes], stack.pop_all().close)


# -- files ------------------------------------------------------------------------------------------
def _parts(location: Path) -> dict[str, list[Path]]:
    """The files of each part; all are for training where none says otherwise."""
    if location.is_file():
        return {"train": [location]}
    paths = sorted(
        path for path in location.rglob(f"*{SUFFIX}")
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(location).parts)
    )  # fmt: skip
    if not paths:
        raise CrosstrainError(f"there are no {SUFFIX} files in {location}")
    by_part: dict[str, list[Path]] = {}
    for path in paths:
        by_part.setdefault(_part_of(path.relative_to(location)), []).append(path)
    unnamed = by_part.pop("", [])
    if not by_part:
        return {"train": unnamed}
    if unnamed:
        raise CrosstrainError(
            f"{location}: {summed_up([path.name for path in unnamed])} do not say whether they are for "
            "train, validation or test; name them as train-….parquet, or put them into folders of these names"
        )
    if "train" not in by_part:
        raise CrosstrainError(f"{location} has files for {', '.join(by_part)}, and none for train")
    return by_part


def _part_of(path: Path) -> str:
    """The part that a file's name begins with, or a folder's above it is; "" where nothing says so."""
    first = re.split(r"[-_.]", path.stem)[0].lower()
    words = [first, *(folder.lower() for folder in reversed(path.parts[:-1]))]
    return next((PARTS[word] for word in words if word in PARTS), "")


def _relative(location: Path, path: Path) -> str:
    return path.name if path == location else path.relative_to(location).as_posix()


def _tables(
    location: Path, request: Request, stack: ExitStack
) -> tuple[dict[str, Table], Sequence[str], list[str]]:
    """The tables of the parts that the files are named after, the classes, and warnings."""
    columns: Columns | None = None
    pictures: dict[str, _Pictures] = {}
    labels: dict[str, np.ndarray] = {}
    warnings: list[str] = []
    for part, paths in _parts(location).items():
        content = [stack.enter_context(opened(path)) for path in paths]
        for path, file in zip(paths, content, strict=True):
            columns = agreed(path, file, columns, warnings)
        assert columns is not None
        labels[part] = np.concatenate(
            [labels_in(path, file, columns) for path, file in zip(paths, content, strict=True)]
        )
        pictures[part] = _Pictures(columns, content, [_relative(location, path) for path in paths])
        if sum(map(len, pictures.values())) > MOST_ROWS:
            raise CrosstrainError(f"{location} claims more than {MOST_ROWS:,} rows")
    assert columns is not None
    kept = {part: np.flatnonzero(known(array)) for part, array in labels.items()}
    for part, rows in list(kept.items()):
        if without := len(labels[part]) - len(rows):
            warnings.append(f"{without:,} of {len(labels[part]):,} rows for {part} have no class; left out")
        if not len(rows):
            if part == "train":
                raise CrosstrainError(f"{location} has no rows with a class for train")
            del kept[part]
    values, classes = _classes(location, {part: labels[part][rows] for part, rows in kept.items()}, columns)
    size = request.size or _own_size(location, pictures["train"], kept["train"])
    tables = {
        part: labelled(_column(pictures[part], kept[part], size, request), values[part]) for part in kept
    }
    return tables, classes, warnings


def _classes(
    location: Path, labels: Mapping[str, np.ndarray], columns: Columns
) -> tuple[dict[str, np.ndarray], Sequence[str]]:
    """Labels as numbers, and what the classes are called."""
    if columns.names and all(array.dtype.kind == "i" for array in labels.values()):
        return dict(labels), columns.names
    result = labels_of(location, columns.label, labels)
    return {part: values.array.astype(np.int64) for part, values in result.values.items()}, result.classes


# -- pictures ---------------------------------------------------------------------------------------
def _own_size(location: Path, pictures: _Pictures, rows: np.ndarray) -> Size:
    """The size that pictures have, of some that are looked at; ``CrosstrainError`` where they differ."""
    sizes = set()
    for row in rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), LOOKED_AT)).astype(int))]:
        try:
            sizes.add(images.decode(pictures.read(int(row))).shape[:2])
        except DamagedImage:
            continue  # told when it is prepared
    if len(sizes) != 1:
        what = "differ in size" if sizes else "cannot be read"
        raise CrosstrainError(f"the images in {location} {what}: give one size for all, such as 64")
    height, width = sizes.pop()
    return height, width


def _column(pictures: _Pictures, rows: np.ndarray, size: Size, request: Request) -> Images:
    channels, whole_size = request.channels or 3, None if request.size else size

    def whole(row: int) -> np.ndarray:
        return images.decode(pictures.read(row))

    def picture(row: int) -> np.ndarray:
        one = whole(row)
        if whole_size and one.shape[:2] != whole_size:
            height, width = whole_size
            raise DamagedImage(
                f"it has {one.shape[0]}x{one.shape[1]} pixels, others {height}x{width}: give one size for all"
            )
        return images.cropped(one, size, channels)

    return Images(picture, pictures.place, (*size, channels), rows, original=_original(whole))


def _original(whole: Callable[[int], np.ndarray]) -> Callable[[int], Shape | None]:
    def original(row: int) -> Shape | None:
        try:
            return whole(row).shape
        except DamagedImage:
            return None

    return original
