"""Metrics against scikit-learn and Keras, whatever the batches they come in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, mean_absolute_error, top_k_accuracy_score

from crosstrain.training.metrics import METRICS, Reading, check_metric, metrics

CLASSES = 7


def fed(name: str, reading: Reading, outputs: np.ndarray, targets: np.ndarray, batch: int = 17) -> Any:
    metric = metrics((name,), reading)[name]
    for start in range(0, len(outputs), batch):
        metric.update(outputs[start : start + batch], targets[start : start + batch])
    return metric.result()


@pytest.fixture
def scores() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(200, CLASSES)).astype(np.float32)


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, CLASSES, 200)


@pytest.mark.parametrize("batch", [1, 17, 200])
def test_accuracy(scores: np.ndarray, labels: np.ndarray, batch: int) -> None:
    expected = accuracy_score(labels, scores.argmax(1))
    assert 0 < expected < 1
    assert fed("accuracy", Reading(CLASSES), scores, labels, batch) == expected
    assert fed("accuracy", Reading(CLASSES), scores, np.eye(CLASSES)[labels], batch) == expected
    assert fed("accuracy", Reading(CLASSES), scores, labels[:, None], batch) == expected


@pytest.mark.parametrize("k", [1, 3, 5])
def test_top_k(scores: np.ndarray, labels: np.ndarray, k: int) -> None:
    expected = top_k_accuracy_score(labels, scores, k=k)
    assert fed(f"top_k:{k}", Reading(CLASSES), scores, labels) == pytest.approx(expected)


def test_top_k_is_five_where_nothing_is_said(scores: np.ndarray, labels: np.ndarray) -> None:
    assert fed("top_k", Reading(CLASSES), scores, labels) == fed("top_k:5", Reading(CLASSES), scores, labels)


def test_scores_that_are_no_numbers_are_never_right(scores: np.ndarray, labels: np.ndarray) -> None:
    assert fed("top_k:3", Reading(CLASSES), np.full_like(scores, np.nan), labels) == 0


def test_confusion(scores: np.ndarray, labels: np.ndarray) -> None:
    expected = confusion_matrix(labels, scores.argmax(1), labels=range(CLASSES))
    assert np.array_equal(fed("confusion", Reading(CLASSES), scores, labels), expected)


def test_confusion_of_more_scores_than_classes(scores: np.ndarray, labels: np.ndarray) -> None:
    """A vocabulary's words that do not occur may be answered all the same."""
    reading = Reading.of("sparse_categorical_crossentropy", {}, 3, CLASSES)
    expected = confusion_matrix(labels % 3, scores.argmax(1), labels=range(CLASSES))
    assert np.array_equal(fed("confusion", reading, scores, labels % 3), expected)


def test_mean_absolute_error() -> None:
    random = np.random.default_rng(2)
    outputs, targets = random.normal(size=(50, 3)), random.normal(size=(50, 3))
    assert fed("mae", Reading(), outputs, targets) == pytest.approx(mean_absolute_error(targets, outputs))
    one = fed("mae", Reading(), outputs[:, :1], targets[:, 0])
    assert one == pytest.approx(mean_absolute_error(targets[:, 0], outputs[:, 0]))


@pytest.mark.parametrize("from_logits", [True, False])
def test_yes_or_no(from_logits: bool) -> None:
    import keras

    random = np.random.default_rng(3)
    logits, labels = random.normal(size=(80, 1)), random.integers(0, 2, 80)
    outputs = logits if from_logits else 1 / (1 + np.exp(-logits))
    reading = Reading.of("binary_crossentropy", {"from_logits": from_logits}, 2, 1)
    expected = keras.metrics.BinaryAccuracy(threshold=0.0 if from_logits else 0.5)
    expected.update_state(labels[:, None], outputs)
    assert fed("accuracy", reading, outputs, labels) == pytest.approx(float(expected.result()))
    assert np.array_equal(
        fed("confusion", reading, outputs, labels), confusion_matrix(labels, logits[:, 0] > 0)
    )


def test_several_labels_at_once_are_counted_one_by_one() -> None:
    random = np.random.default_rng(4)
    outputs, targets = random.random((40, 5)), random.integers(0, 2, (40, 5))
    reading = Reading.of("binary_crossentropy", {}, 5, 5)
    assert fed("accuracy", reading, outputs, targets) == pytest.approx(np.mean((outputs > 0.5) == targets))


def test_hinge_reads_the_sign() -> None:
    outputs, targets = np.array([[-0.3], [0.2], [0.4]]), np.array([-1.0, 1.0, -1.0])
    assert fed("accuracy", Reading.of("hinge", {}, 2, 1), outputs, targets) == pytest.approx(2 / 3)


def test_a_class_for_every_pixel() -> None:
    random = np.random.default_rng(5)
    outputs, labels = random.normal(size=(6, 4, 3, CLASSES)), random.integers(0, CLASSES, (6, 4, 3))
    expected = accuracy_score(labels.ravel(), outputs.argmax(-1).ravel())
    assert fed("accuracy", Reading(CLASSES), outputs, labels, 4) == pytest.approx(expected)


def test_metrics_that_do_not_fit_give_way() -> None:
    assert list(metrics(("accuracy",), Reading(classes=None))) == ["mae"]
    assert list(metrics((), Reading(classes=3))) == ["accuracy"]
    assert list(metrics(("accuracy", "mae"), Reading(classes=None))) == ["mae"]


def test_nothing_fed_is_no_number() -> None:
    for name in ("accuracy", "mae"):
        assert metrics((name,), Reading(3))[name].result() is None


@pytest.mark.parametrize("name", ["acuracy", "top_k:0", "top_k:x", "mae:3"])
def test_unknown_metrics_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="there is no metric"):
        check_metric(name)
    assert all(check_metric(known) for known in METRICS)
