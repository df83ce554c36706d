"""BLEU on the examples of its paper, and on one that NLTK's documentation publishes."""

from __future__ import annotations

import pytest

from crosstrain.training.bleu import bleu, modified_precision

CANDIDATES = [
    "It is a guide to action which ensures that the military always obeys the commands of the party",
    "It is to insure the troops forever hearing the activity guidebook that party direct",
]
REFERENCES = [
    "It is a guide to action that ensures that the military will forever heed Party commands",
    "It is the guiding principle which guarantees the military forces always being under the command of the "
    "Party",
    "It is the practical guide for the army always to heed the directions of the party",
]


def test_the_paper_s_precisions() -> None:
    """Papineni et al. 2002, section 2.1 and 2.1.1: 17/18 and 8/14 single words, 10/17 and 1/13 pairs; "the"
    seven times over is 2/7. The paper takes no notice of capitals."""
    references = [[text.lower().split() for text in REFERENCES]]
    for candidate, single, pairs in zip(CANDIDATES, ((17, 18), (8, 14)), ((10, 17), (1, 13)), strict=True):
        answer = [candidate.lower().split()]
        assert modified_precision(answer, references, 1) == single
        assert modified_precision(answer, references, 2) == pairs
    mats = [[["the", "cat", "is", "on", "the", "mat"], ["there", "is", "a", "cat", "on", "the", "mat"]]]
    assert modified_precision([["the"] * 7], mats, 1) == (2, 7)


def test_nltk_s_published_value() -> None:
    """nltk.translate.bleu_score.sentence_bleu: 0.5045."""
    assert bleu([CANDIDATES[0].split()], [[text.split() for text in REFERENCES]]) == pytest.approx(
        0.5045, abs=5e-5
    )


def test_short_answers_are_penalised_and_equal_ones_perfect() -> None:
    text = ["a", "red", "circle", "above", "a", "blue", "square"]
    assert bleu([text], [[text]]) == 1.0
    assert bleu([text[:5]], [[text]]) == pytest.approx(2.718281828 ** (1 - 7 / 5))
    assert bleu([["x"] * 7], [[text]]) == 0.0
    assert bleu([[]], [[text]]) == 0.0
