"""The travelling salesman by networks: a round tour through all cities, as short as possible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from crosstrain.classic.tasks.quadratic import Annealing, Energy, grid, solve

MOST_CITIES = 14
"""Beyond it the exact solution takes too long to stand beside."""
PENALTY = 0.7
"""For a city or place too many or too few, in longest distances. Less lets tours break, more hides
lengths."""


@dataclass(frozen=True)
class Tour:
    """``order`` of the cities (n,), its ``length`` and that of the shortest tour, ``optimum``; ``valid`` is
    the share of the network's runs whose units made a tour by themselves."""

    cities: np.ndarray
    order: np.ndarray
    length: float
    optimum: float
    valid: float

    @property
    def excess(self) -> float:
        """How much longer than the shortest tour, as a part of it."""
        return self.length / self.optimum - 1


def random_cities(cities: int = 10, seed: int = 0) -> np.ndarray:
    """Points in the unit square, (cities, 2)."""
    return np.random.default_rng(seed).random((cities, 2))


@dataclass(frozen=True)
class Plan:
    """How a network is let run: the annealing, and whether each city has the first place in turn. Hopfield's
    network is deterministic but for its start, and the start is soon forgotten: the first place makes it
    find different tours."""

    annealing: Annealing
    each_first: bool


PLANS = {
    "boltzmann": Plan(Annealing(first=0.5, last=0.05, steps=600, runs=128), each_first=False),
    "hopfield": Plan(Annealing(first=0.5, last=0.02, steps=100, runs=8), each_first=True),
}


def travelling_salesman(
    cities: np.ndarray, network: str = "boltzmann", *, plan: Plan | None = None, seed: int = 0
) -> Tour:
    """The best tour of a network's runs ("boltzmann" or "hopfield"), beside the shortest one.

    A unit for each city and each place in the tour; one city has the first place. Penalties keep one city in
    each place and one place for each city. A run whose units break that is read as the tour nearest to it
    (the assignment of the largest sum). ``plan`` is that of ``PLANS`` unless given.

    :raises ValueError: there are fewer than 4 cities or more than 14, or the network does not exist.
    """
    cities = np.asarray(cities, dtype=float)
    if cities.ndim != 2 or not 4 <= len(cities) <= MOST_CITIES:
        raise ValueError(f"cities are 4 to {MOST_CITIES} points, (cities, 2), not of shape {cities.shape}")
    if network not in PLANS:
        raise ValueError(f"there is no network {network!r} for this task; there are {', '.join(PLANS)}")
    plan = plan or PLANS[network]
    distances = np.linalg.norm(cities[:, None] - cities[None], axis=2)
    orders: list[np.ndarray] = []
    valid: list[bool] = []
    for first in range(len(cities) if plan.each_first else 1):
        turned = np.roll(np.arange(len(cities)), -first)
        problem = _energy(distances[np.ix_(turned, turned)] / distances.max())
        states = solve(problem, plan.annealing, network, seed + first)
        for table in states.reshape(len(states), len(cities) - 1, len(cities) - 1):
            orders.append(turned[np.concatenate([[0], 1 + _places(table)])])
            valid.append(_is_permutation(np.round(table)))
    lengths = [tour_length(distances, order) for order in orders]
    best = int(np.argmin(lengths))
    optimum = tour_length(distances, shortest_tour(distances))
    return Tour(cities, orders[best], lengths[best], optimum, float(np.mean(valid)))


def tour_length(distances: np.ndarray, order: np.ndarray) -> float:
    """Of the closed tour."""
    return float(distances[order, np.roll(order, -1)].sum())


def shortest_tour(distances: np.ndarray) -> np.ndarray:
    """The shortest closed tour by dynamic programming; (cities,), from city 0.

    M. Held, R. Karp (1962): A dynamic programming approach to sequencing problems. n² 2ⁿ steps.
    """
    inner = len(distances) - 1
    between, home = distances[1:, 1:], distances[0, 1:]
    costs = np.full((1 << inner, inner), np.inf)  # of a way through a set of cities that ends in one of them
    costs[1 << np.arange(inner), np.arange(inner)] = home
    before = np.zeros((1 << inner, inner), dtype=int)
    for visited in range(1 << inner):
        last = np.flatnonzero(np.isfinite(costs[visited]))
        for following in np.flatnonzero(~visited >> np.arange(inner) & 1):
            ways = costs[visited, last] + between[last, following]
            if len(last) and ways.min() < costs[visited | 1 << following, following]:
                costs[visited | 1 << following, following] = ways.min()
                before[visited | 1 << following, following] = last[ways.argmin()]
    visited = (1 << inner) - 1
    city = int((costs[visited] + home).argmin())
    order = [city + 1]
    while visited & (visited - 1):
        visited, city = visited & ~(1 << city), int(before[visited, city])
        order.append(city + 1)
    return np.array([0, *order])


def _energy(distances: np.ndarray) -> Energy:
    """Units (city, place) without the first city and the first place; distances are at most 1."""
    inner = len(distances) - 1
    units = grid(inner, inner)
    problem = Energy(inner * inner)
    for city in range(inner):
        problem.exactly_one(units[city], penalty=PENALTY)
        problem.exactly_one([units[row][city] for row in range(inner)], penalty=PENALTY)
        for place in (0, inner - 1):
            problem.single(units[city][place], distances[0, city + 1])
        for other in range(inner):
            if other != city:
                for place in range(inner - 1):
                    cost = distances[city + 1, other + 1]
                    problem.pair(units[city][place], units[other][place + 1], cost)
    return problem


def _places(table: np.ndarray) -> np.ndarray:
    """The city of each place, from a table (city, place)."""
    cities, places = linear_sum_assignment(table, maximize=True)
    return np.asarray(cities[np.argsort(places)])


def _is_permutation(table: np.ndarray) -> bool:
    return bool((table.sum(axis=0) == 1).all() and (table.sum(axis=1) == 1).all())
