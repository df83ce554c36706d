"""Suppression, fuzzed against slow obvious ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain.detection.detections import Detections
from crosstrain.detection.suppression import (
    Suppression,
    of_settings,
    selected,
    softly_suppressed,
    suppressed,
)  # fmt: skip


def overlap(a: list[float], b: list[float]) -> float:
    """Written out, without arrays."""
    down = min(a[2], b[2]) - max(a[0], b[0])
    across = min(a[3], b[3]) - max(a[1], b[1])
    both = max(down, 0) * max(across, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both
    return both / union if union > 0 else 0.0


def slow(boxes: list[list[float]], scores: list[float], limit: float) -> list[int]:
    """As it is told: take the best, remove what overlaps it, again."""
    left, kept = list(range(len(boxes))), []
    while left:
        best = max(left, key=lambda n: (scores[n], -n))
        kept.append(best)
        left = [n for n in left if n != best and not overlap(boxes[n], boxes[best]) > limit]
    return kept


def slow_soft(
    boxes: list[list[float]], scores: list[float], sigma: float, least: float
) -> list[tuple[int, float]]:
    left, kept = dict(enumerate(scores)), []
    while left:
        best = max(left, key=lambda n: (left[n], -n))
        score = left.pop(best)
        if score < least:
            break
        kept.append((best, score))
        for n in left:
            left[n] *= math.exp(-(overlap(boxes[n], boxes[best]) ** 2) / sigma)
    return kept


# Few places and few scores, so that boxes touch, hold each other and tie.
box = st.tuples(st.integers(0, 8), st.integers(0, 8), st.integers(1, 6), st.integers(1, 6)).map(
    lambda each: [float(each[0]), float(each[1]), float(each[0] + each[2]), float(each[1] + each[3])]
)
scored = st.lists(st.tuples(box, st.integers(0, 6).map(lambda n: n / 6)), min_size=1, max_size=14)


@given(scored, st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]))
def test_hard_suppression(boxes: list[tuple[list[float], float]], limit: float) -> None:
    places, scores = [each for each, _ in boxes], [score for _, score in boxes]
    fast = suppressed(np.asarray(places), np.asarray(scores), limit)
    assert fast.tolist() == slow(places, scores, limit)


@given(scored, st.sampled_from([0.1, 0.5, 2.0]), st.sampled_from([0.0, 0.05, 0.3]))
def test_soft_suppression(boxes: list[tuple[list[float], float]], sigma: float, least: float) -> None:
    places, scores = [each for each, _ in boxes], [score for _, score in boxes]
    rows, values = softly_suppressed(np.asarray(places), np.asarray(scores), sigma, least)
    expected = slow_soft(places, scores, sigma, least)
    assert np.allclose(values, [score for _, score in expected])
    # Scores that tie but for rounding may come in either order.
    assert sorted(rows.tolist()) == sorted(n for n, _ in expected)


def test_classes_do_not_suppress_each_other() -> None:
    boxes = np.asarray([[0, 0, 10, 10], [0, 0, 10, 10.5], [50, 50, 60, 60]])
    scores = np.asarray([[0.9, 0.2], [0.8, 0.7], [0.001, 0.4]])
    found = selected(boxes, scores)
    assert found.classes.tolist() == [0, 1, 1]
    assert found.scores.tolist() == pytest.approx([0.9, 0.7, 0.4])
    assert found.boxes.tolist() == [[0, 0, 10, 10], [0, 0, 10, 10.5], [50, 50, 60, 60]]


def test_each_class_may_have_boxes_of_its_own() -> None:
    boxes = np.asarray([[[0, 0, 4, 4], [1, 1, 9, 9]]])
    found = selected(boxes, np.asarray([[0.3, 0.6]]))
    assert found.boxes.tolist() == [[1, 1, 9, 9], [0, 0, 4, 4]]
    assert found.classes.tolist() == [1, 0]


def test_what_is_no_number_is_no_detection() -> None:
    boxes = np.asarray([[0, 0, np.nan, 4], [0, 0, 5, 5], [0, 0, 6, 6]])
    found = selected(boxes, np.asarray([[0.9], [np.nan], [0.5]]))
    assert found.boxes.tolist() == [[0, 0, 6, 6]]


def test_most_and_least() -> None:
    boxes = np.asarray([[0, 10 * n, 5, 10 * n + 5] for n in range(6)], np.float64)
    scores = np.linspace(0.1, 0.6, 6)[:, None]
    assert len(selected(boxes, scores, Suppression(most=4))) == 4
    assert len(selected(boxes, scores, of_settings({"least_score": 0.35}))) == 3
    assert len(selected(boxes, scores).at_least(0.55)) == 1


def test_soft_suppression_keeps_what_hard_removes() -> None:
    boxes, scores = np.asarray([[0, 0, 10, 10], [0, 0, 10, 8.0]]), np.asarray([[0.9], [0.8]])
    assert len(selected(boxes, scores)) == 1
    soft = selected(boxes, scores, Suppression(soft=0.5))
    assert soft.scores.tolist() == pytest.approx([0.9, 0.8 * math.exp(-(0.8**2) / 0.5)])


def test_nothing_is_no_detection() -> None:
    found = selected(np.empty((0, 4)), np.empty((0, 3)))
    assert isinstance(found, Detections)
    assert len(found) == 0
