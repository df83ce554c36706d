"""``crosstrain.load`` refuses what is not there, unfinished, or changed since."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from crosstrain.errors import CrosstrainError
from crosstrain.runs.definition import Definition
from crosstrain.runs.restored import load
from tests.comparison.conftest import defined

__all__ = ["defined"]


@pytest.fixture
def training(tmp_path: Path, defined: Path) -> Path:
    """A training's folder whose weights are the initial ones, times two."""
    shutil.copytree(defined, tmp_path / "networks" / "mlp")
    (tmp_path / "plan.json").write_text(json.dumps({"kind": "training", "definition": "networks/mlp"}))
    weights = {name: 2 * w for name, w in Definition.load(defined).weights().items()}
    np.savez(tmp_path / "best.npz", **weights)
    return tmp_path


def test_the_model_has_the_trained_weights(training: Path) -> None:
    model = load(training)
    with np.load(training / "best.npz") as stored:
        for variable in model.weights:
            np.testing.assert_array_equal(np.asarray(variable), stored[variable.path])
    assert model.input_shape == (None, 8, 8, 1)


def test_a_comparison_needs_a_cell(training: Path) -> None:
    (training / "cells").mkdir()
    shutil.move(training / "best.npz", training / "cells" / "one.npz")
    (training / "plan.json").write_text(json.dumps({"kind": "comparison", "cells": ["one", "two"]}))
    (training / "cells" / "one.json").write_text(json.dumps({"definition": "networks/mlp"}))
    assert load(training, cell="one").count_params() > 0
    with pytest.raises(CrosstrainError, match="name one of its cells; there are one, two"):
        load(training)
    with pytest.raises(CrosstrainError, match="no cell 'three'"):
        load(training, cell="three")
    with pytest.raises(CrosstrainError, match=r"'two' .* is not finished"):
        load(training, cell="two")


def test_a_missing_folder_or_file_is_reported(training: Path, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match=r"no trained weights yet \(last.npz"):
        load(training, weights="last")
    with pytest.raises(CrosstrainError, match=r"is not a crosstrain folder"):
        load(tmp_path / "gone")


def test_damaged_or_other_weights_are_reported(training: Path) -> None:
    whole = (training / "best.npz").read_bytes()
    (training / "best.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CrosstrainError, match="damaged"):
        load(training)
    np.savez(training / "best.npz", other=np.zeros(3))
    with pytest.raises(CrosstrainError, match="changed since"):
        load(training)


def test_keras_keeps_its_settings(training: Path) -> None:
    import keras

    keras.config.set_floatx("float64")
    try:
        load(training)
        assert keras.config.floatx() == "float64"
    finally:
        keras.config.set_floatx("float32")
