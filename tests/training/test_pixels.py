"""Metrics of label maps against scikit-learn and SciPy, whatever the batches they come in; void is in
none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion, distance_transform_edt
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, jaccard_score

from crosstrain.training.metrics import Reading, metrics
from crosstrain.training.quality import quality_metrics
from crosstrain.training.scores import pixels
from crosstrain.training.tasks import SEGMENTATION, measure_of, task_of

CLASSES, VOID = 5, 255
READING = Reading(CLASSES, logits=True, void=VOID, maps=True)


def sample(
    seed: int = 0, examples: int = 6, size: tuple[int, int] = (20, 24)
) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and maps of blocks of which a part is void."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, CLASSES, (examples, size[0] // 4, size[1] // 4))
    truth = np.repeat(np.repeat(blocks, 4, axis=1), 4, axis=2)
    scores = random.normal(size=(*truth.shape, CLASSES)) + 1.5 * np.eye(CLASSES)[truth]
    return scores, np.where(random.random(truth.shape) < 0.1, VOID, truth)


def fed(scores: np.ndarray, truth: np.ndarray, batch: int) -> dict[str, Any]:
    """As ``Evaluation`` feeds them."""
    by_name = {
        **metrics(("accuracy", "confusion"), READING),
        **pixels.training_metrics(READING),
        **quality_metrics(READING, scores),
    }
    for start in range(0, len(scores), batch):
        part, targets = scores[start : start + batch], truth[start : start + batch]
        judged = targets != VOID
        for metric in by_name.values():
            rows = ... if getattr(metric, "whole", False) else judged
            metric.update(part[rows], targets[rows])
    return {name: metric.result() for name, metric in by_name.items()}


@pytest.mark.parametrize("batch", [1, 4, 6])
def test_counts_are_scikit_learn_s(batch: int) -> None:
    scores, truth = sample()
    found = fed(scores, truth, batch)
    true, answers = truth[truth != VOID], scores.argmax(-1)[truth != VOID]
    assert found["confusion"] == confusion_matrix(true, answers, labels=range(CLASSES)).tolist()
    assert found["accuracy"] == accuracy_score(true, answers)
    assert found["class_accuracy"] == pytest.approx(balanced_accuracy_score(true, answers))
    assert found["mean_iou"] == pytest.approx(jaccard_score(true, answers, average="macro"))
    assert found["class_iou"] == pytest.approx(
        jaccard_score(true, answers, average=None, labels=range(CLASSES)).tolist()
    )
    low, high = found["mean_iou_limits"]
    assert low < found["mean_iou"] < high


def test_classes_that_never_occur_are_in_no_mean() -> None:
    counts = np.array([[6, 2, 0, 0], [0, 4, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert pixels.class_iou(counts) == [6 / 8, 4 / 6, None, None]
    assert pixels.mean_iou(counts) == pytest.approx((6 / 8 + 4 / 6) / 2)
    assert pixels.class_accuracy(counts) == (6 / 8 + 1) / 2
    assert pixels.mean_iou(np.zeros((3, 3), int)) is None
    # A class that is answered and never true is wrong everywhere, and has no accuracy.
    counts[0, 2] = 2
    assert pixels.class_iou(counts)[2] == 0.0
    assert pixels.class_accuracy(counts) == pytest.approx((6 / 10 + 1) / 2)


def slow_boundary_f1(answers: np.ndarray, truth: np.ndarray) -> float | None:
    """By distance transforms (Csurka et al. 2013); without void."""
    reach, scores = 0.0075 * np.hypot(*truth.shape), []
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    for label in np.unique(truth):
        own, other = (
            m & ~binary_erosion(m, cross, border_value=1) for m in (answers == label, truth == label)
        )
        if not other.any():
            continue
        if not own.any():
            scores.append(0.0)
            continue
        precision = (distance_transform_edt(~other)[own] <= reach).mean()
        recall = (distance_transform_edt(~own)[other] <= reach).mean()
        scores.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return float(np.mean(scores)) if scores else None


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([4, 40, 200]))
def test_boundary_f1_is_that_of_distance_transforms(seed: int, scale: int) -> None:
    """Pictures from 4×4 blocks up, where the tolerance is from below one pixel to several."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 3, (2, 4, 4))
    truth, answers = np.kron(small, np.ones((1, scale, scale), int))
    answers = np.roll(answers if seed % 2 else truth, (seed % 5, seed % 3), axis=(0, 1))
    expected = slow_boundary_f1(answers, truth)
    scores = pixels.boundary_scores(answers, truth)
    assert (float(np.mean(list(scores.values()))) if scores else None) == pytest.approx(expected)


def test_void_has_no_boundary() -> None:
    truth = np.zeros((40, 40), int)
    truth[:, 20:] = pixels.EMPTY
    assert pixels.boundary_scores(truth, truth) == {}
    truth[20:, :20] = 1
    assert pixels.boundary_scores(truth, truth) == {0: 1.0, 1: 1.0}
    answers = np.where(truth == pixels.EMPTY, truth, 0)
    assert pixels.boundary_scores(answers, truth) == {0: 0.0, 1: 0.0}


@pytest.mark.parametrize("reach", [0.4, 1.0, 2.5, 7.0])
def test_near_is_a_disk(reach: float) -> None:
    some = np.random.default_rng(2).random((30, 41)) < 0.02
    assert np.array_equal(pixels.near(some, reach), distance_transform_edt(~some) <= reach)


def test_the_main_metric_is_the_mean_iou() -> None:
    found = fed(*sample(), 6)
    assert task_of(found) is SEGMENTATION
    measure = measure_of(found)
    assert measure is not None
    assert (measure["name"], measure["title"], measure["value"]) == (
        "mean_iou",
        "mean IoU",
        found["mean_iou"],
    )
    assert [measure["low"], measure["high"]] == found["mean_iou_limits"]
    assert measure_of({"accuracy": 0.5, "loss": 1.0})["title"] == "accuracy"  # type: ignore[index]
    assert measure_of({"loss": 1.0}) is None
