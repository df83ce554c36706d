"""Metrics of a trained classification against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score, top_k_accuracy_score

from crosstrain.training.metrics import Reading
from crosstrain.training.quality import BINS, quality_metrics


def measured(reading: Reading, outputs: np.ndarray, targets: np.ndarray, batch: int = 37) -> dict[str, Any]:
    by_name = quality_metrics(reading, outputs)
    for start in range(0, len(outputs), batch):
        for metric in by_name.values():
            metric.update(outputs[start : start + batch], targets[start : start + batch])
    return {name: metric.result() for name, metric in by_name.items()}


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def sample(classes: int, seed: int, count: int = 200, rounded: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels; every class occurs."""
    random = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), random.integers(0, classes, count - classes)])
    logits = random.normal(size=(count, classes)) + 1.5 * np.eye(classes)[labels]
    return (np.round(logits) if rounded else logits).astype(np.float32), labels


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 9), st.integers(0, 10**6), st.booleans())
def test_scikit_learn_agrees(classes: int, seed: int, rounded: bool) -> None:
    """Rounded logits have ties."""
    logits, labels = sample(classes, seed, rounded=rounded)
    found = measured(Reading(classes, logits=True), logits, labels)
    shares, answers = softmax(logits), logits.argmax(axis=1)
    for average, entry in ((None, found["per_class"]), ("macro", found["per_class"]["macro"])):
        wanted = precision_recall_fscore_support(labels, answers, average=average, zero_division=0)
        for name, values in zip(("precision", "recall", "f1"), wanted, strict=False):
            np.testing.assert_allclose(entry[name], values, rtol=1e-12, err_msg=name)
    assert found["per_class"]["examples"] == np.bincount(labels).tolist()
    # float32, as the scores are kept: ties are the same ones.
    ovr = [roc_auc_score(labels == c, shares[:, c].astype(np.float32)) for c in range(classes)]
    assert found["macro_auc"] == pytest.approx(np.mean(ovr), rel=1e-12)
    if classes > 5:
        assert found["top_k:5"] == top_k_accuracy_score(labels, logits, k=5) or rounded
    else:
        assert "top_k:5" not in found


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_yes_and_no(shape: tuple[int, ...]) -> None:
    logits, labels = sample(2, 3)
    score = (logits[:, 1] - logits[:, 0]).reshape(shape)
    found = measured(Reading.of("binary_crossentropy", {"from_logits": True}, 2, 1), score, labels)
    flat = 1 / (1 + np.exp(-score.reshape(-1).astype(np.float64)))
    assert found["macro_auc"] == pytest.approx(roc_auc_score(labels, flat), rel=1e-6)
    wanted = precision_recall_fscore_support(labels, flat > 0.5)
    np.testing.assert_allclose(found["per_class"]["f1"], wanted[2])


def test_the_calibration_error_is_that_of_the_curve() -> None:
    logits, labels = sample(10, 0, count=2000)
    found = measured(Reading(10, logits=True), logits, labels)["calibration_error"]
    shares = softmax(logits)
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == labels
    accuracy, mean = calibration_curve(right, sure, n_bins=BINS, strategy="uniform")
    counts = np.histogram(sure, np.linspace(0, 1, BINS + 1))[0]
    wanted = np.abs(accuracy - mean) @ counts[counts > 0] / len(sure)
    assert found == pytest.approx(wanted, rel=1e-9)
    assert wanted > 0.01


def test_what_is_certain_and_right_is_calibrated() -> None:
    found = measured(Reading(3), np.eye(3, dtype=np.float32)[[0, 1, 2, 1]], np.array([0, 1, 2, 1]))
    assert found["calibration_error"] == 0
    assert found["macro_auc"] == 1


def test_outputs_that_are_no_probabilities_have_no_calibration() -> None:
    found = measured(Reading(3), np.array([[2.0, -1.0, 0.0]] * 4), np.array([0, 1, 2, 1]))
    assert found["calibration_error"] is None
    assert found["macro_auc"] is None
    assert found["per_class"]["recall"] == [1, 0, 0]


def test_nothing_is_told_of_what_has_no_one_class_for_each_example() -> None:
    assert quality_metrics(Reading(None), np.zeros((2, 3))) == {}
    assert quality_metrics(Reading(3), np.zeros((2, 4, 4, 3))) == {}


def test_perplexity_is_e_to_the_mean_cross_entropy() -> None:
    random = np.random.default_rng(0)
    logits, labels = random.normal(size=(6, 5, 4)), random.integers(0, 4, (6, 5))
    metric = quality_metrics(Reading(4, logits=True), logits)["perplexity"]
    for part in (slice(0, 4), slice(4, 6)):
        metric.update(logits[part], labels[part])
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    expected = np.exp(-np.take_along_axis(logs, labels[..., None], axis=-1).mean())
    assert metric.result() == pytest.approx(expected)
    uniform = quality_metrics(Reading(4, logits=True), logits)["perplexity"]
    assert uniform.result() is None
    uniform.update(np.zeros((2, 3, 4)), np.ones((2, 3), int))
    assert uniform.result() == pytest.approx(4.0)
