"""``limit``: so many examples of each class, the same for the same seed, of every data set with classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain.data import Prepared
from crosstrain.data.limit import limited
from crosstrain.data.prepared import SPLITS
from crosstrain.data.registry import parse
from crosstrain.data.source import Request, Source, Table, Values
from crosstrain.errors import CrosstrainError
from tests.data.making import class_folders, mnist_folder, sign_tree
from tests.data.test_cifar import written


def _sources(tmp_path: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """A data set of every kind that has classes, and what it is prepared with."""
    class_folders(tmp_path / "pets", each=30)
    mnist_folder(tmp_path / "mnist", train=100, test=40)
    sign_tree(tmp_path / "signs", test=[0, 1] * 6)
    written(tmp_path / "cifar", "cifar10", "binary")
    labels = np.repeat(np.arange(3), 40)
    pictures = np.random.default_rng(0).integers(0, 256, (120, 6, 6, 3), np.uint8)
    np.savez(tmp_path / "numbers.npz", x=pictures, y=labels)
    np.savez(tmp_path / "one_hot.npz", x=pictures, y=np.eye(3)[labels])
    np.savez(tmp_path / "texts.npz", x_train=pictures, y_train=np.array(["a", "b", "c"])[labels])
    return {
        "digits": ("digits", {}),
        "mnist": (f"mnist:{tmp_path / 'mnist'}", {}),
        "fashion": (f"fashion-mnist:{tmp_path / 'mnist'}", {}),
        "cifar": (f"cifar10:{tmp_path / 'cifar'}", {}),
        "gtsrb": (f"gtsrb:{tmp_path / 'signs'}", {"size": 8}),
        "gtsrb-random": (f"gtsrb:{tmp_path / 'signs'}", {"size": 8, "split": "random"}),
        "folder": (f"folder:{tmp_path / 'pets'}", {"size": 8}),
        "numbers": (f"arrays:{tmp_path / 'numbers.npz'}", {}),
        "one-hot": (f"arrays:{tmp_path / 'one_hot.npz'}", {}),
        "texts": (f"arrays:{tmp_path / 'texts.npz'}", {}),
    }


def _classes(data: Prepared, split: str) -> np.ndarray:
    labels = data.arrays(split)[1][""]
    return labels.argmax(1) if labels.ndim == 2 else labels


def _examples(data: Prepared, split: str) -> list[bytes]:
    return [np.ascontiguousarray(each).tobytes() for each in data.arrays(split)[0][""]]


def test_every_kind_of_data_set_takes_a_limit(tmp_path: Path, prepared: Callable) -> None:
    for kind, (spec, settings) in _sources(tmp_path).items():
        whole, part = prepared(spec, **settings), prepared(spec, **settings, limit=2)
        assert (part.manifest["limit"], whole.manifest["limit"]) == (2, None), kind
        assert part.hash != whole.hash, kind
        for split in SPLITS:
            counts = np.bincount(_classes(whole, split), minlength=len(whole.manifest["classes"]))
            kept = np.bincount(_classes(part, split), minlength=len(counts))
            assert kept.tolist() == np.minimum(counts, 2).tolist(), (kind, split)
            everything = iter(_examples(whole, split))
            assert all(example in everything for example in _examples(part, split)), "their order is kept"
        assert any("2 examples of each class at most" in each for each in part.warnings), kind


def test_the_seed_decides_and_smaller_limits_lie_within_larger_ones(prepared: Callable) -> None:
    few, again, more = (prepared("digits", limit=n) for n in (3, 3, 10))
    assert again.cached
    assert few.hash == again.hash
    assert set(_examples(few, "train")) < set(_examples(more, "train"))
    assert set(_examples(few, "train")) != set(_examples(prepared("digits", limit=3, seed=1), "train"))


def test_only_the_chosen_pictures_are_decoded(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "pets", each=40)
    row, location = parse(f"folder:{root}")
    source = row.read(location, Request(size=(8, 8), limit=4))
    assert sum(len(table) for table in source.splits.values()) == 3 * 2 * 4


@pytest.mark.parametrize("limit", [0, -1, 2.5, True, "many"])
def test_a_limit_is_a_number_of_examples(limit: Any, prepared: Callable) -> None:
    with pytest.raises(CrosstrainError, match="1 or more"):
        prepared("digits", limit=limit)


def test_numbers_and_several_labels_have_no_classes_to_count(tmp_path: Path, prepared: Callable) -> None:
    x = np.zeros((40, 4), np.float32)
    np.savez(tmp_path / "numbers.npz", x=x, y=np.linspace(0, 1, 40).astype(np.float32))
    np.savez(tmp_path / "several.npz", x=x, y=np.arange(80).reshape(40, 2) % 3)
    with pytest.raises(CrosstrainError, match="numbers, not classes"):
        prepared(f"arrays:{tmp_path / 'numbers.npz'}", limit=2)
    with pytest.raises(CrosstrainError, match="several labels"):
        prepared(f"arrays:{tmp_path / 'several.npz'}", limit=2)


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    limit=st.integers(1, 8), seed=st.integers(0, 3),
)  # fmt: skip
def test_counts(labels: list[int], limit: int, seed: int) -> None:
    array = np.array(labels)
    table = Table({"": Values.of(np.arange(len(array)), "int64")}, {"": Values.of(array, "int64")})
    source = limited(Source({"train": table}, {"": "abcde"}), limit, seed)
    rows = source.splits["train"].inputs[""].rows
    assert (np.diff(rows) > 0).all()
    expected = np.minimum(np.bincount(array, minlength=5), limit)
    assert np.bincount(array[rows], minlength=5).tolist() == expected.tolist()
