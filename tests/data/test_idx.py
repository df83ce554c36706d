"""idx files: round trip, and each way in which they can be wrong."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from crosstrain.data.sets.idx import read_idx
from crosstrain.errors import CrosstrainError
from tests.data.making import idx_bytes, mnist_folder, write_idx

ANY = arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, max_side=6))


@given(array=ANY, zipped=st.booleans())
def test_round_trip(array: np.ndarray, zipped: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("a.gz" if zipped else "a")
        path.write_bytes(gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array))
        assert np.array_equal(read_idx(path, array.ndim), array)


@given(array=ANY, zipped=st.booleans(), data=st.data())
def test_a_file_cut_anywhere_is_refused(array: np.ndarray, zipped: bool, data: st.DataObject) -> None:
    whole = gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("a.gz" if zipped else "a")
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        with pytest.raises(CrosstrainError):
            read_idx(path, array.ndim)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x00\x00\x0d\x01" + b"\x00\x00\x00\x01" + b"abcd", "starts with 00000d01"),
        (idx_bytes(np.zeros((2, 2), np.uint8)), "starts with 00000802, not 00000801"),
        (idx_bytes(np.zeros(3, np.uint8)) + b"more", "promises 3 values, but there are more"),
        (idx_bytes(np.zeros(3, np.uint8))[:-1], "promises 3 values, but there are 2"),
        (idx_bytes(np.zeros(0, np.uint8)), "is empty"),
        (b"\x00\x00\x08\x01\xff\xff\xff\xffab", "promises 4294967295 values, but there are 2"),
        (b"", "starts with"),
    ],
)
def test_wrong_files_are_reported(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(CrosstrainError, match=message):
        read_idx(tmp_path / "file", 1)


def test_a_gz_that_is_none_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file.gz").write_bytes(b"<html>404</html>")
    with pytest.raises(CrosstrainError, match="damaged or truncated gzip"):
        read_idx(tmp_path / "file.gz", 1)


@pytest.mark.parametrize("zipped", [True, False])
def test_both_forms_prepare_alike(tmp_path: Path, prepared: Callable, zipped: bool) -> None:
    data = prepared(f"mnist:{mnist_folder(tmp_path / 'm', zipped=zipped)}")
    assert data.manifest["splits"] == {"train": 54, "validation": 6, "test": 20}
    assert data.manifest["inputs"] == {"": {"shape": [28, 28, 1], "dtype": "float32"}}
    assert data.manifest["targets"] == {"": {"shape": [], "dtype": "int64", "classes": 10}}
    inputs, targets = data.arrays("test")
    pixels = np.random.default_rng(20).integers(0, 256, (20, 28, 28), np.uint8)
    assert np.array_equal(inputs[""][..., 0], pixels.astype(np.float32) / 255)
    assert targets[""].tolist() == [i % 10 for i in range(20)]


def test_fashion_has_its_own_names(tmp_path: Path, prepared: Callable) -> None:
    folder = mnist_folder(tmp_path / "m")
    fashion, digits = prepared(f"fashion-mnist:{folder}"), prepared(f"mnist:{folder}")
    assert fashion.manifest["classes"][9] == "ankle boot"
    assert digits.manifest["classes"][9] == "9"
    assert fashion.hash != digits.hash


def test_a_missing_file_is_named(tmp_path: Path, prepared: Callable) -> None:
    folder = mnist_folder(tmp_path / "m")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(CrosstrainError, match=r"has no file t10k-labels-idx1-ubyte\.gz"):
        prepared(f"mnist:{folder}")


def test_labels_that_do_not_match_are_reported(tmp_path: Path, prepared: Callable) -> None:
    folder = mnist_folder(tmp_path / "m")
    write_idx(folder / "train-labels-idx1-ubyte", np.zeros(59, np.uint8))
    with pytest.raises(CrosstrainError, match=r"60 images, but train-labels-idx1-ubyte\.gz 59 labels"):
        prepared(f"mnist:{folder}")
    write_idx(folder / "train-labels-idx1-ubyte", np.arange(60, dtype=np.uint8) % 12)
    with pytest.raises(CrosstrainError, match=r"10 labels are outside 0\.\.9"):
        prepared(f"mnist:{folder}")


def test_a_class_without_images_is_reported(tmp_path: Path, prepared: Callable) -> None:
    folder = mnist_folder(tmp_path / "m")
    write_idx(folder / "train-labels-idx1-ubyte", (np.arange(60) % 8).astype(np.uint8))
    warnings = prepared(f"mnist:{folder}").warnings
    assert "2 of 10 classes have no example for train: 8, 9" in warnings
