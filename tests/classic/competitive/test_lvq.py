"""Learning vector quantisation, each version against its rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from crosstrain.classic import LVQ

VERSIONS = ("1", "2.1", "3", "generalised")


@pytest.mark.parametrize("version", VERSIONS)
def test_iris(version: str) -> None:
    X, y = load_iris(return_X_y=True)
    net = LVQ(version, prototypes_per_class=2, learning_rate=0.05, random_state=1)
    assert net.fit(X, y).score(X, y) >= 0.93


def test_version_1_written_out() -> None:
    random = np.random.default_rng(0)
    X, y, W = random.normal(size=(60, 3)), np.arange(60) % 2, random.normal(size=(4, 3))
    net = LVQ("1", init=W, learning_rate=0.1, decay="constant", max_iter=2, shuffle=False).fit(X, y)
    for x, label in [*zip(X, y, strict=True)] * 2:
        k = int(((W - x) ** 2).sum(axis=1).argmin())
        W[k] += (0.1 if label == k // 2 else -0.1) * (x - W[k])
    np.testing.assert_allclose(net.prototypes_, W, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(VERSIONS), st.integers(0, 10**6))
def test_only_winners_move(version: str, seed: int) -> None:
    """The nearest prototype (1), the two nearest at most (2.1, 3), the nearest of its class and of the
    others (generalised); right ones towards the sample, wrong ones away, all along the line to it."""
    random = np.random.default_rng(seed)
    W, x, owners = random.normal(size=(6, 2)), random.normal(size=2), np.repeat([0, 1], 3)
    net = LVQ(version, prototypes_per_class=3, learning_rate=0.2, init=W).partial_fit([x], [0], [0, 1])
    order = np.linalg.norm(W - x, axis=1).argsort()
    allowed = {
        "1": {order[0]},
        "2.1": set(order[:2]),
        "3": set(order[:2]),
        "generalised": {order[owners[order] == 0][0], order[owners[order] == 1][0]},
    }[version]
    moves = net.prototypes_ - W
    moved = set(np.flatnonzero(moves.any(axis=1)))
    assert moved == allowed if version in ("1", "generalised") else moved <= allowed
    for index in moved:
        way = x - W[index]
        part = moves[index] @ way / (way @ way)
        np.testing.assert_allclose(moves[index], part * way, atol=1e-12)
        assert (part > 0) == (owners[index] == 0)


def after(version: str, W: list[float], x: float, **parameters: Any) -> list[float]:
    """Prototypes on a line, the first half of class 0, after one sample of class 0."""
    net = LVQ(
        version, prototypes_per_class=len(W) // 2, learning_rate=0.1, init=np.array(W)[:, None], **parameters
    )
    return [float(each) for each in net.partial_fit([[x]], [0], [0, 1]).prototypes_[:, 0]]


def test_the_window() -> None:
    """Only samples near the border between a right and a wrong prototype count for 2.1; for 3 also those
    whose two nearest are right."""
    assert after("2.1", [0, 10], 5.2, window=0.1) == pytest.approx([0.52, 10.48])
    assert after("2.1", [0, 10], 2.0, window=0.1) == [0, 10]
    assert after("2.1", [0, 1, 50, 60], 0.4) == [0, 1, 50, 60]
    assert after("3", [0, 1, 50, 60], 0.4, epsilon=0.5) == pytest.approx([0.02, 0.97, 50, 60])


def test_generalised_steps_go_down_its_cost() -> None:
    """Per unit of distance², the move is minus the slope of Sato and Yamada's cost, by finite differences."""
    random = np.random.default_rng(5)
    W, x = random.normal(size=(2, 3)), random.normal(size=3)

    def cost(flat: np.ndarray) -> float:
        near, away = ((flat.reshape(2, 3) - x) ** 2).sum(axis=1)
        return float(1 / (1 + np.exp(-(near - away) / (near + away))))

    step = 1e-6
    slope = [(cost(W.ravel() + step * e) - cost(W.ravel() - step * e)) / (2 * step) for e in np.eye(6)]
    net = LVQ("generalised", prototypes_per_class=1, init=W, learning_rate=0.01)
    moves = (net.partial_fit([x], [0], [0, 1]).prototypes_ - W).ravel()
    total = ((W - x) ** 2).sum()
    np.testing.assert_allclose(moves, -0.01 * total * np.array(slope), rtol=1e-6)


def test_prototypes_for_each_class() -> None:
    X, y = load_iris(return_X_y=True)
    net = LVQ(prototypes_per_class=[1, 2, 3], random_state=0).fit(X, np.array(["a", "b", "c"])[y])
    assert net.prototype_classes_.tolist() == ["a", "b", "b", "c", "c", "c"]


def test_grid_search_in_a_pipeline() -> None:
    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), LVQ(max_iter=10, random_state=0)), {"lvq__version": VERSIONS}, cv=3
    )
    assert search.fit(X, y).best_score_ > 0.9


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"version": "2"}, "version must be one of '1', '2.1', '3', 'generalised', not '2'"),
        ({"prototypes_per_class": [1, 1, 1]}, "one for each of the 2 classes, not"),
        ({"window": 2.0}, "window must be a number of at least 0 and at most 1, not 2.0"),
    ],
)
def test_bad_parameters(parameters: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        LVQ(**parameters).fit([[0.0], [1.0]], [0, 1])


def test_prototypes_that_run_away_are_told() -> None:
    """At a rate of 0.9 each sample of class 0 pushes the other prototype nearly twice as far away."""
    net = LVQ("2.1", prototypes_per_class=1, learning_rate=0.9, window=1.0, init=[[0.0], [1.0]])
    with pytest.raises(ValueError, match="the prototypes ran away to infinity; a smaller learning_rate"):
        net.partial_fit(np.tile([[0.4], [0.5]], (1000, 1)), np.zeros(2000, dtype=int), [0, 1])
