"""What networks with symmetric weights share: their energy, and visits to one unit after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Decide = Callable[[int, np.ndarray, np.ndarray], np.ndarray]
"""New states of a unit for every row: from its number, its fields and its present states, (rows,) each."""

BLOCK = 32
"""Units whose fields one matrix product computes together; a change inside corrects those after it."""


def energy(states: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """E = -½ sᵀ W s - bᵀ s of each row of ``states`` (rows, units); shape (rows,)."""
    values: np.ndarray = -0.5 * np.einsum("ij,ij->i", states @ weights, states) - states @ bias
    return values


def sweep(
    states: np.ndarray, weights: np.ndarray, bias: np.ndarray, order: np.ndarray, decide: Decide
) -> bool:
    """Visit the units in ``order``, each in all rows at once, and change ``states`` (units, rows) in place.

    A unit's field W s + b sees every change before it, as if its row were alone. ``weights`` are symmetric
    with a zero diagonal. Returns whether any unit changed.
    """
    changed = False
    for start in range(0, len(order), BLOCK):
        units = order[start : start + BLOCK]
        fields = weights[units] @ states + bias[units, None]
        inside = weights[np.ix_(units, units)]
        for position, unit in enumerate(units):
            new = decide(int(unit), fields[position], states[unit])
            change = new - states[unit]
            if change.any():
                changed = True
                states[unit] = new
                fields[position + 1 :] += inside[position + 1 :, position, None] * change
    return changed
