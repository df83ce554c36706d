"""Arrays from ``.npz`` files and folders of ``.npy`` files; never a pickle."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from crosstrain.errors import CrosstrainError

KINDS = "biufUS"
"""Booleans, integers, floats, and text for the names of classes."""
_DAMAGED = (
    OSError, ValueError, EOFError, KeyError, TypeError, SyntaxError, MemoryError, OverflowError, RuntimeError,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip
"""What NumPy and zipfile raise on files that are not whole: NumPy parses an array's header as Python's
literals, and believes the length that it says. ``RuntimeError`` is raised for encrypted members."""


def read_archive(path: Path, wanted: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of the ``.npz`` at ``path``, all or those ``wanted``. Raises ``CrosstrainError``."""
    try:
        with path.open("rb") as stream:  # opened here: np.load forgets to close what it cannot read
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise CrosstrainError(
                    f"{path} holds a single array; an .npz file with named arrays is needed"
                )
            names = list(archive.files if wanted is None else wanted)
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise CrosstrainError(
                    f"{path} lacks the array {missing[0]!r}; it has {', '.join(archive.files)}"
                )
            return {name: _plain(path, name, _member(archive, path, name)) for name in names}
    except CrosstrainError:
        raise
    except _DAMAGED as error:
        raise CrosstrainError(
            f"{path} is not a whole .npz file of plain arrays ({_reason(error)})"
        ) from error


def read_folder(folder: Path) -> dict[str, np.ndarray]:
    """All ``.npy`` files below ``folder``, memory-mapped, by their paths without suffix."""
    arrays = {}
    for path in sorted(folder.rglob("*.npy")):
        try:
            array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        except _DAMAGED as error:
            raise CrosstrainError(
                f"{path} is not a whole .npy file of a plain array ({_reason(error)})"
            ) from error
        name = path.relative_to(folder).with_suffix("").as_posix()
        arrays[name] = _plain(folder, name, array)
    return arrays


def _member(archive: np.lib.npyio.NpzFile, path: Path, name: str) -> np.ndarray:
    try:
        array: np.ndarray = archive[name]
    except _DAMAGED as error:
        raise CrosstrainError(f"{path}: the array {name!r} cannot be read ({_reason(error)})") from error
    return array


def _plain(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in KINDS:
        raise CrosstrainError(
            f"{path}: {name!r} is not an array of numbers (its dtype is {getattr(array, 'dtype', '?')})"
        )
    if array.dtype.kind == "U" and not _is_text(array):
        raise CrosstrainError(f"{path}: {name!r} is damaged: its text has invalid characters")
    return array


def _is_text(array: np.ndarray) -> bool:
    """Whether all code points are characters; NumPy looks at none when it reads them."""
    if not array.size or not array.dtype.itemsize:
        return True
    points = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("=")).view(np.uint32)
    return bool(((points < 0xD800) | ((points > 0xDFFF) & (points <= 0x10FFFF))).all())


def _reason(error: BaseException) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    objects = "pickle" in text or "Python objects" in text
    return "it holds Python objects, which are refused" if objects else text
