"""``prepare`` as a whole: specs, settings, progress, and the reading side."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from sklearn.datasets import load_digits

from crosstrain.data import Prepared, datasets, describe
from crosstrain.data.prepared import feed
from crosstrain.errors import CrosstrainError
from tests.data.making import mnist_folder


def test_digits(prepared: Callable) -> None:
    data = prepared("digits")
    assert data.manifest["splits"] == {"train": 1258, "validation": 269, "test": 270}
    assert data.manifest["inputs"] == {"": {"shape": [8, 8, 1], "dtype": "float32"}}
    pixels, labels = load_digits(return_X_y=True)
    known = {
        (row / 16).astype(np.float32).tobytes(): int(label) for row, label in zip(pixels, labels, strict=True)
    }
    for split in ("train", "validation", "test"):
        inputs, targets = data.arrays(split)
        assert [known[np.ascontiguousarray(x).tobytes()] for x in inputs[""]] == targets[""].tolist()
        share = np.bincount(targets[""]) / len(targets[""])
        assert np.abs(share - np.bincount(labels) / len(labels)).max() < 0.01


def test_digits_grow_as_opencv_makes_them(prepared: Callable) -> None:
    small, large = prepared("digits"), prepared("digits", size=32, channels=3)
    first = np.asarray(small.arrays("train")[0][""][0])
    grown = np.clip(cv2.resize(first, (32, 32), interpolation=cv2.INTER_CUBIC), first.min(), first.max())
    assert np.array_equal(large.arrays("train")[0][""][0], np.repeat(grown[..., None], 3, axis=2))


def test_the_seed_decides_what_is_held_out(prepared: Callable) -> None:
    one, other = (prepared("digits", seed=seed).arrays("test")[0][""] for seed in (0, 1))
    assert one.shape == other.shape
    assert not np.array_equal(one, other)


def test_arrays_are_read_only_maps(prepared: Callable) -> None:
    pixels = prepared("digits").arrays("train")[0][""]
    assert isinstance(pixels, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        pixels[0] = 1


def test_progress_reaches_the_total(tmp_path: Path, prepared: Callable) -> None:
    events: list[tuple[int, int, str]] = []
    prepared(f"mnist:{mnist_folder(tmp_path / 'm', train=300)}", progress=lambda *args: events.append(args))
    assert events[0] == (1, 4, "reading files")
    preparing = [(done, total) for done, total, what in events if what == "preparing"]
    assert preparing == sorted(preparing)
    assert preparing[-1] == (320, 320)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("digit", "no data set 'digit'; did you mean digits"),
        ("imagenet", "there are digits, mnist:DIR"),
        ("digits:/tmp", "takes no path: write digits"),
        ("mnist", "write mnist:DIR"),
        ("mnist:", "write mnist:DIR"),
        ("mnist:/no/such/folder", "there is no file or folder /no/such/folder"),
        ("", "no data set ''"),
    ],
)
def test_wrong_specs_are_reported(prepared: Callable, spec: str, message: str) -> None:
    with pytest.raises(CrosstrainError, match=message):
        prepared(spec)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 0}, "from 1 to 4096, not 0"),
        ({"size": -3}, "not -3"),
        ({"size": 5000}, "not 5000"),
        ({"size": (3, 4, 5)}, "not"),
        ({"size": 3.5}, "not 3.5"),
        ({"size": "32"}, "not 32"),
        ({"channels": 2}, "1 channel"),
    ],
)
def test_wrong_settings_are_reported(prepared: Callable, settings: dict, message: str) -> None:
    with pytest.raises(CrosstrainError, match=message):
        prepared("digits", **settings)


def test_the_reading_side_needs_numpy_only(prepared: Callable) -> None:
    code = (
        "import sys; from crosstrain.data.prepared import Prepared; "
        f"assert len(Prepared.load({str(prepared('digits').folder)!r}).arrays('test')[0]['']) == 270; "
        "heavy = {'cv2', 'sklearn', 'pandas', 'platformdirs', 'keras'} & set(sys.modules); "
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_folder_that_is_none_is_reported(tmp_path: Path, prepared: Callable) -> None:
    with pytest.raises(CrosstrainError, match="holds no prepared data set"):
        Prepared.load(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": 99}')
    with pytest.raises(CrosstrainError, match="another version"):
        Prepared.load(tmp_path)
    with pytest.raises(CrosstrainError, match="no split 'dev'"):
        prepared("digits").arrays("dev")


def test_feed_pairs_single_ones_whatever_their_names() -> None:
    assert feed(["input_1"], ["target/dense"], {"": 1}, {"": 2}) == ({"input_1": 1}, {"target/dense": 2})
    assert feed({"a": None}, {"b": None}, {"x": 1}, {"y": 2}) == ({"a": 1}, {"b": 2})


def test_feed_pairs_several_by_name() -> None:
    inputs, targets = feed(["a", "b"], ["c", "d"], {"b": 1, "a": 2}, {"d": 3, "c": 4})
    assert inputs == {"a": 2, "b": 1}
    assert targets == {"c": 4, "d": 3}
    with pytest.raises(
        CrosstrainError, match=r"the network's inputs \('a', 'b'\) and the data's \('a', 'z'\)"
    ):
        feed(["a", "b"], ["c"], {"a": 1, "z": 2}, {"c": 3})
    with pytest.raises(CrosstrainError, match=r"the network's targets \('c', 'd'\) and the data's \('e'\)"):
        feed(["a"], ["c", "d"], {"a": 1}, {"e": 3})
    with pytest.raises(CrosstrainError, match=r"the network's inputs .*one without a name"):
        feed(["a", "b"], ["c"], {"": 1}, {"": 3})


def test_several_heads_learn_the_only_target() -> None:
    assert feed(["a"], ["c", "d"], {"a": 1}, {"": 3}) == ({"a": 1}, {"c": 3, "d": 3})


def test_every_data_set_says_what_it_is(prepared: Callable) -> None:
    rows = datasets()
    assert set(rows) == {
        "digits",
        "mnist",
        "fashion-mnist",
        "gtsrb",
        "arrays",
        "folder",
        "segmentation",
        "labelled-sequences",
        "rendered-words",
        "captions",
        "drawn-shapes",
        "voc",
        "coco",
        "series",
        "text",
        "table",
        "parquet",
        "cifar10",
        "cifar100",
    }
    for name, row in rows.items():
        assert row.form.startswith(name)
        assert row.what
        assert row.where
        assert {"files", "read"} <= set(dir(row.reader()))
    assert describe(prepared("digits")).splitlines() == [
        "digits: classification, 1,258 for train, 269 for validation, 270 for test",
        "  input: 8x8x1, float32",
        "  target: one value, int64, 10 classes",
    ]
