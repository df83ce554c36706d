"""Optimisation under constraints as the energy of a network of units 0 and 1, and two networks that lower
it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from crosstrain.classic.dynamics import energy
from crosstrain.classic.stochastic.annealing import mean_field
from crosstrain.classic.stochastic.boltzmann import BoltzmannMachine
from crosstrain.classic.stochastic.cooling import cooling


@dataclass
class Energy:
    """E(s) = -½ sᵀWs - bᵀs + constant of ``units`` units, put together term by term."""

    units: int
    constant: float = 0.0
    weights: np.ndarray = field(init=False)
    bias: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.weights = np.zeros((self.units, self.units))
        self.bias = np.zeros(self.units)

    def pair(self, one: int, other: int, cost: float) -> None:
        """Add ``cost`` where both units are 1."""
        self.weights[one, other] -= cost
        self.weights[other, one] -= cost

    def single(self, unit: int, cost: float) -> None:
        """Add ``cost`` where the unit is 1."""
        self.bias[unit] -= cost

    def exactly_one(self, units: Iterable[int], penalty: float) -> None:
        """Add penalty · (Σ s - 1)² over ``units``."""
        several = list(units)
        for unit in several:
            self.single(unit, -penalty)
        for one, other in combinations(several, 2):
            self.pair(one, other, 2 * penalty)
        self.constant += penalty

    def of(self, states: np.ndarray) -> np.ndarray:
        """E of each row of ``states`` (rows, units)."""
        return energy(states, self.weights, self.bias) + self.constant


@dataclass(frozen=True)
class Annealing:
    """Temperatures from ``first`` down to ``last``, and how many independent ``runs`` there are."""

    first: float
    last: float
    steps: int = 200
    runs: int = 64


def by_boltzmann(problem: Energy, annealing: Annealing, seed: int) -> np.ndarray:
    """The final states of a Boltzmann machine's annealings, lowest energy first; (runs, units) of 0 and 1."""
    machine = BoltzmannMachine(
        first_temperature=annealing.first,
        last_temperature=annealing.last,
        cooling_steps=annealing.steps,
        random_state=seed,
    ).set_weights(problem.weights, problem.bias)
    return machine.anneal(annealing.runs).states


def by_hopfield(problem: Energy, annealing: Annealing, seed: int) -> np.ndarray:
    """The final responses of Hopfield's continuous network, (runs, units) from 0 to 1, in the order of the
    runs.

    Its resting states solve v = ½(1 + tanh((Wv + b) / 2T)); the gain 1/T rises while it settles (J. Hopfield,
    D. Tank 1985: "Neural" computation of decisions in optimization problems; C. Peterson, B. Söderberg 1989).
    Runs differ in the order in which units respond and in a first disturbance.
    """
    random = np.random.default_rng(seed)
    states = 0.5 + 0.1 * random.standard_normal((problem.units, annealing.runs)).clip(-1, 1)
    for temperature in cooling(annealing.first, annealing.last, annealing.steps):
        mean_field(
            states, problem.weights, problem.bias,
            units=random.permutation(problem.units), temperature=float(temperature), max_iter=3, tol=1e-4,
        )  # fmt: skip
    return np.ascontiguousarray(states.T)


SOLVERS = {"boltzmann": by_boltzmann, "hopfield": by_hopfield}


def solve(problem: Energy, annealing: Annealing, network: str, seed: int) -> np.ndarray:
    """The final states by the network called ``network``; ``ValueError`` names those there are."""
    if network not in SOLVERS:
        raise ValueError(f"there is no network {network!r} for this task; there are {', '.join(SOLVERS)}")
    return SOLVERS[network](problem, annealing, seed)


def grid(rows: int, columns: int) -> Sequence[Sequence[int]]:
    """The numbers of the units in a table of units."""
    numbers: list[list[int]] = np.arange(rows * columns).reshape(rows, columns).tolist()
    return numbers
