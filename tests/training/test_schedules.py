"""Schedules against keras.optimizers.schedules, and the plateau against keras.callbacks."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from crosstrain.training.schedules import Plateau, Schedule

STEPS = [0, 1, 2, 4, 5, 6, 9, 10, 11, 14, 15, 16, 40, 1000]


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    import keras

    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


@pytest.mark.parametrize(
    ("name", "settings", "keras_name", "keras_settings"),
    [
        ("exponential", {"decay_steps": 7, "decay_rate": 0.5}, "ExponentialDecay", None),
        ("exponential", {"decay_steps": 7, "decay_rate": 0.5, "staircase": True}, "ExponentialDecay", None),
        ("inverse_time", {"decay_steps": 7, "decay_rate": 0.5}, "InverseTimeDecay", None),
        ("cosine", {"decay_steps": 10}, "CosineDecay", None),
        ("cosine", {"decay_steps": 10, "alpha": 0.1}, "CosineDecay", None),
        ("cosine", {"decay_steps": 10, "warmup_steps": 5}, "CosineDecay", None),
        ("cosine", {"decay_steps": 10, "warmup_target": 0.7, "warmup_steps": 5}, "CosineDecay", None),
        (
            "step", {"boundaries": [5, 10], "factors": [0.1, 0.01]}, "PiecewiseConstantDecay",
            {"boundaries": [5, 10], "values": [0.3, 0.03, 0.003]},
        ),
        (
            "step", {"boundaries": [5], "factors": [0.5]}, "PiecewiseConstantDecay",
            {"boundaries": [5], "values": [0.3, 0.15]},
        ),
    ],
)  # fmt: skip
def test_the_rate_of_every_step_is_keras(
    name: str, settings: dict[str, Any], keras_name: str, keras_settings: dict[str, Any] | None
) -> None:
    import keras

    expected = getattr(keras.optimizers.schedules, keras_name)(
        **(keras_settings or {"initial_learning_rate": 0.3, **settings})
    )
    schedule = Schedule(name, settings)
    for step in STEPS:
        assert schedule.rate(0.3, step) == pytest.approx(float(expected(step)), rel=1e-6), step


def test_warm_up_rises_to_the_rate_and_stays() -> None:
    schedule = Schedule("warmup", {"warmup_steps": 4})
    assert [schedule.rate(0.4, step) for step in range(6)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("patience", [1, 3])
def test_the_plateau_counts_as_keras_does(seed: int, patience: int) -> None:
    import keras

    metrics = np.cumsum(np.random.default_rng(seed).normal(0.0, 1e-3, 60)) + 0.5
    callback = keras.callbacks.ReduceLROnPlateau(
        "accuracy", factor=0.5, patience=patience, min_lr=0.01, mode="max", min_delta=1e-3
    )
    optimizer = SimpleNamespace(learning_rate=0.3)
    callback.set_model(SimpleNamespace(optimizer=optimizer, metrics=[]))
    callback.on_train_begin()
    plateau = Plateau(0.3, factor=0.5, patience=patience, min_rate=0.01, min_delta=1e-3)
    changes = set()
    for epoch, metric in enumerate(metrics):
        callback.on_epoch_end(epoch, {"accuracy": metric})
        rate = plateau.after_epoch(metric)
        assert rate == pytest.approx(float(optimizer.learning_rate), rel=1e-6), epoch
        changes.add(rate)
    assert len(changes) > 2


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("steps", {}, "there is no schedule 'steps'"),
        ("step", {"boundaries": [5]}, "factors"),
        ("cosine", {"decay_steps": 0}, "cannot have these settings"),
        ("exponential", {"decay_step": 3, "decay_rate": 0.5}, "decay_step"),
        ("step", {"boundaries": [0], "factors": []}, "cannot have these settings"),
        ("plateau", {"patients": 3}, "patients"),
    ],
)
def test_wrong_settings_are_refused_at_once(name: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Schedule(name, settings)
