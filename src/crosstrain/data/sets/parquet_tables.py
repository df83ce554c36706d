"""Parquet files as tables, by pyarrow: opening them, which columns are meant, the classes of rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.source import summed_up
from crosstrain.errors import CrosstrainError

PICTURES = ("image", "img", "picture", "images")
LABELS = ("label", "fine_label", "labels", "class", "target", "y")
"""Names of columns, the likelier first, where a table does not say what they hold or has several such."""
MOST_ROWS = 1 << 26
"""Of all files; a small file may claim any number."""
LARGEST_GROUP = 1 << 32
"""Bytes of a row group, which is read as a whole."""


@dataclass(frozen=True)
class Columns:
    """The columns that are meant, and their types; ``inner`` where pictures lie in a struct, ``names`` of the
    classes where the table has them."""

    picture: str
    label: str
    inner: bool
    names: tuple[str, ...] | None
    types: tuple[Any, Any]


def opened(path: Path) -> Any:
    """The ``pyarrow.parquet.ParquetFile`` at ``path``. ``CrosstrainError`` where it is none, or claims more
    than can be."""
    parquet = _pyarrow()
    try:
        file = parquet.ParquetFile(path, memory_map=True, page_checksum_verification=True)
    except damage() as error:
        raise CrosstrainError(f"{path} is not a whole Parquet file ({_reason(error)})") from error
    groups = range(file.num_row_groups)
    if file.metadata.num_rows > MOST_ROWS or any(
        file.metadata.row_group(n).total_byte_size > LARGEST_GROUP for n in groups
    ):
        file.close()
        raise CrosstrainError(
            f"{path} claims more than {MOST_ROWS:,} rows, or {LARGEST_GROUP >> 30} GiB in a row group"
        )
    return file


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise CrosstrainError(
            "Parquet files are read by pyarrow, which is not installed: pip install 'crosstrain[parquet]'"
        ) from error
    return pyarrow.parquet


def damage() -> tuple[type[BaseException], ...]:
    """What pyarrow raises on files that are not whole, or hold what their description does not say."""
    import pyarrow

    lookup = KeyError, IndexError
    return (pyarrow.ArrowException, OSError, ValueError, TypeError, *lookup, MemoryError, OverflowError)


def _reason(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


def agreed(path: Path, file: Any, columns: Columns | None, warnings: list[str]) -> Columns:
    """The columns of the first file, which all others must have too."""
    schema = file.schema_arrow
    if columns is None:
        return _chosen(path, schema, warnings)
    for name, kind in zip((columns.picture, columns.label), columns.types, strict=True):
        if schema.get_field_index(name) < 0 or schema.field(name).type != kind:
            raise CrosstrainError(
                f"{path} has no column {name!r} of the type {kind}, as the other files have"
            )
    return columns


def _chosen(path: Path, schema: Any, warnings: list[str]) -> Columns:
    import pyarrow.types as kinds

    described = _described(schema.metadata)
    types = {f.name: f.type for f in schema}
    inner = {
        name: bool(kinds.is_struct(kind)) and kind.get_field_index("bytes") >= 0
        for name, kind in types.items()
    }
    holds_bytes = lambda kind: kinds.is_binary(kind) or kinds.is_large_binary(kind)
    pictures = [
        name for name, kind in types.items()
        if holds_bytes(kind.field("bytes").type if inner[name] else kind)
    ]  # fmt: skip
    says = lambda name, kind: described.get(name, {}).get("_type") == kind
    stated = [name for name in pictures if says(name, "Image")]
    picture = _one(stated or pictures, PICTURES)
    if picture is None:
        raise CrosstrainError(
            f"{path} has no column of pictures (bytes of image files); it has {_listed(types)}"
        )
    classes = [name for name in types if says(name, "ClassLabel")]
    classes = classes or [name for name in LABELS if name in types]
    label = _one(classes, LABELS)
    if label is None:
        raise CrosstrainError(
            f"{path} has no column of classes, called {', '.join(LABELS)}; it has {_listed(types)}"
        )
    for what, several, one in (("pictures", stated or pictures, picture), ("classes", classes, label)):
        if len(several) > 1:
            warnings.append(f"of the columns of {what}, {summed_up(several)}, {one} was taken")
    return Columns(
        picture, label, inner[picture], _texts(described.get(label, {}).get("names")),
        (types[picture], types[label]),
    )  # fmt: skip


def _texts(names: Any) -> tuple[str, ...] | None:
    """Names of classes; None for anything else."""
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return None
    return tuple(names)


def _one(names: Sequence[str], preferred: Sequence[str]) -> str | None:
    return next((name for name in preferred if name in names), names[0] if names else None)


def _listed(types: Mapping[str, Any]) -> str:
    return summed_up([f"{name} ({str(kind)[:40]})" for name, kind in types.items()]) or "no columns"


def _described(metadata: Any) -> dict[str, dict[str, Any]]:
    """Hugging Face's description of the columns; {} where there is none that can be read."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {name: each for name, each in features.items() if isinstance(each, dict)}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def labels_in(path: Path, file: Any, columns: Columns) -> np.ndarray:
    """A class for each row: int64 (below 0: none), or texts ("": none)."""
    import pyarrow as pa
    import pyarrow.types as kinds

    try:
        column = file.read(columns=[columns.label], use_threads=False).column(columns.label).combine_chunks()
        if kinds.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if kinds.is_integer(column.type) or kinds.is_boolean(column.type):
            numbers: np.ndarray = column.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
            return numbers
        if kinds.is_string(column.type) or kinds.is_large_string(column.type):
            return np.asarray(column.fill_null("").to_pylist(), dtype=np.str_)
    except damage() as error:
        raise CrosstrainError(
            f"{path}: the column {columns.label!r} cannot be read ({_reason(error)})"
        ) from error
    raise CrosstrainError(
        f"{path}: the column {columns.label!r} holds {column.type}; classes are integers or texts"
    )


def known(labels: np.ndarray) -> np.ndarray:
    """Which rows have a class."""
    having: np.ndarray = labels != "" if labels.dtype.kind == "U" else labels >= 0
    return having
