"""Parquet tables of pictures: Hugging Face's and plain ones, in one file or several, whole and damaged."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from crosstrain.errors import CrosstrainError
from tests.data.making import picture

NAMES = ("cat", "dog", "eel")


def encoded(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    done, data = cv2.imencode(suffix, np.ascontiguousarray(pixels[..., ::-1]))
    assert done
    return data.tobytes()


def table(
    path: Path, first: int, count: int, *, hub: bool = True, labels: Sequence[Any] | None = None,
    pictures: Sequence[Any] | None = None, rows_in_group: int = 7, **more: Any,
) -> Path:  # fmt: skip
    """A file of pictures of noise, number ``first`` on, whose classes go round."""
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [encoded(picture(first + n)) for n in range(count)] if pictures is None else list(pictures)
    classes = [n % 3 for n in range(count)] if labels is None else list(labels)
    if hub:
        images = pa.array(
            [{"bytes": data, "path": f"{n}.png"} for n, data in enumerate(files)],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        )
    else:
        images = pa.array(files, pa.large_binary())
    columns = pa.table({"id": pa.array(range(count)), "image": images, "label": pa.array(classes), **more})
    if hub:
        features = {
            "image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": list(NAMES)},
        }  # fmt: skip
        columns = columns.replace_schema_metadata(
            {"huggingface": json.dumps({"info": {"features": features}})}
        )
    parquet.write_table(columns, path, row_group_size=rows_in_group)
    return path


@pytest.mark.parametrize("hub", [True, False], ids=["hub", "plain"])
def test_parts_by_name_with_the_pictures_bit_for_bit(tmp_path: Path, prepared: Callable, hub: bool) -> None:
    names = None if hub else [NAMES[n % 3] for n in range(20)]
    sizes = {
        "data/train-00000-of-00002": (0, 20), "data/train-00001-of-00002": (20, 20),
        "data/validation-00000-of-00001": (100, 20), "data/test-00000-of-00001": (200, 20),
    }  # fmt: skip
    for name, (first, count) in sizes.items():
        table(tmp_path / "hub" / f"{name}.parquet", first, count, hub=hub, labels=names)
    data = prepared(f"parquet:{tmp_path / 'hub'}")
    assert data.manifest["splits"] == {"train": 40, "validation": 20, "test": 20}
    assert data.manifest["classes"] == list(NAMES)
    assert not data.warnings
    for split, firsts in {"train": (0, 20), "validation": (100,), "test": (200,)}.items():
        inputs, targets = data.arrays(split)
        expected = np.stack([picture(first + n) for first in firsts for n in range(20)])
        np.testing.assert_array_equal(np.rint(inputs[""] * 255).astype(np.uint8), expected)
        assert targets[""].tolist() == [n % 3 for _ in firsts for n in range(20)]


def test_one_file_is_split_and_resized(tmp_path: Path, prepared: Callable) -> None:
    file = table(tmp_path / "all.parquet", 0, 60)
    data = prepared(f"parquet:{file}", size=10, channels=1)
    assert data.manifest["splits"] == {"train": 42, "validation": 9, "test": 9}
    assert data.manifest["inputs"][""]["shape"] == [10, 10, 1]
    again = prepared(f"parquet:{tmp_path}", size=10, channels=1)
    assert again.hash == data.hash


def test_folders_say_the_part_too_and_a_missing_one_is_held_out(tmp_path: Path, prepared: Callable) -> None:
    table(tmp_path / "a" / "train" / "0000.parquet", 0, 60)
    table(tmp_path / "a" / "val" / "0000.parquet", 60, 30)
    data = prepared(f"parquet:{tmp_path / 'a'}")
    assert data.manifest["splits"] == {"train": 51, "validation": 30, "test": 9}
    assert data.warnings == ["there is no test file: 15% of train was held out as one"]


def test_a_limit_reads_only_the_pictures_that_stay(tmp_path: Path, prepared: Callable) -> None:
    file = table(tmp_path / "all.parquet", 0, 90)
    data = prepared(f"parquet:{file}", limit=2)
    assert data.manifest["splits"] == {"train": 6, "validation": 6, "test": 6}


def test_rows_without_class_or_picture(tmp_path: Path, prepared: Callable) -> None:
    pictures: list[Any] = [encoded(picture(n)) for n in range(90)]
    pictures[5], pictures[17] = None, b"\x89PNG\r\n\x1a\nno"
    table(tmp_path / "x" / "train.parquet", 0, 90, pictures=pictures)
    labels = [None if n == 4 else -1 if n == 5 else n % 3 for n in range(30)]
    table(tmp_path / "x" / "validation.parquet", 90, 30, labels=labels)
    table(tmp_path / "x" / "test.parquet", 120, 30, labels=[-1] * 30)  # a contest's: nobody knows
    data = prepared(f"parquet:{tmp_path / 'x'}")
    told = " | ".join(data.warnings)
    assert "2 of 30 rows for validation have no class" in told
    assert "30 of 30 rows for test have no class" in told
    assert "there is no test file" in told
    assert "2 of 118 images are damaged" in told
    assert "train.parquet[5] (it has no bytes" in told
    assert data.manifest["splits"]["validation"] == 28


def test_several_columns_are_told(tmp_path: Path, prepared: Callable) -> None:
    file = table(tmp_path / "c.parquet", 0, 60, hub=False, fine_label=[n % 5 for n in range(60)])
    assert (
        "of the columns of classes, label, fine_label, label was taken"
        in prepared(f"parquet:{file}").warnings
    )


def _wrong(tmp_path: Path) -> dict[str, tuple[str, str]]:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.parquet").write_text("PAR1 or not")
    whole = table(tmp_path / "whole.parquet", 0, 30).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    table(tmp_path / "floats.parquet", 0, 30, hub=False, labels=np.linspace(0, 1, 30))
    table(tmp_path / "paths.parquet", 0, 30, pictures=[None] * 30)
    mixed = [encoded(picture(n, 20 + n % 2)) for n in range(30)]
    table(tmp_path / "sizes.parquet", 0, 30, pictures=mixed)
    table(tmp_path / "range.parquet", 0, 30, labels=[n % 4 for n in range(30)])
    table(tmp_path / "none" / "test.parquet", 0, 30)
    table(tmp_path / "some" / "test.parquet", 0, 30)
    table(tmp_path / "some" / "more.parquet", 0, 30)
    table(tmp_path / "unlike" / "train-1.parquet", 0, 30)
    table(tmp_path / "unlike" / "train-2.parquet", 0, 30, labels=list("abc") * 10)
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({"a": [1], "label": [0]}), tmp_path / "pictureless.parquet")
    parquet.write_table(pa.table({"image": [b"x"], "a": [0]}), tmp_path / "classless.parquet")
    parquet.write_table(pa.table({"a": [[[1, 2]]]}), tmp_path / "lists.parquet")
    return {
        "empty": ("empty", "there are no .parquet files in"),
        "no table": ("text.parquet", "is not a whole Parquet file"),
        "cut short": ("cut.parquet", "is not a whole Parquet file"),
        "numbers": ("floats.parquet", "holds double; classes are integers or texts"),
        "paths": ("paths.parquet", "the images in .* cannot be read"),
        "sizes": ("sizes.parquet", "differ in size: give one size for all"),
        "range": ("range.parquet", r"labels for \w+ are outside 0..2"),
        "no train": ("none", "has files for test, and none for train"),
        "some parts": ("some", "more.parquet do not say whether they are for train"),
        "unlike": ("unlike", "train-2.parquet has no column 'label' of the type int64"),
        "no pictures": ("pictureless.parquet", "has no column of pictures .* it has a .int64., label"),
        "no classes": ("classless.parquet", "has no column of classes, called label"),
        "lists": ("lists.parquet", "has no column of pictures"),
    }


def test_what_cannot_be_used_is_one_sentence(tmp_path: Path, prepared: Callable) -> None:
    for case, (name, words) in _wrong(tmp_path).items():
        with pytest.raises(CrosstrainError, match=words):
            prepared(f"parquet:{tmp_path / name}")
        assert case


def test_without_pyarrow(tmp_path: Path, prepared: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(CrosstrainError, match=r"not installed: pip install 'crosstrain\[parquet\]'"):
        prepared(f"parquet:{tmp_path / 'a.parquet'}")
