"""How an autoassociative memory learns its weights from patterns of -1 and 1.

Every rule takes the weights so far, (units, units), all patterns so far and the new ones among them, and
gives symmetric weights with a zero diagonal: with these, asynchronous updates never raise the energy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Learn = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""New weights from the old ones, all patterns and those among them that are new."""


@dataclass(frozen=True)
class Rule:
    """A learning rule and ``capacity(units)``, the number of random patterns that it can hold."""

    learn: Learn
    capacity: Callable[[int], float]


def hebb(weights: np.ndarray, patterns: np.ndarray, new: np.ndarray) -> np.ndarray:
    """W = ΣₚxₚxₚT / N (D. Hebb 1949; J. Hopfield 1982)."""
    return _without_self(weights + new.T @ new / new.shape[1])


def pseudo_inverse(weights: np.ndarray, patterns: np.ndarray, new: np.ndarray) -> np.ndarray:
    """The projection on the space of the patterns, X⁺X, which makes linearly independent patterns fixed
    points however much they resemble each other (L. Personnaz, I. Guyon, G. Dreyfus 1986)."""
    return _without_self(np.linalg.pinv(patterns) @ patterns)


def storkey(weights: np.ndarray, patterns: np.ndarray, new: np.ndarray) -> np.ndarray:
    """One pattern after the other, wᵢⱼ += (xᵢxⱼ - xᵢhⱼᵢ - hᵢⱼxⱼ) / N, where hᵢⱼ is the field of unit i
    without the parts of i and j (A. Storkey 1997)."""
    weights = weights.copy()
    units = len(weights)
    for x in new:
        field = weights @ x
        # h[i, j] x[j] = (field[i] - w[i, j] x[j]) x[j] = field[i] x[j] - w[i, j]; w[i, i] is 0.
        cross = np.outer(field, x) - weights
        weights += (np.outer(x, x) - cross - cross.T) / units
        np.fill_diagonal(weights, 0.0)
    return weights


def _without_self(weights: np.ndarray) -> np.ndarray:
    symmetric: np.ndarray = (weights + weights.T) / 2
    np.fill_diagonal(symmetric, 0.0)
    return symmetric


RULES = {
    "hebb": Rule(hebb, lambda units: 0.138 * units),
    "pseudo-inverse": Rule(pseudo_inverse, lambda units: float(units)),
    "storkey": Rule(storkey, lambda units: units / math.sqrt(2 * math.log(max(units, 2)))),
}
"""Capacities: D. Amit, H. Gutfreund, H. Sompolinsky 1985 (hebb), I. Kanter, H. Sompolinsky 1987
(pseudo-inverse), A. Storkey 1997 (storkey)."""


def rule_of(name: str) -> Rule:
    """The rule called ``name``; ``ValueError`` names those there are."""
    if name not in RULES:
        raise ValueError(f"there is no rule {name!r}; there are {', '.join(RULES)}")
    return RULES[name]
