"""One's own arrays: what becomes of each kind, and every mismatch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstrain.data.images import decoding as images
from crosstrain.errors import CrosstrainError

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(100, 5)), np.arange(100) % 4


def saved(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return f"arrays:{path}"


def test_x_and_y_are_split_at_random(tmp_path: Path, prepared: Callable) -> None:
    data = prepared(saved(tmp_path / "a.npz", x=X, y=Y))
    assert data.manifest["splits"] == {"train": 70, "validation": 15, "test": 15}
    assert data.manifest["inputs"] == {"": {"shape": [5], "dtype": "float32"}}
    assert data.manifest["targets"] == {"": {"shape": [], "dtype": "int64", "classes": 4}}
    assert data.manifest["task"] == "classification"
    rows = {row.tobytes(): label for row, label in zip(X.astype(np.float32), Y, strict=True)}
    seen = 0
    for split in ("train", "validation", "test"):
        inputs, targets = data.arrays(split)
        assert [rows[row.tobytes()] for row in inputs[""]] == targets[""].tolist()
        seen += len(targets[""])
    assert seen == len(rows) == 100


def test_given_splits_are_kept(tmp_path: Path, prepared: Callable) -> None:
    spec = saved(
        tmp_path / "a.npz", x_train=X, y_train=Y, x_val=X[:9], y_val=Y[:9], x_test=X[:8], y_test=Y[:8]
    )
    data = prepared(spec)
    assert data.manifest["splits"] == {"train": 100, "validation": 9, "test": 8}
    assert np.array_equal(data.arrays("train")[0][""], X.astype(np.float32))
    assert not data.warnings


def test_what_is_missing_is_held_out(tmp_path: Path, prepared: Callable) -> None:
    data = prepared(saved(tmp_path / "a.npz", x_train=X, y_train=Y, x_test=X[:8], y_test=Y[:8], note=X))
    assert data.manifest["splits"] == {"train": 90, "validation": 10, "test": 8}
    assert data.warnings == ["arrays that no split uses were ignored: note"]
    data = prepared(saved(tmp_path / "b.npz", x_train=X, y_train=Y))
    assert data.manifest["splits"] == {"train": 77, "validation": 8, "test": 15}
    assert "15% of the training examples were held out" in data.warnings[0]


def test_several_inputs_and_targets_with_names(tmp_path: Path, prepared: Callable) -> None:
    pixels = RANDOM.integers(0, 256, (100, 6, 8, 3), np.uint8)
    spec = saved(
        tmp_path / "a.npz",
        **{"x/image": pixels, "x/table": X, "y/kind": Y, "y/price": RANDOM.normal(size=(100, 2))},
    )
    data = prepared(spec, size=(12, 16))
    assert data.manifest["inputs"]["image"] == {"shape": [12, 16, 3], "dtype": "float32"}
    assert data.manifest["targets"] == {
        "kind": {"shape": [], "dtype": "int64", "classes": 4},
        "price": {"shape": [2], "dtype": "float32", "classes": None},
    }
    assert data.manifest["task"] == "regression"
    assert (data.folder / "train.input.image.npy").is_file()
    assert (data.folder / "train.target.price.npy").is_file()
    grown = {images.resize(p, (12, 16)).tobytes() for p in pixels}
    assert {np.rint(p * 255).astype(np.uint8).tobytes() for p in data.arrays("test")[0]["image"]} <= grown


def test_a_folder_of_npy_files(tmp_path: Path, prepared: Callable) -> None:
    (tmp_path / "d" / "x_train").mkdir(parents=True)
    np.save(tmp_path / "d" / "x_train" / "a.npy", X)
    np.save(tmp_path / "d" / "x_train" / "b.npy", X[:, :2])
    np.save(tmp_path / "d" / "y_train.npy", Y)
    data = prepared(f"arrays:{tmp_path / 'd'}")
    assert {name: spec["shape"] for name, spec in data.manifest["inputs"].items()} == {"a": [5], "b": [2]}


@pytest.mark.parametrize(
    ("y", "target", "task"),
    [
        (X[:, 0], {"shape": [], "dtype": "float32", "classes": None}, "regression"),
        (Y.astype(np.uint8)[:, None], {"shape": [], "dtype": "int64", "classes": 4}, "classification"),
        (np.eye(4)[Y], {"shape": [4], "dtype": "float32", "classes": 4}, "classification"),
        (np.eye(4, dtype=int)[Y], {"shape": [4], "dtype": "float32", "classes": 4}, "classification"),
        (np.array(["a", "b", "c", "d"])[Y], {"shape": [], "dtype": "int64", "classes": 4}, "classification"),
        (Y > 1, {"shape": [], "dtype": "int64", "classes": 2}, "classification"),
        (np.stack([Y, Y], 1), {"shape": [2], "dtype": "int64", "classes": 4}, "classification"),
    ],
)
def test_kinds_of_targets(
    tmp_path: Path, prepared: Callable, y: np.ndarray, target: dict[str, Any], task: str
) -> None:
    data = prepared(saved(tmp_path / "a.npz", x=X, y=y))
    assert data.manifest["targets"][""] == target
    assert data.manifest["task"] == task


def test_texts_name_the_classes(tmp_path: Path, prepared: Callable) -> None:
    names = np.array(["dog", "ant", "cat"])[np.arange(30) % 3]
    data = prepared(saved(tmp_path / "a.npz", x_train=X[:30], y_train=names, x_test=X[:3], y_test=names[:3]))
    assert data.manifest["classes"] == ["ant", "cat", "dog"]
    assert data.arrays("test")[1][""].tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("x", "shape", "dtype"),
    [
        (np.zeros((100, 4, 5), np.uint8), [4, 5, 1], "float32"),
        (np.zeros((100, 4, 5, 3), np.uint8), [4, 5, 3], "float32"),
        (np.zeros((100, 4, 5, 7), np.uint8), [4, 5, 7], "int64"),
        (np.zeros((100, 4, 5), np.float64), [4, 5], "float32"),
        (np.zeros((100, 7), np.int32), [7], "int64"),
        (np.zeros((100, 7), bool), [7], "float32"),
        (np.zeros((100, 4, 5, 3), np.float16), [4, 5, 3], "float32"),
    ],
)
def test_kinds_of_inputs(
    tmp_path: Path, prepared: Callable, x: np.ndarray, shape: list[int], dtype: str
) -> None:
    assert prepared(saved(tmp_path / "a.npz", x=x, y=Y)).manifest["inputs"][""] == {
        "shape": shape,
        "dtype": dtype,
    }


def test_float_pictures_are_resized_on_request_only(tmp_path: Path, prepared: Callable) -> None:
    x = RANDOM.normal(size=(100, 8, 8, 1)) * 7
    spec = saved(tmp_path / "a.npz", x_train=x, y_train=Y, x_test=x, y_test=Y)
    assert np.array_equal(prepared(spec).arrays("test")[0][""], x.astype(np.float32))
    assert np.array_equal(
        prepared(spec, size=4).arrays("test")[0][""][5], images.resize(x[5].astype(np.float32), (4, 4))
    )


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X, "y": Y[:99]}, r"different numbers of examples \(x: 100, y: 99\)"),
        ({"x_train": X, "y_train": Y, "x_test": X}, "test: both inputs"),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, :3], "y_test": Y},
            r"x is float64 \(3,\), but in training",
        ),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": X[:, 0]}, "y is float64"),
        ({"x_train": X, "y_train": Y, "x_test/a": X, "y_test": Y}, "x has a, but training has one array"),
        ({"x_train": X, "y_train": Y, "x": X, "y": Y}, "must hold x_train and y_train"),
        ({"x_test": X, "y_test": Y}, "must hold x_train and y_train"),
        ({"images": X}, "must hold x_train and y_train .* it has images"),
        (
            {"x": np.where(np.arange(500).reshape(100, 5) == 7, np.nan, X), "y": Y},
            "hold NaN or infinite values",
        ),
        ({"x": X * 1e300, "y": Y}, "70 of 70 examples for train hold NaN or infinite values"),
        ({"x": X, "y": np.where(Y == 2, np.nan, Y)}, "the targets: .* hold NaN"),
        ({"x": X, "y": Y - 1}, "25 labels below 0"),
        ({"x": X, "y": Y + 1000}, "too many classes; numbers to predict must be floats"),
        ({"x": X, "y": np.zeros(100, int)}, "of one class"),
        ({"x": X[:1], "y": Y[:1]}, "has no examples for"),
        ({"x": X[:0], "y": Y[:0]}, r"x is empty \(its shape is \(0, 5\)\)"),
        ({"x": np.array("text"), "y": Y}, "single number"),
        ({"x": np.array([["a"]] * 100), "y": Y}, "holds text"),
        ({"x": X.astype(complex), "y": Y}, "not an array of numbers"),
        ({"x": X, "y/../../evil": Y}, "is not a name for an input or target"),
    ],
)
def test_arrays_that_do_not_hold_together(
    tmp_path: Path, prepared: Callable, arrays: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(CrosstrainError, match=message):
        prepared(saved(tmp_path / "a.npz", **arrays))


def test_pickles_are_refused(tmp_path: Path, prepared: Callable) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{}, []], object), y=Y[:2])
    with pytest.raises(CrosstrainError, match="Python objects, which are refused"):
        prepared(f"arrays:{tmp_path / 'a.npz'}")
    (tmp_path / "d").mkdir()
    np.save(tmp_path / "d" / "x.npy", np.array([{}, []], object))
    with pytest.raises(CrosstrainError, match="Python objects, which are refused"):
        prepared(f"arrays:{tmp_path / 'd'}")
    (tmp_path / "p.npz").write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(CrosstrainError, match="Python objects, which are refused"):
        prepared(f"arrays:{tmp_path / 'p.npz'}")


@pytest.mark.parametrize("share", [0.0, 0.4, 0.99])
def test_a_truncated_archive_is_refused(tmp_path: Path, prepared: Callable, share: float) -> None:
    path = tmp_path / "a.npz"
    spec = saved(path, x=X, y=Y)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CrosstrainError, match="not a whole"):
        prepared(spec)


def test_a_size_needs_pictures(tmp_path: Path, prepared: Callable) -> None:
    with pytest.raises(CrosstrainError, match="has no pictures"):
        prepared(saved(tmp_path / "a.npz", x=X, y=Y), size=32)


def test_a_single_array_is_not_enough(tmp_path: Path, prepared: Callable) -> None:
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(CrosstrainError, match="a single array"):
        prepared(f"arrays:{tmp_path / 'x.npy'}")


def test_arrays_in_time_order_test_what_comes_last(tmp_path: Path, prepared: Callable) -> None:
    ramp = np.arange(100, dtype=np.float64)[:, None]
    data = prepared(saved(tmp_path / "a.npz", x=ramp, y=ramp), split="time")
    assert data.manifest["split"] == "time"
    seen = [np.asarray(data.arrays(split)[0][""])[:, 0] for split in ("train", "validation", "test")]
    assert np.concatenate(seen).tolist() == list(range(100))
    given = prepared(saved(tmp_path / "b.npz", x_train=ramp, y_train=ramp), split="time")
    assert np.asarray(given.arrays("test")[0][""])[:, 0].tolist() == list(range(85, 100))
