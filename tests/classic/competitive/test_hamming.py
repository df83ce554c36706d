"""The Hamming network and its MAXNET."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from crosstrain.classic import HammingNetwork
from crosstrain.classic.competitive.hamming import maxnet

LETTERS = {
    "N": "10001 11001 10101 10011 10001",
    "E": "11111 10000 11111 10000 11111",
    "R": "11110 10001 11110 10010 10001",
    "O": "01110 10001 10001 10001 01110",
}


def spell(pattern: str) -> list[int]:
    return [1 if bit == "1" else -1 for bit in pattern.replace(" ", "")]


def test_damaged_letters() -> None:
    net = HammingNetwork(binarize=None).fit([spell(each) for each in LETTERS.values()], list(LETTERS))
    damaged = [spell("00000 11001 11001 10111 00011"), spell("01110 10001 10001 10011 01010")]
    assert net.predict(damaged).tolist() == ["N", "O"]
    assert net.recall(damaged[:1])[0].tolist() == spell(LETTERS["N"])


def test_scores_count_equal_bits() -> None:
    net = HammingNetwork().fit([[1, 1, -1, -1], [1, -1, 1, -1]], [0, 1])
    assert net.decision_scores([[1, 1, -1, 1]]).tolist() == [[3.0, 1.0]]


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.float64, st.integers(1, 8), elements=st.integers(0, 30).map(float)))
def test_maxnet_leaves_one_winner_the_largest(activity: np.ndarray) -> None:
    steps = maxnet(activity, 0.5 / len(activity), 10_000)
    left = np.flatnonzero(steps[-1])
    assert (np.diff(steps, axis=0) <= 0).all()  # nobody gains
    if activity.max() > 0:
        assert left.tolist() == [int(activity.argmax())]
    else:
        assert not len(left)


def test_the_maxnet_step_by_step() -> None:
    """Lippmann's recursion, written out."""
    net = HammingNetwork(epsilon=0.2).fit([spell(each) for each in LETTERS.values()], list(LETTERS))
    steps = net.recall_steps(spell(LETTERS["R"]))
    y = net.decision_scores([spell(LETTERS["R"])])[0]
    for step in steps:
        np.testing.assert_allclose(step, y)
        y = np.maximum(y - 0.2 * (y.sum() - y), 0)
    assert steps[-1].nonzero()[0].tolist() == [2]


def test_patterns_that_are_not_plus_and_minus_one() -> None:
    with pytest.raises(ValueError, match=r"the patterns must be -1 and 1; binarize=0.0 makes them so"):
        HammingNetwork(binarize=None).fit([[0, 1], [1, 0]], [0, 1])
