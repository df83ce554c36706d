"""``mnist:DIR``: MNIST as its four idx files, gzipped or not. Also the reader of the idx format.

Format and data: Y. LeCun, C. Cortes, C. Burges, The MNIST database of handwritten digits. 10 % of the 60,000
training images are held out for validation, stratified; the 10,000 test images are the official ones.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

import numpy as np

from crosstrain.data.images.pictures import in_memory
from crosstrain.data.source import Files, Request, Source, Table, labelled
from crosstrain.data.split import held_out
from crosstrain.errors import CrosstrainError

PARTS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
DIGITS = tuple("0123456789")
UNSIGNED_BYTES = 0x08
HELD_OUT = 0.1


def files(location: Path) -> Files:
    """The four files, whichever way they are written; names the first that is missing."""
    if not location.is_dir():
        raise CrosstrainError(
            f"{location} is not a folder; give the folder that holds {PARTS['train'][0]}.gz"
        )
    return [(name, find(location, name)) for names in PARTS.values() for name in names]


def find(folder: Path, name: str) -> Path:
    """The file called ``name``, with ``.gz`` or without; some copies write ``.idx`` for ``-idx``."""
    for form in (name, name.replace("-idx", ".idx")):
        for path in (folder / f"{form}.gz", folder / form):
            if path.is_file():
                return path
    raise CrosstrainError(f"{folder} has no file {name}.gz (or {name})")


def read(location: Path, request: Request, classes: Sequence[str] = DIGITS) -> Source:
    """Grey pictures with a class each."""
    train, labels = _part(location, "train", request, classes)
    test, _ = _part(location, "test", request, classes)
    train_rows, validation_rows = held_out(labels, HELD_OUT, request.seed)
    splits = {"train": train.take(train_rows), "validation": train.take(validation_rows), "test": test}
    return Source(splits, {"": classes})


def _part(folder: Path, part: str, request: Request, classes: Sequence[str]) -> tuple[Table, np.ndarray]:
    pictures_path, labels_path = (find(folder, name) for name in PARTS[part])
    pictures, labels = read_idx(pictures_path, 3), read_idx(labels_path, 1)
    if len(pictures) != len(labels):
        raise CrosstrainError(
            f"{pictures_path} has {len(pictures)} images, but {labels_path.name} {len(labels)} labels"
        )
    outside = int(np.count_nonzero(labels >= len(classes)))
    if outside:
        raise CrosstrainError(f"{labels_path}: {outside} labels are outside 0..{len(classes) - 1}")
    name = pictures_path.name
    return labelled(in_memory(pictures, request, lambda row: f"image {row} of {name}"), labels), labels


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """The uint8 array with so many dimensions in an idx file; ``CrosstrainError`` unless it is whole."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            return _array(cast("IO[bytes]", stream), path, dimensions)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CrosstrainError(
            f"{path} is a damaged or truncated gzip file ({error}); fetch it again"
        ) from error
    except OSError as error:
        raise CrosstrainError(f"{path} cannot be read ({error.strerror})") from error


def _array(stream: IO[bytes], path: Path, dimensions: int) -> np.ndarray:
    head = stream.read(4 + 4 * dimensions)
    wanted = bytes((0, 0, UNSIGNED_BYTES, dimensions))
    if head[:4] != wanted:
        raise CrosstrainError(
            f"{path} is not an idx file of bytes with {dimensions} dimensions: "
            f"it starts with {head[:4].hex()}, not {wanted.hex()}"
        )
    if len(head) < 4 + 4 * dimensions:
        raise CrosstrainError(f"{path} is truncated: it ends within its header")
    shape = struct.unpack(f">{dimensions}I", head[4:])
    size = math.prod(shape)
    if size == 0:
        raise CrosstrainError(f"{path} is empty: its header says {'x'.join(map(str, shape))}")
    content = bytearray()
    while len(content) <= size and (chunk := stream.read(1 << 20)):
        content += chunk
    if len(content) != size:
        more = "more than that" if len(content) > size else str(len(content))
        raise CrosstrainError(f"{path}: the header promises {size} values, but there are {more}")
    return np.frombuffer(content, np.uint8).reshape(shape)
