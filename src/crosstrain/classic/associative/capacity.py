"""How many patterns a Hopfield network holds: measured, and as the theory has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import erf
from sklearn.utils import check_random_state

from crosstrain.classic.associative.rules import rule_of
from crosstrain.classic.dynamics import sweep


class CapacityWarning(UserWarning):
    """More patterns are stored than the network can hold."""


@dataclass(frozen=True)
class CapacityCurve:
    """How well patterns are recalled at each load (patterns / units).

    A network that starts from a stored pattern x and settles in s has the overlap m = x·s / N; 1 is perfect.
    ``overlaps`` are its means, ``recalled`` the shares of starts that end with m of at least 0.9. One entry
    for each of ``loads``.
    """

    units: int
    loads: np.ndarray
    overlaps: np.ndarray
    recalled: np.ndarray

    @property
    def critical_load(self) -> float:
        """The load at which half of the patterns are no longer recalled, linear between the measured ones;
        NaN where that is not among them."""
        below = np.flatnonzero(self.recalled < 0.5)
        if not len(below) or below[0] == 0:
            return float("nan")
        right = below[0]
        x, share = self.loads[right - 1 : right + 1], self.recalled[right - 1 : right + 1]
        return float(x[0] + (share[0] - 0.5) / (share[0] - share[1]) * (x[1] - x[0]))


def capacity_curve(
    units: int = 1000,
    loads: Sequence[float] = tuple(np.round(np.arange(0.10, 0.181, 0.01), 3)),
    *,
    rule: str = "hebb",
    probes: int = 20,
    trials: int = 3,
    max_sweeps: int = 200,
    random_state: Any = None,
) -> CapacityCurve:
    """Store random patterns at several loads and measure what becomes of them.

    At each load and in each of ``trials`` networks, up to ``probes`` stored patterns are starting points of
    asynchronous updates. With Hebb's rule the overlap stays near 0.97 up to about 0.138 N patterns and falls
    beyond it (D. Amit, H. Gutfreund, H. Sompolinsky 1985: Storing infinite numbers of patterns in a
    spin-glass model of neural networks); in finite networks the fall is gentler and a little later.

    :raises ValueError: the rule does not exist, or a load stands for less than one pattern.
    """
    learn = rule_of(rule).learn
    random = check_random_state(random_state)
    by_load = []
    for load in loads:
        stored = round(load * units)
        if stored < 1:
            raise ValueError(f"a load of {load} with {units} units is less than one pattern")
        overlaps = []
        for _ in range(trials):
            patterns = np.where(random.random_sample((stored, units)) < 0.5, -1.0, 1.0)
            weights = learn(np.zeros((units, units)), patterns, patterns)
            overlaps.append(_overlaps(patterns[:probes], weights, max_sweeps, random))
        by_load.append(np.concatenate(overlaps))
    return CapacityCurve(
        units,
        np.asarray(loads, float),
        np.array([each.mean() for each in by_load]),
        np.array([(each >= 0.9).mean() for each in by_load]),
    )


def _overlaps(patterns: np.ndarray, weights: np.ndarray, max_sweeps: int, random: Any) -> np.ndarray:
    states = patterns.T.copy()
    bias = np.zeros(len(weights))

    def decide(unit: int, field: np.ndarray, state: np.ndarray) -> np.ndarray:
        return np.where(np.abs(field) <= 1e-12, state, np.sign(field))

    for _ in range(max_sweeps):
        if not sweep(states, weights, bias, random.permutation(len(weights)), decide):
            break
    overlaps: np.ndarray = np.mean(states * patterns.T, axis=0)
    return overlaps


def theoretical_overlap(load: float) -> float:
    """The overlap m of a recalled pattern in an infinite network with Hebb's rule, without noise; 0 above the
    critical load 0.1379.

    >>> round(theoretical_overlap(0.1), 3), theoretical_overlap(0.14)
    (0.998, 0.0)

    With y = m / sqrt(2 α r) the equations of Amit, Gutfreund and Sompolinsky (1985) come down to
    erf(y) = y (sqrt(2 α) + 2/sqrt(π) exp(-y²)) and m = erf(y); the largest solution is the memory.
    """
    if load <= 0:
        raise ValueError(f"a load is more than 0, not {load}")

    def excess(y: Any) -> Any:
        return erf(y) - y * (np.sqrt(2 * load) + 2 / np.sqrt(np.pi) * np.exp(-(y**2)))

    # The excess is positive only between the two solutions besides 0: look for such a place from above.
    above_all = 1 / np.sqrt(2 * load)
    grid = np.linspace(above_all, 0.5, 20_000)
    positive = np.flatnonzero(excess(grid) > 0)
    return float(erf(brentq(excess, grid[positive[0]], above_all))) if len(positive) else 0.0
