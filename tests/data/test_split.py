"""Splits are disjoint, complete, stratified, repeatable, and keep groups whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crosstrain.data.split import TIME, divided, held_out, in_order, three_ways

LABELS = st.lists(st.integers(0, 6), min_size=1, max_size=200).map(np.array)
FRACTIONS = st.floats(0.05, 0.5)
SEEDS = st.integers(0, 2**31)


@given(labels=LABELS, fraction=FRACTIONS, seed=SEEDS)
def test_held_out_is_disjoint_complete_and_stratified(labels: np.ndarray, fraction: float, seed: int) -> None:
    remaining, held_positions = held_out(labels, fraction, seed)
    assert np.array_equal(np.sort(np.concatenate([remaining, held_positions])), np.arange(len(labels)))
    assert np.array_equal(remaining, np.sort(remaining))
    assert np.array_equal(held_positions, np.sort(held_positions))
    for label in np.unique(labels):
        count, share = np.count_nonzero(labels == label), np.count_nonzero(labels[held_positions] == label)
        assert abs(share - fraction * count) <= 1
        assert share < count


@given(labels=LABELS, fraction=FRACTIONS, seed=SEEDS)
def test_held_out_takes_the_share_of_the_whole(labels: np.ndarray, fraction: float, seed: int) -> None:
    _, held_positions = held_out(labels, fraction, seed)
    alone = sum(np.count_nonzero(labels == label) == 1 for label in np.unique(labels))
    # classes of one example cannot give it, however large their remainder
    assert (
        round(fraction * len(labels)) - alone - 1 <= len(held_positions) <= round(fraction * len(labels)) + 1
    )


@given(
    groups=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=150),
    fraction=FRACTIONS,
    seed=SEEDS,
)
def test_groups_are_never_split(groups: list[tuple[int, int]], fraction: float, seed: int) -> None:
    labels = np.array([label for label, _ in groups])
    names = np.array([label * 10 + group for label, group in groups])
    remaining, held_positions = held_out(labels, fraction, seed, names)
    assert not set(names[remaining]) & set(names[held_positions])
    assert np.array_equal(np.sort(np.concatenate([remaining, held_positions])), np.arange(len(labels)))
    for label in np.unique(labels):
        tracks = len(np.unique(names[labels == label]))
        chosen = len(np.unique(names[held_positions][labels[held_positions] == label]))
        assert chosen < tracks
        assert chosen >= 1 or tracks == 1


@pytest.mark.parametrize("fraction", [0.1, 0.2])
def test_equal_groups_give_their_share(fraction: float) -> None:
    labels = np.repeat(np.arange(3), 300)
    _, held_positions = held_out(labels, fraction, 0, np.arange(900) // 10)
    assert np.bincount(labels[held_positions]).tolist() == [int(300 * fraction)] * 3


@given(seed=SEEDS)
def test_three_ways_gives_the_fractions(seed: int) -> None:
    labels = np.repeat(np.arange(10), 100)
    parts = three_ways(labels, 0.15, 0.15, seed)
    assert {split: len(rows) for split, rows in parts.items()} == {
        "train": 700,
        "validation": 150,
        "test": 150,
    }
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(1000))
    assert np.bincount(labels[parts["test"]]).tolist() == [15] * 10


def test_the_seed_decides() -> None:
    labels = np.repeat(np.arange(5), 40)
    first, again, other = (held_out(labels, 0.2, seed)[1] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@given(count=st.integers(0, 500), validation=FRACTIONS, test=FRACTIONS)
def test_in_order_holds_out_what_comes_last(count: int, validation: float, test: float) -> None:
    parts = in_order(count, validation, test)
    assert np.concatenate(parts).tolist() == list(range(count))
    assert abs(len(parts[2]) - test * count) <= 1


def test_a_split_in_time_order_mixes_nothing() -> None:
    labels = np.arange(100) % 4
    parts = divided(labels, 0.15, 0.15, 3, TIME)
    assert [(int(p[0]), int(p[-1])) for p in parts.values()] == [(0, 69), (70, 84), (85, 99)]
    rest, last = held_out(labels, 0.2, 3, how=TIME)
    assert (rest.tolist(), last.tolist()) == (list(range(80)), list(range(80, 100)))
    assert (
        divided(labels, 0.15, 0.15, 3, "")["test"].tolist()
        == three_ways(labels, 0.15, 0.15, 3)["test"].tolist()
    )
