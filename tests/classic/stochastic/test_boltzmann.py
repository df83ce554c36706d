"""The Boltzmann machine: its distribution, its learning, annealing to the lowest energy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from crosstrain.classic import BoltzmannMachine, cooling
from crosstrain.classic.stochastic.annealing import gibbs_sweep, mean_field


def random_problem(units: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    weights = np.triu(random.normal(size=(units, units)), 1)
    return weights + weights.T, random.normal(size=units)


def states(units: int) -> np.ndarray:
    return np.array(list(itertools.product([0.0, 1.0], repeat=units)))


def test_gibbs_sweeps_follow_the_distribution() -> None:
    weights, bias = random_problem(4, 0)
    random = np.random.default_rng(1)
    chains = np.zeros((4, 20_000))
    for _ in range(60):
        gibbs_sweep(chains, weights, bias, 1.5, random)
    counts = np.bincount(([8, 4, 2, 1] @ chains).astype(int), minlength=16) / 20_000
    machine = BoltzmannMachine().set_weights(weights, bias)
    boltzmann = np.exp(-machine.energy(states(4)) / 1.5)
    np.testing.assert_allclose(counts, boltzmann / boltzmann.sum(), atol=5 * 0.5 / np.sqrt(20_000))


def test_annealing_finds_the_lowest_energy() -> None:
    for seed in range(5):
        weights, bias = random_problem(14, seed)
        machine = BoltzmannMachine(random_state=seed).set_weights(weights, bias)
        lowest = machine.energy(states(14)).min()
        result = machine.anneal(runs=20)
        assert result.energies[0] == pytest.approx(lowest)
        np.testing.assert_allclose(machine.energy(result.states), result.energies)
        assert (np.diff(result.energies) >= 0).all()
        assert result.path.shape == (100,)


def test_the_mean_field_solves_its_equation() -> None:
    weights, bias = random_problem(8, 3)
    means = np.full((8, 1), 0.5)
    mean_field(means, weights, bias, units=np.arange(8), temperature=2.0, max_iter=1000, tol=1e-12)
    np.testing.assert_allclose(means, 1 / (1 + np.exp(-(weights @ means + bias[:, None]) / 2.0)), atol=1e-10)


@pytest.mark.parametrize("positive", ["mean-field", "gibbs"])
def test_hidden_units_learn_what_pairs_cannot_tell(positive: str) -> None:
    """Exclusive or: all pairs are independent, so without hidden units every row has probability 1/8."""
    X = np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]], float)
    machine = BoltzmannMachine(
        4, positive=positive, n_iter=2500, learning_rate=0.5, n_chains=300, random_state=0
    ).fit(np.repeat(X, 5, axis=0))
    assert machine.score_samples(X).mean() > -1.8  # ln 8 = 2.08, ln 4 = 1.39
    assert np.exp(machine.score_samples(states(3))).sum() == pytest.approx(1)


def test_a_visible_machine_learns_means_and_pairs() -> None:
    random = np.random.default_rng(0)
    X = (random.random((400, 1)) < 0.5) * np.ones(3)
    X = np.where(random.random(X.shape) < 0.1, 1 - X, X)
    machine = BoltzmannMachine(0, n_iter=600, n_chains=500, random_state=0).fit(X)
    drawn = machine.sample(3000, steps=50)
    np.testing.assert_allclose(drawn.T @ drawn / 3000, X.T @ X / 400, atol=0.08)


@pytest.mark.parametrize("schedule", ["geometric", "linear", "logarithmic"])
def test_schedules_fall_from_first_to_last(schedule: str) -> None:
    temperatures = cooling(5.0, 0.5, 40, schedule)
    assert temperatures[0] == pytest.approx(5)
    assert temperatures[-1] == pytest.approx(0.5)
    assert (np.diff(temperatures) < 0).all()


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="10 temperatures cannot fall from 1 to 2"):
        cooling(1, 2, 10)
    with pytest.raises(ValueError, match="there is no schedule 'cosine'"):
        cooling(2, 1, 10, "cosine")
    with pytest.raises(ValueError, match="symmetric with a zero diagonal"):
        BoltzmannMachine().set_weights([[0, 1], [2, 0]], [0, 0])
    with pytest.raises(ValueError, match="X must hold 0 and 1 only, not -1"):
        BoltzmannMachine().fit([[1, -1]])
