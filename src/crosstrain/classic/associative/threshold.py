"""The binary model: units that are 1 where their potential exceeds a threshold, else 0."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import arrays, parameters
from crosstrain.classic.associative.patterns import read_patterns
from crosstrain.classic.dynamics import energy, sweep


class BinaryHopfield(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """The binary model: unit i becomes 1 if its potential Vᵢ = Σⱼ wᵢⱼ sⱼ > θᵢ, and 0 otherwise.

    The form in which J. J. Hopfield (1982) wrote his network, after W. McCulloch and W. Pitts (1943): states
    of 0 and 1, weights wᵢⱼ = Σₚ (2xₚᵢ - 1)(2xₚⱼ - 1), one unit after the other.

    Parameters
    ----------
    threshold : float or array of shape (n_features,), default=0.0
        θ. Hopfield's own choice is 0; half of each unit's weights' sum makes the model that of -1 and 1.
    binarize : float or None, default=None
        Values above it count as 1, others as 0. None: ``X`` has to hold 0 and 1.
    max_sweeps : int, default=100
        The most sweeps over all units.
    random_state : int, RandomState or None, default=None
        Draws the order of the updates.

    Attributes
    ----------
    weights_ : ndarray of shape (n_features_in_, n_features_in_)
        Whole numbers, symmetric, with a zero diagonal.
    n_features_in_ : int

    Examples
    --------
    >>> from crosstrain.classic import BinaryHopfield
    >>> memory = BinaryHopfield(random_state=0).fit([[1, 1, 1, 0, 0, 0]])
    >>> memory.transform([[1, 0, 1, 0, 0, 0]]).astype(int)
    array([[1, 1, 1, 0, 0, 0]])
    """

    def __init__(
        self,
        threshold: Any = 0.0,
        binarize: float | None = None,
        max_sweeps: int = 100,
        random_state: Any = None,
    ) -> None:
        self.threshold = threshold
        self.binarize = binarize
        self.max_sweeps = max_sweeps
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Store the rows of ``X`` (n_patterns, n_units). ``y`` is ignored."""
        parameters.whole(self, "max_sweeps")
        signs = 2 * read_patterns(self, X, reset=True, binarize=self.binarize, low=0.0) - 1
        self._thresholds(signs.shape[1])
        self.weights_ = signs.T @ signs
        np.fill_diagonal(self.weights_, 0.0)
        return self

    def transform(self, X: Any) -> Any:
        """What the network settles in from each row of ``X`` (n_samples, n_units): rows of 0 and 1."""
        states = self._states(X).T.copy()
        random = check_random_state(self.random_state)
        bias = -self._thresholds(len(states))
        for _ in range(self.max_sweeps):
            order = random.permutation(len(states))
            if not sweep(states, self.weights_, bias, order, lambda unit, field, state: (field > 0) * 1.0):
                break
        return arrays.like(np.ascontiguousarray(states.T), X)

    def energy(self, X: Any) -> Any:
        """E = -½ sᵀWs + θᵀs of each row of ``X``; shape (n_samples,)."""
        states = self._states(X)
        return arrays.like(energy(states, self.weights_, -self._thresholds(states.shape[1])), X)

    def _states(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return read_patterns(self, X, reset=False, binarize=self.binarize, low=0.0)

    def _thresholds(self, units: int) -> np.ndarray:
        thresholds = np.asarray(self.threshold, dtype=float)
        if thresholds.shape not in ((), (units,)):
            raise ValueError(
                f"threshold is one number or one for each of {units} units, not of shape {thresholds.shape}"
            )
        return np.broadcast_to(thresholds, (units,))
