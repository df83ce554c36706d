"""Minima of E(s) = -½ sᵀWs - bᵀs over units of 0 and 1, by annealing and in the mean field."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crosstrain.classic.dynamics import energy, sweep


@dataclass(frozen=True)
class Annealed:
    """What annealing found: ``states`` (runs, units) and their ``energies`` (runs,), lowest first. ``path``
    has the lowest energy of all runs after each temperature, (steps,)."""

    states: np.ndarray
    energies: np.ndarray
    path: np.ndarray


def gibbs_sweep(
    states: np.ndarray,
    weights: np.ndarray,
    bias: np.ndarray,
    temperature: float,
    random: np.random.Generator,
    units: np.ndarray | None = None,
) -> None:
    """Draw every unit of ``states`` (units, rows) anew given the others, in place and in random order;
    ``units`` names those that are free (default: all)."""
    free = np.arange(len(states)) if units is None else units
    # A unit is 1 with probability σ(field / T): just if its field exceeds T times a logistic variable.
    draws = random.random(states.shape)
    noise = temperature * np.log(draws / (1.0 - draws))
    sweep(
        states,
        weights,
        bias,
        random.permutation(free),
        lambda unit, field, state: (field > noise[unit]) * 1.0,
    )


def anneal(
    weights: np.ndarray, bias: np.ndarray, temperatures: np.ndarray, runs: int, random: np.random.Generator
) -> Annealed:
    """``runs`` independent annealings, one sweep at each temperature, then descent to a local minimum.

    S. Kirkpatrick, C. Gelatt, M. Vecchi (1983): Optimization by simulated annealing; E. Aarts, J. Korst
    (1989): Simulated annealing and Boltzmann machines.
    """
    states = np.where(random.random((len(bias), runs)) < 0.5, 1.0, 0.0)
    path = np.empty(len(temperatures))
    for step, temperature in enumerate(temperatures):
        gibbs_sweep(states, weights, bias, float(temperature), random)
        path[step] = energy(states.T, weights, bias).min()
    while sweep(
        states, weights, bias, random.permutation(len(bias)),
        lambda unit, field, state: np.where(field == 0, state, field > 0) * 1.0,
    ):  # fmt: skip
        pass
    energies = energy(states.T, weights, bias)
    order = np.argsort(energies, kind="stable")
    return Annealed(np.ascontiguousarray(states.T[order]), energies[order], path)


def mean_field(
    means: np.ndarray,
    weights: np.ndarray,
    bias: np.ndarray,
    *,
    units: np.ndarray,
    temperature: float = 1.0,
    max_iter: int = 100,
    tol: float = 1e-6,
) -> None:
    """Solve m = σ((W m + b) / T) for ``units`` of ``means`` (units, rows), in place, one unit after the
    other.

    C. Peterson, J. Anderson (1987): A mean field theory learning algorithm for neural networks. Each visit
    minimises the free energy in one mean, so the visits converge.
    """
    for _ in range(max_iter):
        before = means[units].copy()
        sweep(
            means, weights, bias, units,
            lambda unit, field, state: 0.5 * np.tanh(field / (2 * temperature)) + 0.5,
        )  # fmt: skip
        if np.abs(means[units] - before).max(initial=0.0) <= tol:
            return
