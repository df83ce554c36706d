"""CIFAR in its four forms, and pickles that are not read: damaged, hostile, of other things."""

from __future__ import annotations

import collections
import contextlib
import functools
import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crosstrain.data import prepare
from crosstrain.data.plain_pickle import NotPlainError, plain
from crosstrain.errors import CrosstrainError

EACH = 20
"""Pictures in a file."""


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (EACH, 3072), np.uint8)


LABELS = [number * 7 % 10 for number in range(EACH)]


def names(version: str) -> list[str]:
    return (
        [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]
        if version == "cifar10"
        else ["train", "test"]
    )


def written(folder: Path, version: str, form: str, protocol: int = 2) -> Path:
    """The files of a version, as its author's archives have them."""
    folder.mkdir()
    for number, name in enumerate(names(version)):
        if form == "binary":
            coarse = [] if version == "cifar10" else [19]
            rows = [bytes([*coarse, n]) + p.tobytes() for n, p in zip(LABELS, pixels(number), strict=True)]
            (folder / f"{name}.bin").write_bytes(b"".join(rows))
        else:
            key = "labels" if version == "cifar10" else "fine_labels"
            batch = {"data": pixels(number), key: LABELS, "filenames": ["a.png"] * EACH, "batch_label": name}
            (folder / name).write_bytes(pickle.dumps(batch, protocol))
    if version == "cifar100":
        fine = [f"thing{number}" for number in range(100)]
        if form == "binary":
            (folder / "fine_label_names.txt").write_text("\n".join(fine) + "\n")
        else:
            (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": fine}, protocol))
    return folder


def archived(folder: Path) -> Path:
    path = folder.with_suffix(".tar.gz")
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder, "cifar-batches")
    return path


@pytest.mark.parametrize("version", ["cifar10", "cifar100"])
@pytest.mark.parametrize("form", ["binary", "python"])
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_every_form_gives_the_same_pictures(tmp_path: Path, version: str, form: str, packed: bool) -> None:
    folder = written(tmp_path / "c", version, form)
    prepared = prepare(f"{version}:{archived(folder) if packed else folder}")
    inputs, targets = prepared.arrays("test")
    planes = pixels(len(names(version)) - 1).reshape(EACH, 3, 32, 32)
    np.testing.assert_allclose(inputs[""], planes.transpose(0, 2, 3, 1) / np.float32(255), rtol=1e-6)
    assert targets[""].tolist() == LABELS
    first = prepared.manifest["classes"][:2]
    assert first == (["airplane", "automobile"] if version == "cifar10" else ["thing0", "thing1"])
    parts = {split: prepared.examples(split) for split in ("train", "validation", "test")}
    assert parts["train"] + parts["validation"] == EACH * (len(names(version)) - 1)
    assert parts["test"] == EACH


@given(
    data=arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 5))),
    numbers=st.lists(st.integers(-(2**40), 2**40), max_size=5),
    text=st.text(max_size=8),
    protocol=st.sampled_from([2, 3, 4]),
)
@settings(max_examples=40)
def test_plain_data_comes_back(data: np.ndarray, numbers: list[int], text: str, protocol: int) -> None:
    value = {"data": data, "numbers": numbers, text: (text, None, True, 1.5, b"ab", [data.shape])}
    read = plain(pickle.dumps(value, protocol))
    assert read.keys() == value.keys()
    np.testing.assert_array_equal(read["data"], value["data"])
    assert {k: v for k, v in read.items() if k != "data"} == {k: v for k, v in value.items() if k != "data"}


def test_python_2_s_own_bytes() -> None:
    """Protocol 2 as Python 2 wrote it: byte strings for texts and for an array's content."""
    content = (
        b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85"
        b"U\x01b\x87Rq\x05(K\x01K\x01K\x03\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff"
        b"\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x03abctbU\x06labelsq\x08]q\x09(K\x06K\x09eu."
    )
    read = plain(content)
    assert read["data"].tolist() == [[97, 98, 99]]
    assert read["labels"] == [6, 9]


class Hostile:
    """Its pickle would run a command when it is loaded."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_hostile_pickle_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    folder = written(tmp_path / "c", "cifar10", "python")
    witness = tmp_path / "run"
    hostile = {"data": pixels(0), "labels": LABELS, "extra": Hostile(f"touch {witness}")}
    (folder / "data_batch_3").write_bytes(pickle.dumps(hostile, protocol))
    for location in (folder, archived(folder)):
        with pytest.raises(CrosstrainError) as error:
            prepare(f"cifar10:{location}")
        assert "the pickle data_batch_3 is not read, for it asks for " in str(error.value)
        assert "system, which is no data" in str(error.value)
    assert not witness.exists()


@pytest.mark.parametrize(
    "value",
    [
        collections.OrderedDict(a=1), functools.partial(int), {1, 2}, np.array([None]), 1j, range(3),
        np.float64(3), Path("a"),
    ],
    ids=["class", "partial", "set", "objects", "complex", "range", "scalar", "path"],
)  # fmt: skip
def test_other_things_are_refused(value: Any) -> None:
    with pytest.raises(NotPlainError):
        plain(pickle.dumps(value, 4))


@given(cut=st.floats(0, 0.999), protocol=st.sampled_from([2, 4]))
def test_a_pickle_cut_anywhere_is_refused(cut: float, protocol: int) -> None:
    whole = pickle.dumps({"data": np.zeros((2, 3), np.uint8), "labels": [1, 2]}, protocol)
    with pytest.raises(NotPlainError):
        plain(whole[: int(cut * len(whole))])


@given(content=st.binary(max_size=60))
def test_noise_is_refused_or_plain(content: bytes) -> None:
    with contextlib.suppress(NotPlainError):
        plain(b"\x80\x02" + content)


def test_what_is_wrong_is_one_sentence(tmp_path: Path) -> None:
    folder = written(tmp_path / "c", "cifar10", "binary")
    (folder / "test_batch.bin").write_bytes(b"\x0b" + bytes(3072))
    with pytest.raises(CrosstrainError, match=r"test_batch: 1 labels are outside 0\.\.9"):
        prepare(f"cifar10:{folder}")
    (folder / "test_batch.bin").write_bytes(bytes(3000))
    with pytest.raises(CrosstrainError, match=r"test_batch.bin: 3000 bytes are no whole records of 3073"):
        prepare(f"cifar10:{folder}")
    (folder / "data_batch_2.bin").unlink()
    with pytest.raises(CrosstrainError, match=r"has no file data_batch_2.bin \(or data_batch_2\)"):
        prepare(f"cifar10:{folder}")
    (tmp_path / "a.tar.gz").write_bytes(b"nothing")
    with pytest.raises(CrosstrainError, match=r"a.tar.gz is no whole tar archive"):
        prepare(f"cifar10:{tmp_path / 'a.tar.gz'}")


def test_an_archive_that_leaves_its_folder_unpacks_nothing(tmp_path: Path) -> None:
    """Members are read in place, by the last part of their names; links are passed over."""
    folder = written(tmp_path / "c", "cifar10", "binary")
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        for path in folder.iterdir():
            tar.add(path, f"../../{path.name}")
        link = tarfile.TarInfo("x/data_batch_1.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link, io.BytesIO())
    before = sorted(tmp_path.rglob("*"))
    assert prepare(f"cifar10:{tmp_path / 'evil.tar'}").examples("test") == EACH
    assert sorted(tmp_path.rglob("*")) == before
