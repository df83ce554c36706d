"""Reading what CTC trained: the best path, beams against all labellings, edits, and the metrics of texts."""

from __future__ import annotations

import math
from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain.training.metrics import Reading, Transcription, metrics
from crosstrain.training.quality import quality_metrics, training_metrics
from crosstrain.training.scores.ctc import beam_search, edit_distance, greedy
from crosstrain.training.tasks import measure_of

RNG = np.random.default_rng(3)


def log_softmax(scores: np.ndarray) -> np.ndarray:
    return np.asarray(scores - np.log(np.exp(scores).sum(-1, keepdims=True)))


def labellings(log_p: np.ndarray) -> dict[tuple[int, ...], float]:
    """By the definition: the probability of each labelling is that of all its paths."""
    found: dict[tuple[int, ...], float] = {}
    for path in product(range(log_p.shape[1]), repeat=len(log_p)):
        labels = tuple(key for key, _ in groupby(path) if key)
        found[labels] = found.get(labels, 0.0) + math.exp(sum(log_p[t, k] for t, k in enumerate(path)))
    return found


def test_the_best_path_collapses_and_then_loses_its_blanks() -> None:
    scores = np.eye(4)[[0, 1, 1, 0, 1, 2, 2, 0, 3]]
    assert greedy(scores) == (1, 1, 2, 3)
    assert greedy(np.eye(4)[[3, 1, 3, 3, 2]], blank=3) == (1, 2)
    assert greedy(np.eye(3)[[0, 0]]) == ()


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_finds_the_likeliest_labellings_exactly(seed: int) -> None:
    log_p = log_softmax(np.random.default_rng(seed).normal(size=(6, 4)) * 2)
    wanted = sorted(labellings(log_p).items(), key=lambda item: -item[1])
    found = beam_search(log_p, 10_000)
    assert {labels: math.exp(p) for labels, p in found} == pytest.approx(dict(wanted), rel=1e-9)
    assert [labels for labels, _ in found[:5]] == [labels for labels, _ in wanted[:5]]
    narrow = beam_search(log_p, 3)
    assert len(narrow) == 3
    assert all(math.exp(p) <= dict(wanted)[labels] * (1 + 1e-9) for labels, p in narrow)


def test_a_beam_sees_what_the_best_path_does_not() -> None:
    """Two paths of "a" together are likelier than the best single path, of blanks (Graves 2006, figure 2)."""
    p = np.array([[0.6, 0.4], [0.6, 0.4]])
    assert greedy(p) == ()
    (labels, probability), *_ = beam_search(np.log(p), 4)
    assert labels == (1,)
    assert math.exp(probability) == pytest.approx(0.4 * 0.4 + 2 * 0.6 * 0.4)


def test_what_is_no_number_spells_nothing() -> None:
    assert beam_search(np.full((3, 2), np.nan), 2) == [((), -math.inf)]


def slow_distance(one: str, other: str) -> int:
    if not one or not other:
        return len(one) + len(other)
    return min(
        slow_distance(one[1:], other) + 1,
        slow_distance(one, other[1:]) + 1,
        slow_distance(one[1:], other[1:]) + (one[0] != other[0]),
    )


def test_levenshtein_s_distance() -> None:
    assert edit_distance("kitten", "sitting") == 3
    assert edit_distance("", "abc") == edit_distance("abc", "") == 3


@given(st.text("ab", max_size=5), st.text("ab", max_size=5))
def test_edits_are_the_fewest(one: str, other: str) -> None:
    assert edit_distance(one, other) == edit_distance(other, one) == slow_distance(one, other)


def spelling(*texts: list[int]) -> np.ndarray:
    """Outputs whose best paths spell ``texts``: each label followed by a blank."""
    out = np.zeros((len(texts), 12, 6))
    for row, text in zip(out, texts, strict=True):
        row[:, 0] = 5.0
        for place, label in enumerate(text):
            row[2 * place, label] = 9.0
    return out


@pytest.mark.parametrize("beam", [0, 6])
def test_error_rates_are_edits_over_all_that_there_is_to_read(beam: int) -> None:
    """Label 5 is the space: "12 3", "4" and "11 1" are read as "12 3", "43" and "11"."""
    reading = Reading(6, logits=True, transcription=Transcription(space=5, beam=beam))
    targets = np.array([[1, 2, 5, 3], [4, 0, 0, 0], [1, 1, 5, 1]])
    outputs = spelling([1, 2, 5, 3], [4, 3], [1, 1])
    chosen = {
        **metrics(("accuracy", "top_k:3", "confusion"), reading),
        **training_metrics(reading),
        **quality_metrics(reading, outputs),
    }
    for metric in chosen.values():
        metric.update(outputs[:2], targets[:2])
        metric.update(outputs[2:], targets[2:])
    results = {name: metric.result() for name, metric in chosen.items()}
    assert results["accuracy"] == pytest.approx(1 / 3)
    assert results["character_error_rate"] == pytest.approx((0 + 1 + 2) / (4 + 1 + 4))
    assert results["word_error_rate"] == pytest.approx((0 + 1 + 1) / (2 + 1 + 2))
    assert results["character_accuracy"] == pytest.approx(1 - 3 / 9)
    assert "top_k:3" not in results
    assert "confusion" not in results
    measure = measure_of(results)
    assert measure is not None
    assert measure["name"] == "character_accuracy"
    assert measure["low"] <= measure["value"] <= measure["high"]


def test_more_wrong_than_there_is_to_read_is_no_accuracy_below_0() -> None:
    reading = Reading(6, logits=True, transcription=Transcription())
    metric = training_metrics(reading)["character_accuracy"]
    metric.update(spelling([1, 2, 3, 4]), np.array([[5]]))
    assert metric.result() == 0.0
