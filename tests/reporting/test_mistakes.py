"""Predictions that were kept, and what is read from them."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

from crosstrain.reporting import mistakes as module
from crosstrain.reporting.mistakes import read_mistakes
from crosstrain.reporting.pictures import as_pictures
from crosstrain.results.schema import ComparisonResult
from crosstrain.runs.tasks.predictions import Predictions, predictions_file
from crosstrain.system.files import write_arrays
from crosstrain.training.metrics import Reading
from tests.reporting.making import CLASSES, EXAMPLES, IMAGE, comparison, prepared


def test_the_mistakes_of_the_recommended_row(tmp_path: Path) -> None:
    result = comparison(tmp_path / "out")
    mistakes = read_mistakes(result, tmp_path / "out")
    assert mistakes is not None
    recommendation = result.recommendation
    assert (mistakes.network, mistakes.engine, mistakes.input_size) == (
        recommendation.network,
        recommendation.engine,
        recommendation.input_size,
    )
    # np.unique put the names in order; each right class is taken for the next one in a tenth of all cases.
    assert mistakes.classes == tuple(sorted(CLASSES))
    assert (mistakes.wrong, mistakes.examples) == (EXAMPLES // 10, EXAMPLES)
    table = np.array(mistakes.confusion)
    assert table.sum() == EXAMPLES
    assert np.trace(table) == EXAMPLES - mistakes.wrong
    for index, each in enumerate(mistakes.per_class):
        assert (each.right, each.examples) == (table[index, index], table[index].sum())
        assert each.accuracy is not None
        assert (
            each.accuracy.low < each.right / each.examples < each.accuracy.high or each.right == each.examples
        )
    sure = [m.probability for m in mistakes.worst]
    assert len(sure) == mistakes.wrong
    assert sure == sorted(sure, reverse=True)
    assert all(
        m.true != m.predicted and m.true_probability == pytest.approx(1 - m.probability)
        for m in mistakes.worst
    )


def test_the_pictures_are_those_of_the_examples(tmp_path: Path) -> None:
    mistakes = read_mistakes(comparison(tmp_path / "out"), tmp_path / "out")
    assert mistakes is not None
    test = np.load(tmp_path / "signs.npz")["x_test"]
    for mistake in mistakes.worst:
        assert mistake.picture is not None
        head, _, body = mistake.picture.partition(",")
        assert head == "data:image/png;base64"
        shown = cv2.imdecode(np.frombuffer(base64.b64decode(body), np.uint8), cv2.IMREAD_COLOR)
        assert np.array_equal(shown[..., ::-1], test[mistake.example])


@pytest.mark.parametrize("steps", [None, "standardize", "bgr,standardize", "hsv"])
def test_what_preparation_did_to_a_picture_is_undone(tmp_path: Path, steps: str | None) -> None:
    data = prepared(tmp_path, steps=steps)
    test = np.load(tmp_path / "signs.npz")["x_test"]
    shown = as_pictures(data, np.arange(10))
    assert not isinstance(shown, str)
    # Hue and saturation are rounded to bytes, which moves dark colours by a few steps.
    allowed = 6 if steps == "hsv" else 0
    assert np.abs(np.stack(shown).astype(int) - test[:10]).max() <= allowed


def test_engines_that_err_on_other_examples_do_not_agree(tmp_path: Path) -> None:
    mistakes = read_mistakes(comparison(tmp_path / "out"), tmp_path / "out")
    assert mistakes is not None
    assert len(mistakes.agreement) == 4  # two networks at two sizes
    for each in mistakes.agreement:
        at = {engine: index for index, engine in enumerate(each.engines)}
        assert each.differ[at["torch"]][at["tensorflow"]] == 0
        assert each.differ[at["torch"]][at["jax"]] == each.differ[at["jax"]][at["torch"]] == EXAMPLES // 5
        assert (each.any, each.examples) == (EXAMPLES // 5, EXAMPLES)


def test_what_is_missing_or_damaged_costs_only_its_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, folder = comparison(tmp_path / "out"), tmp_path / "out"
    whole = read_mistakes(result, folder)
    assert whole is not None
    monkeypatch.setattr(module.Cache, "find", lambda self, key: None)
    without = read_mistakes(result, folder)
    assert without is not None
    assert without.no_pictures == "the prepared data is no longer in the cache of this machine"
    assert (without.confusion, without.classes) == (whole.confusion, whole.classes)
    assert all(m.picture is None for m in without.worst)

    torn = predictions_file(folder / "cells", whole.cell)
    torn.write_bytes(torn.read_bytes()[:100])
    other = read_mistakes(result, folder)
    assert other is not None
    assert other.cell != whole.cell
    assert other.engine == whole.engine

    for path in (folder / "cells").glob("*.test.npz"):
        path.unlink()
    assert read_mistakes(result, folder) is None
    write_arrays(predictions_file(folder / "cells", whole.cell), {"predicted": np.zeros(3)})
    assert read_mistakes(result, folder) is None


def test_a_result_without_cells_has_no_mistakes(tmp_path: Path) -> None:
    result: ComparisonResult = comparison(tmp_path / "out").model_copy(update={"cells": []})
    assert read_mistakes(result, tmp_path / "out") is None
    assert IMAGE in str(result.notes)


# -- what the worker keeps ----------------------------------------------------------------------------
def gathered(reading: Reading, outputs: np.ndarray, targets: np.ndarray) -> dict[str, np.ndarray]:
    predictions = Predictions()
    for start in range(0, len(outputs), 3):
        predictions.update("y", reading, outputs[start : start + 3], targets[start : start + 3])
        predictions.update("second", reading, outputs[start : start + 3], targets[start : start + 3])
    return predictions.arrays()


SCORES = np.random.default_rng(1).normal(0, 3, (10, 4)).astype(np.float32)
LABELS = np.random.default_rng(2).integers(0, 4, 10)


@pytest.mark.parametrize("targets", [LABELS, LABELS[:, None], np.eye(4, dtype=np.float32)[LABELS]])
def test_logits_become_probabilities(targets: np.ndarray) -> None:
    from scipy.special import softmax

    reading = Reading.of("sparse_categorical_crossentropy", {"from_logits": True}, 4, 4)
    arrays, expected = gathered(reading, SCORES, targets), softmax(SCORES.astype(np.float64), axis=1)
    assert {k: v.dtype.name for k, v in arrays.items()} == {
        "predicted": "int32", "true": "int32", "probability": "float32", "true_probability": "float32",
    }  # fmt: skip
    assert np.array_equal(arrays["predicted"], expected.argmax(axis=1))
    assert np.array_equal(arrays["true"], LABELS)
    np.testing.assert_allclose(arrays["probability"], expected.max(axis=1), rtol=1e-6)
    np.testing.assert_allclose(arrays["true_probability"], expected[np.arange(10), LABELS], rtol=1e-6)
    # A loss on probabilities takes the outputs as they are; one on anything else knows of no probability.
    plain = gathered(Reading.of("categorical_crossentropy", {}, 4, 4), expected, targets)
    np.testing.assert_allclose(plain["probability"], arrays["probability"], rtol=1e-6)
    assert np.isnan(
        gathered(Reading.of("mean_squared_error", {}, 4, 4), SCORES, targets)["probability"]
    ).all()


def test_yes_and_no() -> None:
    reading = Reading.of("binary_crossentropy", {"from_logits": True}, 2, 1)
    outputs, targets = np.array([[2.0], [-1.0], [800.0], [0.5]], np.float32), np.array([1, 1, 0, 0])
    arrays = gathered(reading, outputs, targets)
    yes = 1 / (1 + np.exp(-outputs[:, 0].astype(np.float64)))
    assert arrays["predicted"].tolist() == [1, 0, 1, 1]
    np.testing.assert_allclose(arrays["probability"], np.where(yes > 0.5, yes, 1 - yes), rtol=1e-6)
    np.testing.assert_allclose(arrays["true_probability"], np.where(targets == 1, yes, 1 - yes), atol=1e-7)


def test_numbers_to_predict_are_kept_as_they_are() -> None:
    arrays = gathered(Reading.of("mean_squared_error", {}, None, 4), SCORES, -SCORES)
    assert set(arrays) == {"output", "target"}
    np.testing.assert_array_equal(arrays["output"], SCORES.astype(np.float32))
    np.testing.assert_array_equal(arrays["target"], -SCORES.astype(np.float32))


def test_what_is_no_class_for_each_example_is_not_kept() -> None:
    assert (
        gathered(Reading.of("sparse_categorical_crossentropy", {}, 4, 4), SCORES[:, None], LABELS[:, None])
        == {}
    )
    diverged = gathered(
        Reading.of("categorical_crossentropy", {"from_logits": True}, 4, 4),
        np.full_like(SCORES, np.inf),
        LABELS,
    )
    assert np.isnan(diverged["probability"]).all()
