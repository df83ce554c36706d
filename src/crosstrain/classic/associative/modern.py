"""Dense associative memories: many more patterns than units."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import arrays, parameters
from crosstrain.classic.associative.patterns import read_patterns


class ModernHopfield(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """The modern Hopfield network for real patterns: ξ ← Xᵀ softmax(β X ξ), the attention of transformers.

    H. Ramsauer et al. (2020): Hopfield networks is all you need. It holds exponentially many patterns and
    mostly finds one in a single step.

    Parameters
    ----------
    beta : float, default=1.0
        Inverse temperature: the larger, the more a single pattern decides; small ones give means of many.
    max_steps : int, default=100
        The most updates.
    tol : float, default=1e-10
        Stop once no value changes by more.

    Attributes
    ----------
    patterns_ : array of shape (n_patterns, n_features_in_)
        What is stored, in the library of the array that was given to ``fit``.
    n_features_in_ : int

    Examples
    --------
    >>> from crosstrain.classic import ModernHopfield
    >>> memory = ModernHopfield(beta=20.0).fit([[0.9, 0.1, 0.0], [0.1, 0.2, 0.8]])
    >>> memory.transform([[0.7, 0.0, 0.1]]).round(3)
    array([[0.9, 0.1, 0. ]])
    """

    def __init__(self, beta: float = 1.0, max_steps: int = 100, tol: float = 1e-10) -> None:
        self.beta = beta
        self.max_steps = max_steps
        self.tol = tol

    def fit(self, X: Any, y: Any = None) -> Self:
        """Store the rows of ``X`` (n_patterns, n_features). ``y`` is ignored."""
        parameters.within(self, "beta", low=0, high=float("inf"), open_low=True)
        parameters.whole(self, "max_steps")
        _, self.patterns_ = arrays.read(self, X, reset=True)
        return self

    def transform(self, X: Any) -> Any:
        """The fixed points that the updates reach from the rows of ``X``; shape (n_samples, n_features)."""
        check_is_fitted(self)
        with arrays.double_precision(X):
            xp, state = arrays.read(self, X, reset=False)
            patterns = self._patterns(state)
            for _ in range(self.max_steps):
                before, state = state, self._softmax(xp, state @ patterns.T) @ patterns
                if float(xp.max(xp.abs(state - before))) <= self.tol:
                    break
            return state

    def association(self, X: Any) -> Any:
        """softmax(β X ξ): how much each stored pattern counts for each row; shape (n_samples, n_patterns)."""
        check_is_fitted(self)
        with arrays.double_precision(X):
            xp, state = arrays.read(self, X, reset=False)
            return self._softmax(xp, state @ self._patterns(state).T)

    def energy(self, X: Any) -> Any:
        """E = -1/β ln Σₚ exp(β xₚᵀξ) + ½ ξᵀξ + 1/β ln P + ½ M² of each row ξ, M being the largest norm of P
        stored patterns; shape (n_samples,). No update raises it."""
        check_is_fitted(self)
        with arrays.double_precision(X):
            xp, state = arrays.read(self, X, reset=False)
            patterns = self._patterns(state)
            overlap = state @ patterns.T
            top = xp.max(overlap, axis=1)
            summed = xp.sum(xp.exp(self.beta * (overlap - top[:, None])), axis=1)
            largest = float(xp.max(xp.sum(patterns * patterns, axis=1)))
            constant = math.log(patterns.shape[0]) / self.beta + 0.5 * largest
            return 0.5 * xp.sum(state * state, axis=1) - top - xp.log(summed) / self.beta + constant

    def _patterns(self, reference: Any) -> Any:
        return arrays.like(arrays.to_numpy(self.patterns_), reference)

    def _softmax(self, xp: Any, overlap: Any) -> Any:
        powers = xp.exp(self.beta * (overlap - xp.max(overlap, axis=1, keepdims=True)))
        return powers / xp.sum(powers, axis=1, keepdims=True)


class DenseAssociativeMemory(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """The dense associative memory for patterns of -1 and 1: E = -Σₚ F(xₚᵀs / N), F(z) = max(z, 0)ⁿ.

    D. Krotov, J. J. Hopfield (2016): Dense associative memory for pattern recognition. Of N units it holds
    about N^(n-1) patterns; n = 2 is close to Hopfield's network of 1982.

    Parameters
    ----------
    degree : int, default=3
        n, at least 2.
    binarize : float or None, default=None
        Values above it count as 1, others as -1. None: ``X`` has to hold -1 and 1.
    max_sweeps : int, default=100
        The most sweeps over all units.
    random_state : int, RandomState or None, default=None
        Draws the order of the updates.

    Attributes
    ----------
    patterns_ : ndarray of shape (n_patterns, n_features_in_)
    n_features_in_ : int

    Notes
    -----
    Overlaps are divided by N, which changes no update and keeps powers in range.

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import DenseAssociativeMemory
    >>> patterns = np.where(np.random.default_rng(0).random((60, 40)) < 0.5, -1, 1)  # 1.5 a unit
    >>> memory = DenseAssociativeMemory(degree=5, random_state=0).fit(patterns)
    >>> bool((memory.transform(patterns) == patterns).all())
    True
    """

    def __init__(
        self,
        degree: int = 3,
        binarize: float | None = None,
        max_sweeps: int = 100,
        random_state: Any = None,
    ) -> None:
        self.degree = degree
        self.binarize = binarize
        self.max_sweeps = max_sweeps
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Store the rows of ``X`` (n_patterns, n_units). ``y`` is ignored."""
        parameters.whole(self, "degree", least=2)
        parameters.whole(self, "max_sweeps")
        self.patterns_ = read_patterns(self, X, reset=True, binarize=self.binarize)
        return self

    def transform(self, X: Any) -> Any:
        """What the memory settles in from each row of ``X`` (n_samples, n_units): rows of -1 and 1."""
        states = self._states(X).T.copy()
        units = len(states)
        overlaps = self.patterns_ @ states  # (patterns, rows)
        random = check_random_state(self.random_state)
        for _ in range(self.max_sweeps):
            changed = False
            for unit in random.permutation(units):
                own = self.patterns_[:, unit, None]
                others = overlaps - own * states[unit]
                up, down = (
                    self._interaction((others + own) / units),
                    self._interaction((others - own) / units),
                )
                gain, scale = (up - down).sum(axis=0), (up + down).sum(axis=0)
                new = np.where(np.abs(gain) <= 1e-12 * scale, states[unit], np.sign(gain))
                if (new != states[unit]).any():
                    changed = True
                    overlaps = others + own * new
                    states[unit] = new
            if not changed:
                break
        return arrays.like(np.ascontiguousarray(states.T), X)

    def energy(self, X: Any) -> Any:
        """E of each row of ``X``; shape (n_samples,)."""
        states = self._states(X)
        overlaps = states @ self.patterns_.T / states.shape[1]
        return arrays.like(-self._interaction(overlaps).sum(axis=1), X)

    def _states(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return read_patterns(self, X, reset=False, binarize=self.binarize)

    def _interaction(self, overlap: np.ndarray) -> np.ndarray:
        values: np.ndarray = np.maximum(overlap, 0.0) ** self.degree
        return values
