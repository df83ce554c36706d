"""``cifar10:PATH``: CIFAR-10 as its binary or its python files, in a folder or in the archive.

Source: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; both layouts are described
on the data set's page. The python files are pickles: they are parsed and never run (``plain_pickle``). 10 %
of the 50,000 training images are held out for validation, stratified; the 10,000 test images are the
official ones.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from crosstrain.data.images.pictures import in_memory
from crosstrain.data.plain_pickle import NotPlainError, plain
from crosstrain.data.source import Files, Request, Source, labelled
from crosstrain.data.split import held_out
from crosstrain.errors import CrosstrainError

SIDE, PIXELS = 32, 3072
HELD_OUT = 0.1
LARGEST = 1 << 29
"""Bytes of a member of an archive beyond which it is no part of CIFAR."""


@dataclass(frozen=True)
class Layout:
    """The files of a version: those for training and for testing without ``.bin``, ``labels`` (bytes before
    the pixels of a record in the binary form; the last one counts), ``key`` of the labels in the pickles,
    ``names`` of the classes, or the files that have them: a text, and a pickle with the key."""

    train: tuple[str, ...]
    test: str
    labels: int
    key: str
    classes: int
    names: tuple[str, ...] = ()
    names_text: str = ""
    names_pickle: tuple[str, str] = ("", "")


CIFAR10 = Layout(
    train=tuple(f"data_batch_{number}" for number in range(1, 6)),
    test="test_batch",
    labels=1,
    key="labels",
    classes=10,
    names=(
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ),
)  # fmt: skip
CIFAR100 = Layout(
    train=("train",),
    test="test",
    labels=2,
    key="fine_labels",
    classes=100,
    names_text="fine_label_names.txt",
    names_pickle=("meta", "fine_label_names"),
)


def files(location: Path) -> Files:
    """The archive, or the files in the folder."""
    return files_of(location, CIFAR10)


def read(location: Path, request: Request) -> Source:
    """Colour pictures with a class each."""
    return read_version(location, request, CIFAR10)


def files_of(location: Path, layout: Layout) -> Files:
    """The same for any version; names the first file that is missing."""
    if location.is_file():
        return [(location.name, location)]
    wanted = [*layout.train, layout.test, layout.names_pickle[0], layout.names_text]
    there = [_in_folder(location, name) for name in filter(None, wanted)]
    present = [path for path in there if path is not None]
    if None in there[: len(layout.train) + 1]:
        missing = wanted[there.index(None)]
        raise CrosstrainError(f"{location} has no file {missing}.bin (or {missing}), nor is it the archive")
    return [(path.name, path) for path in present]


def read_version(location: Path, request: Request, layout: Layout) -> Source:
    """The same for any version."""
    contents = _contents(location, layout)
    train = [_batch(location, name, contents, layout) for name in layout.train]
    pixels = np.concatenate([part[0] for part in train])
    labels = np.concatenate([part[1] for part in train])
    test_pixels, test_labels = _batch(location, layout.test, contents, layout)
    table = labelled(in_memory(pixels, request, "training image {}".format), labels)
    test = labelled(in_memory(test_pixels, request, "test image {}".format), test_labels)
    rows, validation = held_out(labels, HELD_OUT, request.seed)
    splits = {"train": table.take(rows), "validation": table.take(validation), "test": test}
    return Source(splits, {"": _class_names(location, contents, layout)})


# -- files ------------------------------------------------------------------------------------------
def _in_folder(folder: Path, name: str) -> Path | None:
    """The file called ``name``, binary first; archives unpack to a folder of their own."""
    inside = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    for place in (folder, *inside):
        for path in (place / f"{name}.bin", place / name):
            if path.is_file():
                return path
    return None


def _contents(location: Path, layout: Layout) -> dict[str, bytes]:
    """The files by name, read from the folder, or from the archive where it lies."""
    try:
        if location.is_file():
            return _members(location, layout)
        return {name: Path(path).read_bytes() for name, path in files_of(location, layout)}
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise CrosstrainError(f"{location} is no whole tar archive ({error}); fetch it again") from error
    except OSError as error:
        raise CrosstrainError(f"{location} cannot be read ({error.strerror or error})") from error


def _members(archive: Path, layout: Layout) -> dict[str, bytes]:
    """The members that are wanted, by the last part of their names; nothing is unpacked to disk."""
    stems = (*layout.train, layout.test)
    wanted = {*stems, *(f"{stem}.bin" for stem in stems), layout.names_text, layout.names_pickle[0]} - {""}
    contents: dict[str, bytes] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            name = PurePosixPath(member.name).name
            if name not in wanted or not member.isfile():
                continue
            if member.size > LARGEST:
                raise CrosstrainError(f"{archive}: {member.name} has {member.size} bytes, too many for CIFAR")
            stream = tar.extractfile(member)
            assert stream is not None
            contents[name] = stream.read()
    return contents


# -- content ----------------------------------------------------------------------------------------
def _batch(
    location: Path, name: str, contents: dict[str, bytes], layout: Layout
) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, 32, 32, 3), uint8, and labels (N,), int64."""
    if f"{name}.bin" in contents:
        flat, labels = _binary(location, f"{name}.bin", contents[f"{name}.bin"], layout)
    elif name in contents:
        flat, labels = _python(location, name, contents[name], layout)
    else:
        raise CrosstrainError(f"{location} has no file {name}.bin (or {name})")
    outside = int(np.count_nonzero((labels < 0) | (labels >= layout.classes)))
    if outside:
        raise CrosstrainError(f"{location}, {name}: {outside} labels are outside 0..{layout.classes - 1}")
    return flat.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1), labels


def _binary(location: Path, name: str, content: bytes, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Records of label bytes and pixels."""
    record = layout.labels + PIXELS
    if not content or len(content) % record:
        raise CrosstrainError(
            f"{location}, {name}: {len(content)} bytes are no whole records of {record}; fetch it again"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, record)
    return records[:, layout.labels :], records[:, layout.labels - 1].astype(np.int64)


def _python(location: Path, name: str, content: bytes, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """A pickled dictionary with ``data`` and labels."""
    batch = _dictionary(location, name, content)
    pixels, labels = batch.get("data"), batch.get(layout.key)
    if (
        not isinstance(pixels, np.ndarray)
        or not isinstance(labels, list)
        or pixels.dtype != np.uint8
        or pixels.shape != (len(labels), PIXELS)
        or not labels
    ):
        raise CrosstrainError(
            f"{location}, {name}: there are no data of {PIXELS} bytes with {layout.key} of the same number"
        )
    if not all(isinstance(label, int) for label in labels):
        raise CrosstrainError(f"{location}, {name}: {layout.key} are not whole numbers")
    return pixels, np.array(labels, np.int64)


def _dictionary(location: Path, name: str, content: bytes) -> dict[str, Any]:
    try:
        value = plain(content)
    except NotPlainError as error:
        raise CrosstrainError(
            f"{location}: the pickle {name} is not read, for {error}; the binary version of CIFAR has no "
            "pickles"
        ) from error
    if not isinstance(value, dict):
        raise CrosstrainError(f"{location}: {name} holds no dictionary")
    return {_text(key): each for key, each in value.items()}


def _class_names(location: Path, contents: dict[str, bytes], layout: Layout) -> Sequence[str]:
    pickled, key = layout.names_pickle
    if layout.names:
        return layout.names
    if layout.names_text in contents:
        names = contents[layout.names_text].decode("utf-8", "replace").split()
    elif pickled in contents:
        names = [_text(each) for each in _dictionary(location, pickled, contents[pickled]).get(key) or ()]
    else:
        names = [str(number) for number in range(layout.classes)]
    if len(names) != layout.classes:
        raise CrosstrainError(f"{location} names {len(names)} classes, not {layout.classes}")
    return names


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)
