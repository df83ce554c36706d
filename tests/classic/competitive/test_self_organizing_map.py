"""The map against Kohonen's rule written out, and what its pictures are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from crosstrain.classic import SelfOrganizingMap
from crosstrain.classic.competitive.lattice import Lattice


def by_hand(som: SelfOrganizingMap, W: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Kohonen's online rule, one sample after the other, with exponential decay."""
    W, squared = W.copy(), Lattice(som.rows, som.columns, som.topology, som.toroidal).squared_distances
    total = som.max_iter * len(X)
    assert som.radius is not None
    for t in range(total):
        x, part = X[t % len(X)], t / total
        rate = som.learning_rate * (som.final_learning_rate / som.learning_rate) ** part
        radius = som.radius * (som.final_radius / som.radius) ** part
        near = squared[((W - x) ** 2).sum(axis=1).argmin()]
        g = near <= radius**2 if som.neighbourhood == "bubble" else np.exp(-near / (2 * radius**2))
        W += rate * g[:, None] * (x - W)
    return W


@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
@pytest.mark.parametrize("toroidal", [False, True])
@pytest.mark.parametrize("neighbourhood", ["gaussian", "bubble"])
@pytest.mark.parametrize("few", [0, 10**6])
def test_online_training_is_kohonen_s_rule(
    topology: str, toroidal: bool, neighbourhood: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In blocks of samples, and one by one."""
    monkeypatch.setattr("crosstrain.classic.competitive.online_map.FEW_WEIGHTS", few)
    random = np.random.default_rng(1)
    X, W = random.normal(3.0, 1.0, size=(150, 7)), random.normal(3.0, 1.0, size=(24, 7))
    som = SelfOrganizingMap(
        4, 6, topology=topology, toroidal=toroidal, neighbourhood=neighbourhood, init=W, radius=2.0,
        max_iter=3, shuffle=False,
    )  # fmt: skip
    np.testing.assert_allclose(som.fit(X).weights_, by_hand(som, W, X), rtol=0, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 1.0), st.integers(1, 80), st.sampled_from([0, 10**6]))
def test_online_training_holds_for_all_rates(seed: int, rate: float, samples: int, few: int) -> None:
    random = np.random.default_rng(seed)
    X, W = random.normal(size=(samples, 3)), random.normal(size=(12, 3))
    som = SelfOrganizingMap(
        3, 4, init=W, radius=1.0, learning_rate=rate, final_learning_rate=rate, max_iter=2, shuffle=False
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crosstrain.classic.competitive.online_map.FEW_WEIGHTS", few)
        som.fit(X)
    # At a rate of 1 winners land on samples, and in blocks the map's guard keeps them a millionth of the way
    # apart.
    np.testing.assert_allclose(som.weights_, by_hand(som, W, X), rtol=0, atol=1e-10 if few else 1e-4)


@pytest.mark.parametrize("neighbourhood", ["gaussian", "bubble"])
@pytest.mark.parametrize("topology", ["rectangular", "hexagonal"])
def test_few_units_learn_as_many(topology: str, neighbourhood: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a table of the lattice's distances or sample by sample: the same to the last bit."""
    X = np.random.RandomState(0).uniform(-1, 1, (100, 3))
    weights = []
    for few in (0, 10**6):
        monkeypatch.setattr("crosstrain.classic.competitive.online_map.FEW", few)
        som = SelfOrganizingMap(
            4, 5, topology=topology, neighbourhood=neighbourhood, max_iter=3, random_state=0
        )
        weights.append(som.fit(X).weights_)
    np.testing.assert_array_equal(*weights)


def test_batch_training_is_kohonen_s_batch_rule() -> None:
    random = np.random.default_rng(2)
    X, W = random.normal(size=(120, 4)), random.normal(size=(12, 4))
    som = SelfOrganizingMap(3, 4, training="batch", init=W, radius=2.0, final_radius=0.5, max_iter=5).fit(X)
    squared = Lattice(3, 4).squared_distances
    for number in range(5):
        radius = 2.0 * (0.5 / 2.0) ** (number / 5)
        winners = ((X[:, None] - W) ** 2).sum(axis=2).argmin(axis=1)
        near = np.exp(-squared[:, winners] / (2 * radius**2))
        W = (near @ X) / near.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(som.weights_, W, atol=1e-10)


@pytest.mark.parametrize(
    ("lattice", "corner", "inside"),
    [
        (Lattice(6, 6), 2, 4),
        (Lattice(6, 6, toroidal=True), 4, 4),
        (Lattice(6, 6, "hexagonal"), 2, 6),
        (Lattice(6, 6, "hexagonal", toroidal=True), 6, 6),
    ],
)
def test_neighbours(lattice: Lattice, corner: int, inside: int) -> None:
    near = lattice.neighbours.sum(axis=1)
    assert (near[0], near[14]) == (corner, inside)
    np.testing.assert_array_equal(lattice.neighbours, lattice.neighbours.T)


def test_a_hexagonal_torus_of_odd_height_does_not_close() -> None:
    with pytest.raises(ValueError, match="even number of rows, not 5"):
        SelfOrganizingMap(5, 4, topology="hexagonal", toroidal=True).fit(np.zeros((3, 2)))


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return np.asarray(load_digits().data / 16)


@pytest.mark.parametrize("training", ["online", "batch"])
def test_digits(digits: np.ndarray, training: str) -> None:
    """A map with few folds, whose units are nearer to digits than the mean of all (3.06) by far."""
    som = SelfOrganizingMap(12, 12, topology="hexagonal", training=training, random_state=0).fit(digits)
    assert som.quantisation_error(digits) < 1.35
    assert som.topographic_error(digits) < 0.25


def test_maps_have_the_lattice_s_shape_and_mean_what_they_say(digits: np.ndarray) -> None:
    som = SelfOrganizingMap(5, 7, max_iter=3, random_state=0).fit(digits)
    assert som.component_planes().shape == (64, 5, 7)
    hits = som.hits(digits)
    assert hits.shape == (5, 7)
    assert hits.sum() == len(digits)
    assert hits[3, 2] == (som.predict(digits) == 3 * 7 + 2).sum()
    W = som.weights_.reshape(5, 7, 64)
    beside = [W[0, 1], W[1, 0]]
    assert som.u_matrix()[0, 0] == pytest.approx(np.mean([np.linalg.norm(W[0, 0] - each) for each in beside]))
    distance = som.transform(digits)
    assert som.quantisation_error(digits) == pytest.approx(distance.min(axis=1).mean())
    order = distance.argsort(axis=1)[:, :2]
    apart = np.abs(np.stack(np.divmod(order[:, 0], 7)) - np.stack(np.divmod(order[:, 1], 7))).sum(axis=0) > 1
    assert som.topographic_error(digits) == pytest.approx(apart.mean())
    assert som.score(digits) == -som.quantisation_error(digits)


def test_one_colour_of_units_that_are_alike() -> None:
    som = SelfOrganizingMap(2, 2, init=np.ones((4, 3)), max_iter=1).fit(np.ones((5, 3)))
    assert (som.u_matrix() == 0).all()
    assert som.quantisation_error(np.ones((1, 3))) == 0


def test_partial_fit_goes_on_where_the_schedule_stands(digits: np.ndarray) -> None:
    X = digits[:200]
    one = SelfOrganizingMap(4, 4, max_iter=3, shuffle=False).fit(X)
    parts = SelfOrganizingMap(4, 4, max_iter=3, shuffle=False)
    for _ in range(3):
        parts.partial_fit(X)
    np.testing.assert_array_equal(one.weights_, parts.weights_)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"topology": "round"}, "topology must be one of 'rectangular', 'hexagonal', not 'round'"),
        ({"radius": -1.0}, "radius must be a number above 0, not -1.0"),
        ({"init": "best"}, "init must be one of 'plane', 'samples', not 'best'"),
        ({"init": np.zeros((3, 2))}, r"init must have the shape \(100, 2\), not \(3, 2\)"),
    ],
)
def test_bad_parameters(parameters: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SelfOrganizingMap(**parameters).fit(np.zeros((10, 2)))
