"""The recipe as data, and the order of batches."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
