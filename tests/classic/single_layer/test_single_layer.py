"""Perceptron, Adaline, Madaline."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

from crosstrain.classic import Adaline, Madaline, Perceptron, arrays
from crosstrain.classic.single_layer.lms import lms_epoch
from crosstrain.classic.single_layer.scanning import mistakes

RANDOM = np.random.RandomState(0)
X = RANDOM.uniform(-1, 1, (300, 2))
LINEAR = np.where(X @ [1.0, 0.5] > 0.1, "right", "left")
XOR = X[:, 0] * X[:, 1] > 0


@parametrize_with_checks(
    [
        Perceptron(max_iter=30),
        Perceptron(rule="pocket", max_iter=30),
        Adaline(max_iter=30),
        Madaline(max_iter=30),
    ]
)
def test_conventions(estimator: Any, check: Any) -> None:
    check(estimator)


@settings(max_examples=30)
@given(st.integers(1, 150), st.integers(1, 4), st.integers(0, 10**6))
def test_blocks_give_what_the_loop_gives(samples: int, features: int, seed: int) -> None:
    random = np.random.RandomState(seed)
    data, desired = random.uniform(-1, 1, (samples, features)), random.uniform(-1, 1, (samples, 2))
    weights, looped = np.zeros((2, features)), np.zeros((2, features))
    total = 0.0
    error = lms_epoch(weights, data, desired, 0.1)
    for x, wanted in zip(data, desired, strict=True):
        off = wanted - looped @ x
        looped += 0.1 * off[:, None] * x
        total += float(off @ off)
    np.testing.assert_allclose(weights, looped, atol=1e-12)
    assert error == pytest.approx(total / desired.size)


@settings(max_examples=30)
@given(st.lists(st.booleans(), max_size=60))
def test_scanning_visits_every_mistake_once(wrong: list[bool]) -> None:
    flags = np.array(wrong, bool)
    assert list(mistakes(len(flags), lambda block: flags[block])) == np.flatnonzero(flags).tolist()


def test_the_perceptron_ends_without_mistakes_where_a_plane_separates() -> None:
    network = Perceptron(random_state=0, goal=0.0, max_iter=1000).fit(X, LINEAR)
    assert network.score(X, LINEAR) == 1.0
    assert network.loss_curve_[-1] == 0.0


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_the_pocket_ends_without_mistakes_where_a_plane_separates(seed: int) -> None:
    random = np.random.RandomState(seed)
    data = random.uniform(-1, 1, (12, 2))
    labels = data @ random.normal(size=2) > 0.2 * random.normal()
    network = Perceptron(rule="pocket", random_state=seed, max_iter=1000).fit(data, labels)
    if network.loss_curve_[-1] == 0.0:
        assert network.score(data, labels) == 1.0


def test_no_plane_separates_xor_and_it_says_so() -> None:
    with pytest.warns(ConvergenceWarning, match="goal of an error of at most 0 was not reached; in epoch 5"):
        Perceptron(random_state=0, goal=0.0, max_iter=5).fit(X, XOR)


def test_the_pocket_keeps_the_best() -> None:
    noisy = np.where(RANDOM.uniform(size=300) < 0.1, "left", LINEAR)
    pocket = Perceptron(rule="pocket", random_state=0, max_iter=50).fit(X, noisy)
    assert pocket.score(X, noisy) >= 0.9
    assert pocket.score(X, noisy) >= Perceptron(random_state=0, max_iter=50).fit(X, noisy).score(X, noisy)


def test_the_pocket_in_parts() -> None:
    noisy = np.where(np.random.RandomState(1).uniform(size=300) < 0.1, "left", LINEAR)
    whole = Perceptron(rule="pocket", shuffle=False, max_iter=20).fit(X, noisy)
    parts = Perceptron(rule="pocket")
    scores = [parts.partial_fit(X, noisy, classes=["left", "right"]).score(X, noisy) for _ in range(20)]
    np.testing.assert_array_equal(parts.coef_, whole.coef_)
    np.testing.assert_array_equal(parts.intercept_, whole.intercept_)
    assert scores == sorted(scores)
    assert scores[-1] > Perceptron(shuffle=False, max_iter=20).fit(X, noisy).score(X, noisy)


def test_the_pocket_one_sample_at_a_time() -> None:
    network = Perceptron(rule="pocket")
    for x, label in zip(X, LINEAR, strict=True):
        network.partial_fit([x], [label], classes=["left", "right"])
    assert network.score(X, LINEAR) > 0.9


@pytest.mark.parametrize("library", ["torch", "jax"])
@pytest.mark.parametrize(
    "network", [Perceptron(max_iter=5), Adaline(max_iter=5, random_state=0), Madaline(max_iter=5)]
)
def test_arrays_of_others(network: Any, library: str) -> None:
    module = pytest.importorskip(library)
    data, labels = (
        module.asarray(X, dtype=module.float64) if library == "torch" else module.numpy.asarray(X),
        XOR.astype(int),
    )
    network = clone(network).set_params(random_state=0)
    theirs = clone(network).fit(data, labels)
    ours = network.fit(arrays.to_numpy(data), labels)
    np.testing.assert_allclose(theirs.coef_, ours.coef_, atol=1e-12)
    for method in ("predict", "decision_function"):
        answer = getattr(theirs, method)(data)
        assert type(answer) is type(data)
        np.testing.assert_allclose(
            arrays.to_numpy(answer), getattr(ours, method)(arrays.to_numpy(data)), atol=1e-12
        )


def test_association_units_learn_xor() -> None:
    assert Perceptron(200, rule="pocket", random_state=0, max_iter=50).fit(X, XOR).score(X, XOR) > 0.85


def test_adaline_tends_to_least_squares() -> None:
    desired = np.where(LINEAR == "right", 1.0, -1.0)
    design = np.column_stack([X, np.ones(len(X))])
    best = np.linalg.lstsq(design, desired, rcond=None)[0]
    network = Adaline(learning_rate=0.002, normalise=False, max_iter=100, tolerance=0, random_state=0).fit(
        X, LINEAR
    )
    np.testing.assert_allclose([*network.coef_[0], network.intercept_[0]], best, atol=0.05)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_rate_that_is_too_large_says_so() -> None:
    with pytest.raises(ValueError, match="grow without bound at learning_rate=50"):
        Adaline(learning_rate=50.0, normalise=False, max_iter=200).fit(X, LINEAR)


def test_two_adalines_and_an_and_solve_xor() -> None:
    data, y = [[-1, -1], [-1, 1], [1, -1], [1, 1]], [0, 1, 1, 0]
    scores = [Madaline(2, logic="and", random_state=seed).fit(data, y).score(data, y) for seed in range(5)]
    assert max(scores) == 1.0


def test_online_in_parts() -> None:
    network = Perceptron(shuffle=False)
    for _ in range(30):
        for start in range(0, 300, 100):
            network.partial_fit(
                X[start : start + 100], LINEAR[start : start + 100], classes=["left", "right"]
            )
    whole = Perceptron(shuffle=False, max_iter=30).fit(X, LINEAR)
    np.testing.assert_allclose(network.coef_, whole.coef_)
    with pytest.raises(ValueError, match=r"labels \['up'\], which are not in classes"):
        network.partial_fit(X[:1], ["up"])


@pytest.mark.parametrize(
    "network", [Perceptron(rule="best"), Madaline(0), Madaline(logic="xor"), Adaline(learning_rate=0)]
)
def test_wrong_parameters_get_a_sentence(network: Any) -> None:
    with pytest.raises(ValueError, match=f"{type(network).__name__}: .* must be"):
        network.fit(X, LINEAR)
