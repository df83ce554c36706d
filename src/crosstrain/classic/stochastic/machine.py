"""A restricted Boltzmann machine's parameters, and what follows from them exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from crosstrain.classic.stochastic.units import Units, sigmoid_in_place

LARGEST = 20
"""So many hidden units can be enumerated: 2^20 states."""
ROWS = 1 << 12
"""States that are enumerated at once."""


@dataclass(frozen=True)
class Gradient:
    """Of the mean log-likelihood: ``weights`` (hidden, visible), ``visible_bias``, ``hidden_bias``."""

    weights: np.ndarray
    visible_bias: np.ndarray
    hidden_bias: np.ndarray


@dataclass(frozen=True)
class Machine:
    """``weights`` (hidden, visible), biases, and the kind of the visible units; hidden ones are 0 or 1."""

    weights: np.ndarray
    visible_bias: np.ndarray
    hidden_bias: np.ndarray
    visible: Units

    def hidden_mean(self, v: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """P(h = 1 | v), (rows, hidden); written to ``out`` where there is one."""
        field = np.dot(v, self.weights.T, out)
        field += self.hidden_bias
        return sigmoid_in_place(field)

    def visible_field(self, h: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Wᵀh + b, (rows, visible); written to ``out`` where there is one."""
        field: np.ndarray = np.dot(h, self.weights, out)
        field += self.visible_bias
        return field

    def energy(self, v: np.ndarray, h: np.ndarray) -> np.ndarray:
        """E(v, h) of each row, (rows,)."""
        own = self.visible.energy(v, self.visible_bias)
        energy: np.ndarray = own - np.einsum("ij,ij->i", v @ self.weights.T + self.hidden_bias, h)
        return energy

    def free_energy(self, v: np.ndarray) -> np.ndarray:
        """F(v) = -ln Σₕ exp(-E(v, h)), (rows,)."""
        field = v @ self.weights.T + self.hidden_bias
        free: np.ndarray = self.visible.energy(v, self.visible_bias) - np.logaddexp(0, field).sum(axis=1)
        return free

    # -- exact, by enumeration of the hidden states --------------------------------------------------
    def log_partition(self) -> float:
        """ln Z. ``ValueError`` for more than 20 hidden units."""
        return float(logsumexp([logsumexp(weight) for _, weight in self._hidden_states()]))

    def expectation(self) -> Gradient:
        """⟨h vᵀ⟩, ⟨v⟩ and ⟨h⟩ under the machine's own distribution."""
        log_z = self.log_partition()
        hv, v, h = (np.zeros_like(each) for each in (self.weights, self.visible_bias, self.hidden_bias))
        for states, log_weight in self._hidden_states():
            probability = np.exp(log_weight - log_z)[:, None] * states
            visible = self.visible.mean(self.visible_field(states))
            hv += probability.T @ visible
            v += np.exp(log_weight - log_z) @ visible
            h += probability.sum(axis=0)
        return Gradient(hv, v, h)

    def _hidden_states(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """All hidden states in parts, each with the logarithms of their unnormalised probabilities."""
        hidden = len(self.hidden_bias)
        if hidden > LARGEST:
            raise ValueError(
                f"the exact value sums over 2^{hidden} states; it is for at most {LARGEST} hidden units"
            )
        parts = []
        for start in range(0, 1 << hidden, ROWS):
            numbers = np.arange(start, min(start + ROWS, 1 << hidden))
            states = (numbers[:, None] >> np.arange(hidden) & 1).astype(float)
            weight = states @ self.hidden_bias
            weight += self.visible.log_partition(self.visible_field(states), self.visible_bias)
            parts.append((states, weight))
        return parts


def positive(machine: Machine, v: np.ndarray) -> Gradient:
    """⟨h vᵀ⟩, ⟨v⟩ and ⟨h⟩ with the visible units held at the rows of ``v``."""
    h = machine.hidden_mean(v)
    return Gradient(h.T @ v / len(v), v.mean(axis=0), h.mean(axis=0))


def difference(data: Gradient, model: Gradient) -> Gradient:
    return Gradient(
        data.weights - model.weights,
        data.visible_bias - model.visible_bias,
        data.hidden_bias - model.hidden_bias,
    )
