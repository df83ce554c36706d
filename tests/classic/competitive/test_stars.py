"""Instar, outstar and counter-propagation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstrain.classic import CounterPropagation, Instar, Outstar


def test_the_instar_is_the_discrete_rule_for_small_rates() -> None:
    random = np.random.default_rng(0)
    X, y, rate = random.normal(size=(40, 3)), random.uniform(size=(40, 2)), 1e-4
    weights = np.zeros((2, 3))
    for x, active in zip(X, y, strict=True):
        weights += rate * active[:, None] * (x - weights)
    np.testing.assert_allclose(Instar(learning_rate=rate, max_iter=1).fit(X, y).weights_, weights, rtol=1e-3)


def test_units_that_are_not_active_do_not_learn() -> None:
    net = Instar(max_iter=200).fit([[1.0, 2.0], [5.0, 6.0]], [[1, 0], [0, 0]])
    np.testing.assert_allclose(net.weights_, [[1, 2], [0, 0]], atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.001, 1e6))
def test_weights_stay_among_the_patterns_at_any_rate(seed: int, rate: float) -> None:
    random = np.random.default_rng(seed)
    X, Y = random.uniform(0, 100, size=(8, 3)), random.uniform(2, 3, size=(8, 2))
    weights = Outstar(learning_rate=rate, max_iter=3).fit(X, Y).weights_
    assert ((weights >= 0) & (weights <= 3)).all()


def test_an_outstar_recalls_its_pattern() -> None:
    pattern = np.array([[1.0, -1.0, 1.0, 1.0]])
    assert Outstar(max_iter=300).fit([[1.0]], pattern).predict([[1.0]]) == pytest.approx(pattern)


def test_activities_are_not_negative() -> None:
    with pytest.raises(ValueError, match="the activities y must not be negative"):
        Instar().fit([[1.0]], [-1.0])
    with pytest.raises(ValueError, match="Negative values in data passed to Outstar"):
        Outstar().fit([[-1.0]], [1.0])


def test_counter_propagation_answers_with_the_mean_of_its_winners() -> None:
    """Of clusters far apart each unit takes one, and answers as the cluster's targets do on average."""
    random = np.random.default_rng(1)
    centres = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]])
    X = np.repeat(centres, 50, axis=0) + random.normal(size=(150, 2))
    Y = np.repeat([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]], 50, axis=0)
    net = CounterPropagation(3, random_state=0).fit(X, Y)
    np.testing.assert_allclose(net.predict(centres), [[1, 5], [2, 6], [3, 7]], atol=1e-9)
    assert net.predict(X).shape == (150, 2)


def test_winners_together_are_smoother() -> None:
    X = np.linspace(0, 6, 200)[:, None]
    y = np.sin(X[:, 0])
    scores = [CounterPropagation(15, n_winners=n, random_state=0).fit(X, y).score(X, y) for n in (1, 2)]
    assert scores[0] < scores[1]
    with pytest.raises(ValueError, match="n_winners must be at most n_units, 2, not 3"):
        CounterPropagation(2, n_winners=3).fit(X, y)
