"""Competitive learning against the rule written out, and what a conscience is for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score

from crosstrain.classic import WinnerTakesAll


def by_hand(W: np.ndarray, X: np.ndarray, rate: float, *, frequency: bool, distance: bool) -> np.ndarray:
    """NeuroLab's train_wta and train_cwta, one pass."""
    W, conscience = W.copy(), np.ones(len(W))
    for x in X:
        d = np.sqrt(((W - x) ** 2).sum(axis=1))
        k = int(np.argmin(d * conscience))
        conscience[k] += frequency
        W[k] += rate * (d[k] if distance else 1.0) * (x - W[k])
    return W


@pytest.mark.parametrize("frequency", [False, True])
@pytest.mark.parametrize("distance", [False, True])
def test_it_is_the_rule_as_it_is_written(frequency: bool, distance: bool) -> None:
    random = np.random.default_rng(0)
    X, W = random.normal(size=(200, 3)), random.normal(size=(5, 3))
    net = WinnerTakesAll(
        5, learning_rate=0.05, max_iter=3, shuffle=False, init=W,
        conscience="frequency" if frequency else "none", step="distance" if distance else "constant",
    ).fit(X)  # fmt: skip
    for _ in range(3):
        W = by_hand(W, X, 0.05, frequency=frequency, distance=distance)
    np.testing.assert_allclose(net.weights_, W, rtol=0, atol=1e-12)


def test_desieno_s_conscience_uses_units_that_never_won() -> None:
    X, _ = make_blobs(400, centers=4, cluster_std=0.3, random_state=3)
    far = np.concatenate([X[:1], np.full((3, 2), 25.0)])
    plain = WinnerTakesAll(4, init=far, random_state=0).fit(X)
    fair = WinnerTakesAll(
        4, init=far, conscience="bias", bias_strength=5000.0, bias_rate=0.01, random_state=0
    ).fit(X)
    assert (plain.wins_ == 0).sum() == 3
    assert (fair.wins_ > 40).all()


def test_it_parts_clusters() -> None:
    X, y = make_blobs(300, centers=[[0, 0], [9, 0], [0, 9]], random_state=0)
    net = WinnerTakesAll(3, conscience="frequency", random_state=0)
    assert adjusted_rand_score(y, net.fit_predict(X)) == 1.0


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 1000))
def test_only_the_winner_moves_and_towards_the_sample(units: int, features: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    W, x = random.normal(size=(units, features)), random.normal(size=(1, features))
    net = WinnerTakesAll(units, learning_rate=0.3, max_iter=1, init=W).fit(x)
    winner = int(np.linalg.norm(W - x, axis=1).argmin())
    moved = np.flatnonzero((net.weights_ != W).any(axis=1))
    assert moved.tolist() == [winner]
    np.testing.assert_allclose(net.weights_[winner], W[winner] + 0.3 * (x[0] - W[winner]), atol=1e-12)


def test_partial_fit_goes_on_where_fit_ended() -> None:
    X = np.random.default_rng(0).normal(size=(100, 2))
    one = WinnerTakesAll(4, max_iter=2, shuffle=False, init=X[:4]).fit(X)
    two = WinnerTakesAll(4, shuffle=False, init=X[:4]).partial_fit(X).partial_fit(X)
    np.testing.assert_array_equal(one.weights_, two.weights_)
    assert two.n_iter_ == 2


def test_training_ends_when_it_settles() -> None:
    X = np.random.default_rng(0).normal(size=(100, 2))
    assert WinnerTakesAll(4, max_iter=500, tol=1e-3, random_state=0).fit(X).n_iter_ < 500


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"n_units": 0}, "n_units must be a whole number of at least 1, not 0"),
        ({"learning_rate": 0}, "learning_rate must be a number above 0 and at most 1, not 0"),
        ({"conscience": "guilt"}, "conscience must be one of 'none', 'bias', 'frequency', not 'guilt'"),
        ({"init": np.zeros((2, 2))}, r"init must have the shape \(8, 3\), not \(2, 2\)"),
    ],
)
def test_bad_parameters(parameters: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        WinnerTakesAll(**parameters).fit(np.zeros((10, 3)))
