"""Hopfield's network: a memory that finds a stored pattern again from a damaged one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import arrays, parameters
from crosstrain.classic.associative.capacity import CapacityWarning
from crosstrain.classic.associative.patterns import read_patterns
from crosstrain.classic.associative.rules import RULES
from crosstrain.classic.dynamics import energy, sweep

UPDATES = ("asynchronous", "synchronous")
ROUNDING = 1e-12
"""A field smaller than this part of the largest possible one is rounding: the unit keeps its state."""


@dataclass(frozen=True)
class Recall:
    """A recall, step by step: ``states`` (steps + 1, units), the first being the input, and their
    ``energies`` (steps + 1,). A step is the change of one unit in asynchronous updates, of all in synchronous
    ones. ``converged`` says whether the last state is a fixed point."""

    states: np.ndarray
    energies: np.ndarray
    converged: bool


class Hopfield(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Hopfield's discrete network: a memory for patterns of -1 and 1 that are recalled from damaged ones.

    J. J. Hopfield (1982): Neural networks and physical systems with emergent collective computational
    abilities. ``fit`` stores the rows of ``X``, ``transform`` lets the network run from each row to a fixed
    point.

    Parameters
    ----------
    rule : {"hebb", "pseudo-inverse", "storkey"}, default="hebb"
        How the weights are learnt. Of N units random patterns Hebb's rule holds about 0.138 N, Storkey's
        N / sqrt(2 ln N), the pseudo-inverse N (linearly independent ones).
    update : {"asynchronous", "synchronous"}, default="asynchronous"
        One unit after the other, in an order drawn anew for each sweep (the energy never rises), or all at
        once (may end in a cycle of two states).
    binarize : float or None, default=None
        Values above it count as 1, others as -1. None: ``X`` has to hold -1 and 1.
    max_sweeps : int, default=100
        The most sweeps over all units in a recall.
    random_state : int, RandomState or None, default=None
        Draws the order of asynchronous updates.

    Attributes
    ----------
    weights_ : ndarray of shape (n_features_in_, n_features_in_)
        Symmetric, with a zero diagonal.
    patterns_ : ndarray of shape (n_patterns, n_features_in_)
        What is stored.
    n_features_in_ : int

    Notes
    -----
    A unit whose field is 0 keeps its state. All rows of one call share the order of updates. Recall computes
    in NumPy: its updates follow one another.

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import Hopfield
    >>> letters = np.array([[1, 1, 1, -1, 1, -1, -1, 1, -1], [1, -1, 1, -1, 1, -1, 1, -1, 1]])
    >>> memory = Hopfield(rule="pseudo-inverse", random_state=0).fit(letters)
    >>> memory.transform([[1, 1, 1, -1, 1, -1, -1, -1, -1]]).astype(int)
    array([[ 1,  1,  1, -1,  1, -1, -1,  1, -1]])
    """

    def __init__(
        self,
        rule: str = "hebb",
        update: str = "asynchronous",
        binarize: float | None = None,
        max_sweeps: int = 100,
        random_state: Any = None,
    ) -> None:
        self.rule = rule
        self.update = update
        self.binarize = binarize
        self.max_sweeps = max_sweeps
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Store the rows of ``X`` (n_patterns, n_units), forgetting others. Warns (``CapacityWarning``) where
        they are more than the rule can hold. ``y`` is ignored."""
        self._check_parameters()
        return self._store(read_patterns(self, X, reset=True, binarize=self.binarize), fresh=True)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Store further patterns beside those that are stored."""
        self._check_parameters()
        fresh = not hasattr(self, "weights_")
        return self._store(read_patterns(self, X, reset=fresh, binarize=self.binarize), fresh=fresh)

    def transform(self, X: Any) -> Any:
        """What the network settles in from each row of ``X`` (n_samples, n_units): rows of -1 and 1."""
        states = self._states(X).T.copy()
        random = check_random_state(self.random_state)
        for _ in range(self.max_sweeps):
            if not self._sweep(states, random):
                break
        return arrays.like(np.ascontiguousarray(states.T), X)

    def energy(self, X: Any) -> Any:
        """E = -½ xᵀWx of each row of ``X``; shape (n_samples,)."""
        states = self._states(X)
        return arrays.like(energy(states, self.weights_, np.zeros(states.shape[1])), X)

    def identify(self, X: Any) -> Any:
        """The index of the stored pattern that each row is recalled as; -1 where it settles elsewhere (in a
        mixture of patterns, or in the negative of one)."""
        recalled = arrays.to_numpy(self.transform(X))
        same = recalled @ self.patterns_.T == recalled.shape[1]
        return arrays.like(np.where(same.any(axis=1), same.argmax(axis=1), -1), X)

    def recall_steps(self, x: Any) -> Recall:
        """Every step of the recall of one pattern ``x`` (n_units,), with the energies."""
        states = self._states(np.reshape(arrays.to_numpy(x), (1, -1))).T.copy()
        random = check_random_state(self.random_state)
        path = [states[:, 0].copy()]
        for _ in range(self.max_sweeps):
            before = len(path)
            if not self._sweep(states, random, path):
                break
            if self.update == "synchronous":
                assert len(path) == before
                path.append(states[:, 0].copy())
        steps = np.array(path)
        converged = not self._sweep(states, random)
        return Recall(steps, energy(steps, self.weights_, np.zeros(steps.shape[1])), converged)

    # -- inside --------------------------------------------------------------------------------------
    def _check_parameters(self) -> None:
        parameters.one_of(self, "rule", tuple(RULES))
        parameters.one_of(self, "update", UPDATES)
        parameters.whole(self, "max_sweeps")

    def _store(self, patterns: np.ndarray, fresh: bool) -> Self:
        units = patterns.shape[1]
        if fresh:
            self.weights_ = np.zeros((units, units))
            self.patterns_ = patterns[:0]
        self.patterns_ = np.vstack([self.patterns_, patterns])
        rule = RULES[self.rule]
        self.weights_ = rule.learn(self.weights_, self.patterns_, patterns)
        if len(self.patterns_) > rule.capacity(units):
            warnings.warn(
                f"{len(self.patterns_)} patterns are more than {units} units hold with the rule {self.rule} "
                f"(about {rule.capacity(units):.1f}); expect errors in recall",
                CapacityWarning,
                stacklevel=3,
            )
        return self

    def _states(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return read_patterns(self, X, reset=False, binarize=self.binarize)

    def _sweep(self, states: np.ndarray, random: Any, path: list[np.ndarray] | None = None) -> bool:
        """Update every unit of ``states`` (units, rows) once, in place; whether one changed. ``path`` takes
        the states of the only row after each change of a unit."""
        rounding = ROUNDING * float(np.abs(self.weights_).sum(axis=1).max(initial=0.0))

        def decide(unit: int, field: np.ndarray, state: np.ndarray) -> np.ndarray:
            new = np.where(np.abs(field) <= rounding, state, np.sign(field))
            if path is not None and new[0] != state[0]:
                after = path[-1].copy()
                after[unit] = new[0]
                path.append(after)
            return new

        if self.update == "asynchronous":
            order = random.permutation(len(states))
            return sweep(states, self.weights_, np.zeros(len(states)), order, decide)
        fields = self.weights_ @ states
        new = np.where(np.abs(fields) <= rounding, states, np.sign(fields))
        changed = bool((new != states).any())
        states[:] = new
        return changed
