"""The growing neural gas learns where data are and which belong together."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstrain.classic import GrowingNeuralGas


def rings() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    angle, outer = random.uniform(0, 2 * np.pi, 1000), np.arange(1000) % 2
    radius = 1 + 2 * outer + random.normal(0, 0.05, 1000)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None], outer


def test_two_rings_become_two_parts() -> None:
    X, outer = rings()
    gas = GrowingNeuralGas(60, random_state=0).fit(X)
    assert len(gas.weights_) == 60
    assert set(zip(gas.labels_, outer, strict=True)) in ({(0, 0), (1, 1)}, {(0, 1), (1, 0)})
    np.testing.assert_array_equal(gas.predict(X), gas.labels_)
    assert gas.transform(X).min(axis=1).mean() < 0.15


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12))
def test_the_graph_is_sound(seed: int, most: int) -> None:
    X = np.random.default_rng(seed).normal(size=(80, 2))
    gas = GrowingNeuralGas(most, insert_every=10, max_age=5, max_iter=3, random_state=seed).fit(X)
    first, second = gas.edges_.T
    assert (first < second).all()
    assert len(gas.weights_) <= most
    assert set(gas.edges_.ravel()) == set(range(len(gas.weights_)))  # no unit without an edge
    np.testing.assert_array_equal(gas.unit_labels_[first], gas.unit_labels_[second])
    low, high = X.min(axis=0), X.max(axis=0)
    assert ((gas.weights_ >= low - 1e-9) & (gas.weights_ <= high + 1e-9)).all()
