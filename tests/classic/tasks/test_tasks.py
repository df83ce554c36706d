"""The worked examples: each network does its task, judged by a known optimum or by doing nothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.datasets import load_iris

from crosstrain.classic import Hopfield
from crosstrain.classic.tasks.approximation import approximation
from crosstrain.classic.tasks.classification import classification
from crosstrain.classic.tasks.clustering import clustering
from crosstrain.classic.tasks.control import control
from crosstrain.classic.tasks.forecasting import forecasting, mackey_glass
from crosstrain.classic.tasks.graph_colouring import PETERSEN, chromatic_number, graph_colouring
from crosstrain.classic.tasks.recall import LETTER_SHAPE, digit_pictures, letters, recall
from crosstrain.classic.tasks.travelling_salesman import (
    _energy,
    random_cities,
    shortest_tour,
    tour_length,
    travelling_salesman,
)


# -- the travelling salesman ------------------------------------------------------------------------
def distances_of(cities: np.ndarray) -> np.ndarray:
    return np.linalg.norm(cities[:, None] - cities[None], axis=2)


def test_the_shortest_tour_is_that_of_all_permutations() -> None:
    distances = distances_of(random_cities(7, seed=3))
    best = min(tour_length(distances, np.array([0, *rest])) for rest in itertools.permutations(range(1, 7)))
    order = shortest_tour(distances)
    assert sorted(order) == list(range(7))
    assert tour_length(distances, order) == pytest.approx(best)


def test_the_energy_of_a_tour_is_its_length() -> None:
    distances = distances_of(random_cities(6, seed=1))
    problem = _energy(distances)
    for rest in itertools.permutations(range(5)):
        table = np.zeros((5, 5))
        table[rest, range(5)] = 1
        order = np.array([0, *(city + 1 for city in rest)])
        assert problem.of(table.reshape(1, -1))[0] == pytest.approx(tour_length(distances, order))


@pytest.mark.parametrize("network", ["boltzmann", "hopfield"])
def test_ten_cities_are_toured_within_a_tenth_of_the_optimum(network: str) -> None:
    tour = travelling_salesman(random_cities(10, seed=10), network)
    assert sorted(tour.order) == list(range(10))
    assert tour.excess + 1e-9 >= 0
    assert tour.excess < 0.1
    assert tour.valid > 0.5


def test_bad_cities() -> None:
    with pytest.raises(ValueError, match="4 to 14 points"):
        travelling_salesman(random_cities(3))
    with pytest.raises(ValueError, match="there is no network 'ants' for this task; there are boltzmann"):
        travelling_salesman(random_cities(5), "ants")


# -- graph colouring --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("edges", "fewest"),
    [
        (((0, 1),), 2),
        (((0, 1), (1, 2), (2, 0)), 3),
        (((0, 1), (1, 2), (2, 3), (3, 0)), 2),
        (tuple(itertools.combinations(range(5), 2)), 5),
        (PETERSEN, 3),
    ],
)
def test_chromatic_numbers(edges: tuple, fewest: int) -> None:
    assert chromatic_number(edges) == fewest


@pytest.mark.parametrize("network", ["boltzmann", "hopfield"])
def test_petersen_s_graph_is_coloured_with_3_and_not_with_2(network: str) -> None:
    coloured = graph_colouring(PETERSEN, network=network)
    assert coloured.fewest == 3
    assert coloured.conflicts == 0
    assert all(coloured.colours[a] != coloured.colours[b] for a, b in PETERSEN)
    assert graph_colouring(PETERSEN, 2, network).conflicts > 0


def test_a_graph_without_edges_is_refused() -> None:
    with pytest.raises(ValueError, match="edges between different nodes"):
        graph_colouring([(1, 1)])


# -- recall -----------------------------------------------------------------------------------------
def test_damaged_letters_and_pictures_are_recalled() -> None:
    result = recall(letters(), LETTER_SHAPE, trials=20)
    assert result.exact[0] == 1
    assert result.exact[2] > 0.8  # a tenth of the cells turned over
    assert (np.diff(result.overlaps) < 0.02).all()
    assert result.damaged.shape == result.recalled.shape == (8, 35)
    pictures = recall(digit_pictures(), (8, 8), trials=20)
    assert pictures.exact[1] > 0.8


@pytest.mark.filterwarnings("ignore::crosstrain.classic.CapacityWarning")
def test_hebb_s_rule_confuses_letters_that_resemble_each_other() -> None:
    assert recall(letters(), LETTER_SHAPE, Hopfield(random_state=0), trials=5).exact[0] < 1


# -- the others -------------------------------------------------------------------------------------
def test_networks_classify_iris() -> None:
    X, y = load_iris(return_X_y=True)
    result = classification(X, y, folds=3)
    assert result.commonest == pytest.approx(1 / 3)
    for name, accuracies in result.accuracies.items():
        assert accuracies.mean() > 0.9, name


def test_networks_find_clusters_in_iris() -> None:
    X, y = load_iris(return_X_y=True)
    result = clustering(X, y)
    for name, agreement in result.agreement.items():
        assert agreement > 0.5, name


def test_networks_see_a_function_through_its_noise() -> None:
    result = approximation()
    for name, error in result.errors.items():
        assert error < result.noise / 2, name


def test_the_next_values_of_a_chaotic_series() -> None:
    series = mackey_glass(800)
    assert 0.2 < series.min() < 0.6 < 1.2 < series.max() < 1.5
    result = forecasting(series)
    assert result.error < 0.1 * result.persistence
    assert result.error < 0.05 * result.deviation
    with pytest.raises(ValueError, match="at least 34 values"):
        forecasting([1.0, 2.0])


def test_a_plant_follows_its_reference() -> None:
    result = control()
    assert result.error < 0.2 * result.proportional
    assert result.proportional < result.deviation
