"""BLEU on the examples of its paper, and on one that NLTK's documentation publishes."""

from __future__ import annotations

import numpy as np
import pytest

from crosstrain.training.scores.bleu import bleu, counts, limits, of_counts

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


def precision(answer: str, references: list[str], number: int) -> tuple[int, int]:
    """Of so many words in a row: those that a reference has, and all."""
    found = counts([answer.lower().split()], [[text.lower().split() for text in references]])[0]
    return int(found[number - 1]), int(found[number + 3])


def test_the_paper_s_precisions() -> None:
    """Papineni et al. 2002, section 2.1 and 2.1.1: 17/18 and 8/14 single words, 10/17 and 1/13 pairs; "the"
    seven times over is 2/7. The paper takes no notice of capitals."""
    for candidate, single, pairs in zip(CANDIDATES, ((17, 18), (8, 14)), ((10, 17), (1, 13)), strict=True):
        assert precision(candidate, REFERENCES, 1) == single
        assert precision(candidate, REFERENCES, 2) == pairs
    mats = ["the cat is on the mat", "there is a cat on the mat"]
    assert precision("the " * 7, mats, 1) == (2, 7)


def test_nltk_s_published_value() -> None:
    """nltk.translate.bleu_score.sentence_bleu: 0.5045…, without what follows."""
    assert 0.5045 <= bleu([CANDIDATES[0].split()], [[text.split() for text in REFERENCES]]) < 0.5046


def test_a_corpus_is_no_mean_of_its_sentences() -> None:
    """By hand: of 10 and 5 words 9 + 5 are right, of 8 and 4 pairs …, added up before they are divided."""
    first = [*"abcdefghix"]
    second = [*"klmno"]
    references = [[[*"abcdefghij"]], [[*"klmno"], ["k"]]]
    wanted = (14 / 15 * 12 / 13 * 10 / 11 * 8 / 9) ** 0.25
    assert bleu([first, second], references) == pytest.approx(wanted, rel=1e-12)


def test_short_answers_are_penalised_and_equal_ones_perfect() -> None:
    text = ["a", "red", "circle", "above", "a", "blue", "square"]
    assert bleu([text], [[text]]) == 1.0
    assert bleu([text[:5]], [[text]]) == pytest.approx(2.718281828 ** (1 - 7 / 5))
    assert bleu([["x"] * 7], [[text]]) == 0.0
    assert bleu([[]], [[text]]) == 0.0
    nearest = [[text[:6], text[:4]]]
    assert counts([text[:5]], nearest)[0][-1] == 4, "the shorter of two that are equally close"


def test_limits_are_those_of_resampled_answers() -> None:
    words = [*"abcdefgh"]
    answers = [words[: 4 + number % 5] for number in range(40)]
    own = counts(answers, [[words]] * 40)
    low, high = limits(own) or (0, 0)
    assert low < float(of_counts(own.sum(axis=0))) < high
    random = np.random.default_rng(3)
    again = [float(of_counts(own[random.integers(0, 40, 40)].sum(axis=0))) for _ in range(2000)]
    assert [low, high] == pytest.approx(np.quantile(again, (0.025, 0.975)).tolist(), abs=0.01)
    assert limits(own[:1]) is None
