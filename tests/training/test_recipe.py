"""The recipe as data, the order of batches, and pictures changed at random."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain.training.augmentation import augmented
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss, Recipe, batch_order, batches
from crosstrain.training.schedules import Schedule


def test_json_round_trip() -> None:
    recipe = Recipe(
        losses={"a": Loss("huber", {"delta": 0.5}, 0.3)},
        optimizer=Optimizer("adam", clipnorm=1.0),
        schedule=Schedule("cosine", {"decay_steps": 10}),
        batch_size=32, epochs=3, seed=7, metrics=("accuracy", "top_k:3"),
        augmentation={"flip": True, "shift": 4},
    )  # fmt: skip
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    assert Recipe.from_json(Recipe().to_json()) == Recipe()


@pytest.mark.parametrize(
    "settings",
    [{"batch_size": 0}, {"epochs": -1}, {"metrics": ("speed",)}, {"augmentation": {"turn": 3}},
     {"augmentation": {"shift": -1}}, {"augmentation": {"shift": True}}, {"augmentation": {"flip": 2}}],
)  # fmt: skip
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"cannot be|there is no"):
        Recipe(**settings)


@given(st.integers(1, 300), st.integers(1, 70), st.integers(0, 2**31), st.integers(0, 1000))
def test_an_epoch_has_every_example_once(examples: int, size: int, seed: int, epoch: int) -> None:
    parts = list(batches(examples, size, seed, epoch))
    assert sorted(np.concatenate(parts)) == list(range(examples))
    assert all(len(part) == size for part in parts[:-1])
    assert 1 <= len(parts[-1]) <= size


def test_the_order_is_fixed_by_seed_and_epoch_alone() -> None:
    # Written down: a change here would make results of two versions incomparable.
    assert batch_order(8, seed=0, epoch=0).tolist() == [2, 4, 3, 6, 5, 0, 1, 7]
    assert not np.array_equal(batch_order(100, 0, 0), batch_order(100, 0, 1))
    assert not np.array_equal(batch_order(100, 0, 0), batch_order(100, 1, 0))


@pytest.fixture
def pictures() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {"image": random.random((64, 9, 8, 3), np.float32) + 1, "number": random.random((64, 5))}


def test_flips_mirror_about_half_of_the_pictures(pictures: dict[str, np.ndarray]) -> None:
    result = augmented(pictures, {"flip": True}, seed=1, step=0)
    before, after = pictures["image"], result["image"]
    same = np.array([np.array_equal(a, b) for a, b in zip(before, after, strict=True)])
    mirrored = np.array([np.array_equal(a[:, ::-1], b) for a, b in zip(before, after, strict=True)])
    assert (same ^ mirrored).all()
    assert 16 < mirrored.sum() < 48
    assert result["number"] is pictures["number"]
    assert after.dtype == np.float32


def test_shifts_move_within_their_reach_and_fill_with_zeros(pictures: dict[str, np.ndarray]) -> None:
    result = augmented(pictures, {"shift": 2}, seed=1, step=0)["image"]
    moves = set()
    for before, after in zip(pictures["image"], result, strict=True):
        padded = np.pad(before, ((2, 2), (2, 2), (0, 0)))
        windows = {(y, x): padded[y : y + 9, x : x + 8] for y in range(5) for x in range(5)}
        matching = [move for move, window in windows.items() if np.array_equal(window, after)]
        assert len(matching) == 1
        moves.update(matching)
    assert {y for y, _ in moves} == {x for _, x in moves} == set(range(5))


def test_augmentation_repeats_by_seed_and_step(pictures: dict[str, np.ndarray]) -> None:
    def images(seed: int, step: int) -> np.ndarray:
        return augmented(pictures, {"flip": True, "shift": 1}, seed, step)["image"]

    assert np.array_equal(images(1, 5), images(1, 5))
    assert not np.array_equal(images(1, 5), images(1, 6))
    assert not np.array_equal(images(1, 5), images(2, 5))


def test_no_augmentation_leaves_the_arrays(pictures: dict[str, np.ndarray]) -> None:
    assert augmented(pictures, {}, 0, 0)["image"] is pictures["image"]
    assert augmented(pictures, {"flip": False, "shift": 0}, 0, 0)["image"] is pictures["image"]


def test_inputs_of_one_example_are_changed_alike() -> None:
    image = np.random.default_rng(0).random((32, 6, 6, 1))
    result = augmented({"left": image, "right": image + 1}, {"flip": True, "shift": 1}, 3, 0)
    inside = result["left"] != 0
    assert np.array_equal(result["left"][inside] + 1, result["right"][inside])
