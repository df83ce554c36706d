"""The negative phase of an RBM's learning: where the machine's own states come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from crosstrain.classic.stochastic.machine import Machine
from crosstrain.classic.stochastic.units import bernoulli

Pair = tuple[np.ndarray, np.ndarray]
"""Visible states and the means of the hidden units given them."""


class Negative(Protocol):
    """A negative phase: called with the machine and the means of the hidden units on the batch, it answers in
    ``out`` where there is one."""

    def rows(self, batch: int) -> int:
        """How many states it answers with for a batch of so many rows."""

    def __call__(
        self,
        machine: Machine,
        hidden: np.ndarray,
        random: np.random.Generator,
        out: Pair | None = None,
    ) -> Pair: ...


@dataclass(frozen=True)
class ContrastiveDivergence:
    """CD-k: ``steps`` of Gibbs sampling from the batch. G. Hinton (2002): Training products of experts by
    minimizing contrastive divergence."""

    steps: int

    def rows(self, batch: int) -> int:
        return batch

    def __call__(
        self,
        machine: Machine,
        hidden: np.ndarray,
        random: np.random.Generator,
        out: Pair | None = None,
    ) -> Pair:
        return gibbs(machine, bernoulli(hidden, random), self.steps, random, out)


@dataclass
class Persistent:
    """Chains that go on from batch to batch. T. Tieleman (2008): Training restricted Boltzmann machines using
    approximations to the likelihood gradient."""

    steps: int
    chains: int
    _hidden: np.ndarray | None = None

    def rows(self, batch: int) -> int:
        return self.chains

    def visible(self, machine: Machine, random: np.random.Generator, out: np.ndarray) -> None:
        """Writes the chains' next visible states to ``out``. The batch has no part in them, so that the means
        of the hidden units can be computed for both at once."""
        hidden = self._hidden
        if hidden is None:
            hidden = np.zeros((self.chains, len(machine.hidden_bias)))
        if self.steps > 1:
            hidden = bernoulli(gibbs(machine, hidden, self.steps - 1, random)[1], random)
        machine.visible.sample(machine.visible_field(hidden, out), random, 1.0)

    def keep(self, mean: np.ndarray, random: np.random.Generator) -> None:
        """Draws the hidden states from which the chains go on."""
        if self._hidden is None:
            self._hidden = np.empty(mean.shape)
        random.random(out=self._hidden)
        np.less(self._hidden, mean, out=self._hidden)


@dataclass
class ParallelTempering:
    """Chains at several temperatures that swap states; those at temperature 1 are used. G. Desjardins et al.
    (2010): Tempered Markov chain Monte Carlo for training of restricted Boltzmann machines.

    ``betas`` are inverse temperatures, rising to 1."""

    steps: int
    chains: int
    betas: np.ndarray
    _visible: list[np.ndarray] = field(default_factory=list)
    _hidden: list[np.ndarray] = field(default_factory=list)

    def rows(self, batch: int) -> int:
        return self.chains

    def __call__(
        self,
        machine: Machine,
        hidden: np.ndarray,
        random: np.random.Generator,
        out: Pair | None = None,
    ) -> Pair:
        if not self._hidden:
            shape = (self.chains, len(machine.hidden_bias))
            self._hidden = [bernoulli(np.full(shape, 0.5), random) for _ in self.betas]
            self._visible = [np.empty(0) for _ in self.betas]
        for _ in range(self.steps):
            for level, beta in enumerate(self.betas):
                h = self._hidden[level]
                v = machine.visible.sample(machine.visible_field(h), random, float(beta))
                logit = (v @ machine.weights.T + machine.hidden_bias) * (0.5 * beta)
                self._visible[level] = v
                self._hidden[level] = bernoulli(0.5 * np.tanh(logit) + 0.5, random)
            self._swap(machine, random)
        visible = self._visible[-1]
        if out is None:
            return visible, machine.hidden_mean(visible)
        out[0][:] = visible
        machine.hidden_mean(visible, out[1])
        return out

    def _swap(self, machine: Machine, random: np.random.Generator) -> None:
        """Exchange neighbours' states with probability min(1, exp((β - β')(E - E')))."""
        energies = [machine.energy(v, h) for v, h in zip(self._visible, self._hidden, strict=True)]
        for cold in range(len(self.betas) - 1, 0, -1):
            hot = cold - 1
            gain = (self.betas[cold] - self.betas[hot]) * (energies[cold] - energies[hot])
            swapped = np.log(random.random(len(gain))) < gain
            for states in (self._visible, self._hidden):
                one, other = states[cold], states[hot]
                states[cold] = np.where(swapped[:, None], other, one)
                states[hot] = np.where(swapped[:, None], one, other)
            energies[cold], energies[hot] = (
                np.where(swapped, energies[hot], energies[cold]),
                np.where(swapped, energies[cold], energies[hot]),
            )


def gibbs(
    machine: Machine, hidden: np.ndarray, steps: int, random: np.random.Generator, out: Pair | None = None
) -> Pair:
    """``steps`` full steps of Gibbs sampling from hidden states: the visible states at the end, and the means
    of the hidden units given them; in ``out`` where there is one."""
    visible, mean = out or (None, None)
    for remaining in range(steps - 1, -1, -1):
        visible = machine.visible.sample(machine.visible_field(hidden, visible), random, 1.0)
        mean = machine.hidden_mean(visible, mean)
        if remaining:
            hidden = bernoulli(mean, random)
    assert visible is not None
    assert mean is not None
    return visible, mean
