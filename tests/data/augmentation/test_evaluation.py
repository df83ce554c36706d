"""The form of a data set that evaluation sees, and what a data set cannot have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstrain.data import Prepared, prepare
from crosstrain.data.augmentation.evaluation import training_form
from crosstrain.errors import CrosstrainError

Prepare = Callable[..., Prepared]


@pytest.fixture
def colours(tmp_path: Path) -> str:
    random = np.random.default_rng(0)
    np.savez(
        tmp_path / "colours.npz",
        x=random.integers(0, 256, (60, 12, 10, 3), np.uint8), y=np.arange(60) % 3,
    )  # fmt: skip
    return f"arrays:{tmp_path / 'colours.npz'}"


def test_chance_alone_leaves_the_data_set_as_it_is(cache: Path, colours: str) -> None:
    plain = prepare(colours, cache=cache)
    random = {"flip": True, "rotate": 10, "jitter": 0.2, "cutout": 4}
    assert prepare(colours, cache=cache, augmentation=random).hash == plain.hash


def test_crops_and_numbers_are_the_same_for_every_split(cache: Path, colours: str) -> None:
    plain = prepare(colours, cache=cache)
    form = prepare(colours, cache=cache, augmentation={"crop": 8, "standardize": True, "flip": True})
    assert form.hash != plain.hash
    assert form.manifest["inputs"][""]["shape"] == [8, 8, 3]
    train = plain.arrays("train")[0][""][:, 2:10, 1:9].astype(np.float64)
    mean, deviation = train.mean(axis=(0, 1, 2)), train.std(axis=(0, 1, 2))
    for split in ("train", "validation", "test"):
        expected = (plain.arrays(split)[0][""][:, 2:10, 1:9] - mean) / (deviation + 1e-6)
        np.testing.assert_allclose(form.arrays(split)[0][""], expected, atol=1e-5)
        assert np.array_equal(form.arrays(split)[1][""], plain.arrays(split)[1][""])
    source, statistics = training_form(form)
    assert source.hash == plain.hash
    np.testing.assert_allclose(statistics["mean"], mean)
    np.testing.assert_allclose(form.manifest["standardized"][""]["deviation"], deviation)
    other = prepare(colours, cache=cache, augmentation={"crop": 8, "standardize": True, "rotate": 20})
    assert other.cached
    assert other.folder == form.folder


def test_mixed_targets_are_rows_of_shares(cache: Path, colours: str) -> None:
    form = prepare(colours, cache=cache, augmentation={"mixup": 0.2})
    plain = prepare(colours, cache=cache)
    for split in ("train", "test"):
        rows = form.arrays(split)[1][""]
        assert rows.dtype == np.float32
        assert np.array_equal(rows, np.eye(3)[plain.arrays(split)[1][""]])
        assert np.array_equal(form.arrays(split)[0][""], plain.arrays(split)[0][""])
    assert form.target_specs()[""] == {"shape": [3], "dtype": "float32", "classes": 3, "binary": True}


@pytest.mark.parametrize(
    ("augmentation", "sentence"),
    [
        ({"crop": 11}, r"crop=11 is larger than the pictures of arrays:\S+, which are 12×10; name fewer"),
        ({"cutout": 20}, "cutout=20 is larger than the pictures"),
        ({"shift": 12}, "shift=12 would move pictures of 12×10 out of sight"),
    ],
)
def test_what_does_not_fit_the_pictures(
    cache: Path, colours: str, augmentation: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CrosstrainError, match=sentence):
        prepare(colours, cache=cache, augmentation=augmentation)


def test_what_other_data_cannot_have(cache: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    np.savez(tmp_path / "rows.npz", x=random.random((40, 5)), y=np.arange(40) % 2)
    np.savez(tmp_path / "grey.npz", x=random.integers(0, 256, (40, 6, 6), np.uint8), y=np.arange(40) % 2)
    np.savez(tmp_path / "maps.npz", x=random.integers(0, 256, (40, 6, 6), np.uint8),
             y=random.integers(0, 3, (40, 6, 6)))  # fmt: skip
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("rows", {"flip": True}, "the augmentation flip works on pictures"),
        ("grey", {"hue": 0.1}, "hue works on red, green and blue"),
        ("maps", {"mixup": 0.2}, "mixup mixes one class for each example"),
    ]
    for name, augmentation, sentence in cases:
        with pytest.raises(CrosstrainError, match=sentence):
            prepare(f"arrays:{tmp_path / name}.npz", cache=cache, augmentation=augmentation)
    with pytest.raises(CrosstrainError, match="contrast works on pictures with values from 0 to 1"):
        prepare(
            f"arrays:{tmp_path / 'grey'}.npz",
            cache=cache,
            steps="standardize",
            augmentation={"contrast": 0.1},
        )


def test_a_whitening_too_large_is_refused(cache: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "large.npz", x=np.zeros((12, 64, 64, 3), np.uint8), y=np.arange(12) % 2)
    with pytest.raises(CrosstrainError, match="zca of pictures with 12,288 numbers"):
        prepare(f"arrays:{tmp_path / 'large'}.npz", cache=cache, augmentation={"zca": 1e-6})
