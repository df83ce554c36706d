"""The restricted Boltzmann machine against sums over all of its states."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from sklearn.datasets import load_digits

from crosstrain.classic import RBM
from crosstrain.classic.stochastic.negative import Persistent


def machine(seed: int, visible: int = 4, hidden: int = 3, kind: str = "bernoulli", size: float = 1.0) -> RBM:
    """A machine with random parameters."""
    random = np.random.default_rng(seed)
    rbm = RBM(hidden, kind, n_iter=1, random_state=seed).fit(random.random((2, visible)))
    rbm.components_ = random.normal(0, size, (hidden, visible))
    rbm.intercept_visible_ = random.normal(0, size, visible)
    rbm.intercept_hidden_ = random.normal(0, size, hidden)
    return rbm


def states(units: int) -> np.ndarray:
    return np.array(list(itertools.product([0.0, 1.0], repeat=units)))


def log_joint(rbm: RBM, v: np.ndarray, h: np.ndarray) -> float:
    return float(h @ rbm.components_ @ v + rbm.intercept_visible_ @ v + rbm.intercept_hidden_ @ h)


def log_likelihoods(rbm: RBM, X: np.ndarray) -> np.ndarray:
    """By summing over everything, one term after the other."""
    visible, hidden = states(rbm.n_features_in_), states(len(rbm.components_))
    z = logsumexp([log_joint(rbm, v, h) for v in visible for h in hidden])
    return np.array([logsumexp([log_joint(rbm, v, h) for h in hidden]) for v in X]) - z


def test_the_log_likelihood_is_the_sum_over_all_states() -> None:
    rbm = machine(0)
    X = states(4)
    np.testing.assert_allclose(rbm.score_samples(X), log_likelihoods(rbm, X))
    assert np.exp(rbm.score_samples(X)).sum() == pytest.approx(1)


def test_the_gaussian_log_likelihood_integrates_to_1() -> None:
    rbm = machine(1, visible=1, hidden=3, kind="gaussian")
    grid = np.linspace(-15, 15, 6001)[:, None]
    assert np.trapezoid(np.exp(rbm.score_samples(grid)), grid[:, 0]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian"])
def test_the_exact_gradient_is_that_of_the_log_likelihood(kind: str) -> None:
    rbm = machine(2, kind=kind)
    X = (np.random.default_rng(3).random((6, 4)) < 0.5) * 1.0
    gradient = rbm.gradient(X)
    for name, derivative in (
        ("components_", gradient.weights),
        ("intercept_visible_", gradient.visible_bias),
        ("intercept_hidden_", gradient.hidden_bias),
    ):
        values = getattr(rbm, name)
        for index in np.ndindex(values.shape):
            both = []
            for step in (1e-5, -1e-5):
                moved = values.copy()
                moved[index] += step
                setattr(rbm, name, moved)
                both.append(rbm.score_samples(X).mean())
            setattr(rbm, name, values)
            assert derivative[index] == pytest.approx((both[0] - both[1]) / 2e-5, abs=1e-7)


@given(st.integers(0, 10_000))
@settings(max_examples=8)
def test_cd_s_gradient_tends_to_the_exact_one(seed: int) -> None:
    """With more steps the chains forget the data: the mean over 20,000 chains is the exact gradient within
    five standard errors, and one step is further away than thirty (or both within the noise)."""
    rbm = machine(seed, size=0.7)
    X = np.repeat(states(4)[[3, 12, 15]], 7000, axis=0)
    exact = rbm.gradient(X).weights
    noise = 5 * 0.5 / np.sqrt(len(X))  # a product of values from 0 to 1 deviates by at most ½
    near = np.abs(rbm.gradient(X, method="cd", steps=30).weights - exact).max()
    far = np.abs(rbm.gradient(X, method="cd", steps=1).weights - exact).max()
    assert near <= noise
    assert near <= far + noise


def three_patterns() -> np.ndarray:
    prototypes = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1], [1, 0, 1, 0, 1, 0]], float)
    return prototypes[np.random.default_rng(0).integers(3, size=300)]


def of_units_that_know_nothing_of_each_other(X: np.ndarray) -> float:
    """The mean log-likelihood of the data where each unit has its own probability."""
    share = X.mean(axis=0)
    return float((share * np.log(share) + (1 - share) * np.log(1 - share)).sum())


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("method", "steps"), [("cd", 10), ("pcd", 5), ("pt", 1)])
def test_learning_follows_the_exact_ascent(method: str, steps: int, seed: int) -> None:
    """From the same weights, all rows in each update and a chain for each: after 1,000 updates the likelihood
    is what ascent along the exact gradient reaches (a sum over all states), within 5 % of what there was to
    learn."""
    X, updates, rate = three_patterns(), 1000, 0.1
    common = {"batch_size": len(X), "random_state": seed}
    exact = RBM(4, n_iter=1, learning_rate=1e-12, **common).fit(X)  # leaves the first weights as they are
    rbm = RBM(4, method=method, steps=steps, learning_rate=rate, **common)
    for _ in range(updates):
        gradient = exact.gradient(X)
        exact.components_ = exact.components_ + rate * gradient.weights
        exact.intercept_visible_ = exact.intercept_visible_ + rate * gradient.visible_bias
        exact.intercept_hidden_ = exact.intercept_hidden_ + rate * gradient.hidden_bias
        rbm.partial_fit(X)
    expected = exact.score_samples(X).mean()
    to_learn = expected - of_units_that_know_nothing_of_each_other(X)
    assert to_learn > 1.5
    assert abs(rbm.score_samples(X).mean() - expected) < 0.05 * to_learn


def test_a_single_step_of_contrastive_divergence_learns_what_units_tell_of_each_other() -> None:
    """It follows another gradient than that of the likelihood (Hinton 2002), and still raises it."""
    X = three_patterns()
    rbm = RBM(4, n_iter=100, learning_rate=0.05, random_state=0).fit(X)
    assert rbm.score_samples(X).mean() > of_units_that_know_nothing_of_each_other(X) + 1


def test_samples_follow_the_distribution() -> None:
    rbm = machine(7, size=0.8)
    drawn = rbm.sample(20_000, steps=40)
    counts = np.bincount((drawn @ [8, 4, 2, 1]).astype(int), minlength=16) / len(drawn)
    np.testing.assert_allclose(counts, np.exp(rbm.score_samples(states(4))), atol=5 * 0.5 / np.sqrt(20_000))


def test_tempered_chains_reach_modes_that_persistent_ones_do_not_leave() -> None:
    """Two deep wells, 000… and 111…: the negative phase has to see both."""
    rbm = RBM(1, method="pt", n_temperatures=10, min_beta=0.05, batch_size=20, n_iter=1, random_state=0)
    rbm.fit(np.zeros((20, 10)))
    rbm.components_ = np.full((1, 10), 8.0)
    rbm.intercept_visible_ = np.full(10, -4.0)
    rbm.intercept_hidden_ = np.full(1, -40.0)
    crossings = {}
    for method in ("pt", "pcd"):
        rbm.method = method
        phase = rbm._negative_phase()
        random = np.random.default_rng(1)
        machine, states, means = rbm._machine(), np.empty((20, 10)), []
        for _ in range(300):
            if isinstance(phase, Persistent):
                phase.visible(machine, random, states)
                phase.keep(machine.hidden_mean(states), random)
            else:
                states = phase(machine, np.zeros((20, 1)), random)[0]
            means.append(states.mean(axis=1) > 0.5)
        crossings[method] = int((np.diff(np.array(means), axis=0) != 0).sum())
    assert crossings["pt"] > 100
    assert crossings["pcd"] < 20


def test_digits_are_reconstructed() -> None:
    X = load_digits().data[:500] / 16
    rbm = RBM(64, n_iter=10, random_state=0).fit(X)
    assert np.mean((rbm.reconstruct(X) - X) ** 2) < 0.7 * X.var(axis=0).mean()
    assert rbm.errors_[-1] < rbm.errors_[0]
    assert rbm.n_iter_ == len(rbm.errors_) == 10


def test_momentum_and_decay_follow_their_formulas() -> None:
    """The negative phase of a machine with one state is known: all fields so low that every unit is 0."""
    X = np.ones((5, 3))
    rbm = RBM(2, momentum=0.5, weight_decay=0.1, learning_rate=0.2, batch_size=5, n_iter=1, random_state=0)
    rbm.fit(X)
    rbm.intercept_hidden_[:] = 50.0  # hidden means are 1, the visible field decides
    rbm.intercept_visible_[:] = -80.0
    rbm.components_[:] = 0.0
    rbm._velocity[:] = 0.25
    rbm._bias_velocity[:] = 0.0
    rbm.components_[:] = 1.0
    rbm.partial_fit(X)
    # Data ⟨hv⟩ = 1, model 0: velocity 0.5 · 0.25 + 0.2 · 1; weights shrink by 0.2 · 0.1 first.
    np.testing.assert_allclose(rbm.components_, (1 - 0.02) * 1.0 + 0.325, atol=1e-9)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"visible": "poisson"}, "visible must be one of 'bernoulli', 'gaussian', not 'poisson'"),
        ({"method": "mc"}, "method must be one of 'cd', 'pcd', 'pt', not 'mc'"),
        ({"n_components": 0}, "n_components must be a whole number of at least 1, not 0"),
        ({"momentum": 1.5}, "momentum must be a number of at least 0 and at most 1, not 1.5"),
    ],
)
def test_settings_that_do_not_exist(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        RBM(**settings).fit([[0, 1]])


def test_bad_data() -> None:
    with pytest.raises(ValueError, match="Bernoulli units take values from 0 to 1"):
        RBM().fit([[0, 2]])
    with pytest.raises(ValueError, match="NaN"):
        RBM().fit([[0, np.nan]])
    with pytest.raises(ValueError, match="at most 20 hidden units"):
        RBM(30, n_iter=1).fit([[0, 1]]).score_samples([[0, 1]])
