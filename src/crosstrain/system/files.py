"""Files that are either whole or not there, and a full disk reported in one sentence."""

from __future__ import annotations

import errno
import json
import math
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from crosstrain.errors import StorageError

TEMPORARY = ".tmp"
"""How the names of unfinished files end; they are never read and may be deleted."""

FULL = (errno.ENOSPC, errno.EDQUOT)
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your disk quota is used up",
    errno.EFBIG: "the file would be larger than the system allows",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "you have no right to write there",
    errno.EPERM: "you have no right to write there",
    errno.EIO: "the disk reports an error",
    errno.ENOTDIR: "a part of that path is a file, not a folder",
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Within it, an ``OSError`` about the disk becomes a ``StorageError`` that names ``path``."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno not in _REASONS:
            raise
        raise StorageError(
            f"cannot write {path}: {_REASONS[error.errno]}; what was finished before is kept, "
            "make room and run the same command again"
            if error.errno in FULL
            else f"cannot write {path}: {_REASONS[error.errno]}"
        ) from error


def write_whole(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Give ``write`` a temporary file and rename it to ``path`` when all of it is on the disk.

    Readers see the old file or the new one, never a part; on failure the temporary one is removed.
    Raises ``StorageError`` where the disk does not take it.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    with storage_errors(path):
        try:
            with temporary.open("wb") as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
            _sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_json(path: Path, data: Any) -> None:
    """``data`` as indented JSON, whole or not at all; what is no number becomes null."""
    text = json.dumps(_finite(data), indent=1, allow_nan=False)
    write_bytes(path, text.encode())


def _finite(data: Any) -> Any:
    if isinstance(data, float) and not math.isfinite(data):
        return None
    if isinstance(data, Mapping):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return data


def write_bytes(path: Path, data: bytes) -> None:
    """``data``, whole or not at all."""

    def write(stream: IO[bytes]) -> None:
        stream.write(data)

    write_whole(path, write)


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """``arrays`` as an uncompressed ``.npz`` without pickles, whole or not at all."""

    def write(stream: IO[bytes]) -> None:
        # Not np.savez: it takes arrays as keywords, and a weight may be called ``file``.
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)

    write_whole(path, write)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """All arrays of an ``.npz``; never a pickle."""
    # Opened here, since NumPy leaves the file open where it is damaged.
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def arrays_if_whole(path: Path) -> dict[str, np.ndarray]:
    """Likewise; empty where the file is missing, torn or no archive."""
    try:
        return read_arrays(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}


def remove_temporaries(folder: Path) -> int:
    """Delete the unfinished files of dead writers in ``folder`` and return how many there were."""
    temporaries = list(folder.glob(f"*{TEMPORARY}"))
    for path in temporaries:
        path.unlink(missing_ok=True)
    return len(temporaries)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def slug(text: str) -> str:
    """A short name for files: the last part of a path, letters, digits, ``-`` and ``_`` only."""
    base = Path(text).name
    return (
        "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in base).strip("-_")[:40]
        or "network"
    )


def anonymous_file() -> IO[bytes]:
    """A file without a name, for processes that are given its descriptor; in memory where the system has
    such."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("crosstrain"), "r+b")
    return tempfile.TemporaryFile()
