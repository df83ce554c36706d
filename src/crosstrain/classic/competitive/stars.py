"""Grossberg's instar and outstar: learning to recognise a pattern, and learning to recall one."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, RegressorMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, check_non_negative

from crosstrain.classic import parameters
from crosstrain.classic.arrays import Array, in_double_precision, like, onto, read, to_numpy
from crosstrain.classic.targets import read_targets


def approach(weights: np.ndarray, activities: np.ndarray, targets: np.ndarray, rate: float) -> None:
    """Solves dw/dt = a (target − w) exactly for the time ``rate`` a sample, one sample after the other.

    ``weights`` (units, n) change; ``activities`` (samples, units) are not negative; ``targets`` (samples,
    n). With steps of rate × a instead, weights would run away where that is above 2.
    """
    shares = -np.expm1(-rate * activities)
    for share, target in zip(shares, targets, strict=True):
        weights += share[:, None] * (target - weights)


class Instar(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Units whose incoming weights approach the patterns during which they are active.

    S. Grossberg (1976), *Adaptive pattern classification and universal recoding, I*.

    Parameters
    ----------
    learning_rate : float
        The time for which each sample is shown.
    max_iter : int
        Passes over the data.

    Attributes
    ----------
    weights_ : array of shape (n_units, n_features)
    n_iter_ : int
    n_features_in_ : int

    Notes
    -----
    The learning equation dw/dt = y (x − w) is solved exactly for each sample; for small rates that is the
    discrete rule w += learning_rate · y · (x − w).

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import Instar
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> Instar().fit(X, np.eye(2)).transform(X).round(2).tolist()
    [[0.99, 0.0], [0.0, 0.99]]
    """

    def __init__(self, *, learning_rate: float = 0.1, max_iter: int = 50) -> None:
        self.learning_rate = learning_rate
        self.max_iter = max_iter

    @property
    def _n_features_out(self) -> int:
        return len(self.weights_)

    @in_double_precision
    def fit(self, X: Array, y: Any = None) -> Self:
        """``y`` (n_samples,) or (n_samples, n_units), not negative: how active each unit is while it sees the
        sample; None is one unit that is always active."""
        parameters.whole(self, "max_iter")
        parameters.within(self, "learning_rate", low=0, high=np.inf, open_low=True)
        _, X = read(self, X, reset=True)
        data = to_numpy(X)
        active = np.ones((len(data), 1)) if y is None else read_targets(self, X, y)[0]
        if (active < 0).any():
            raise ValueError("Instar: the activities y must not be negative")
        weights = np.zeros((active.shape[1], data.shape[1]))
        for number in range(1, self.max_iter + 1):
            self.n_iter_ = number
            approach(weights, active, data, self.learning_rate)
        self.weights_ = like(weights, X)
        return self

    @in_double_precision
    def transform(self, X: Array) -> Array:
        """The units' net inputs, (n_samples, n_units)."""
        check_is_fitted(self)
        _, X = read(self, X, reset=False)
        return X @ onto(self.weights_, X).T


class Outstar(RegressorMixin, BaseEstimator):
    """Sources whose outgoing weights approach the pattern that is there while they are active.

    S. Grossberg (1968), *Some nonlinear networks capable of learning a spatial pattern of arbitrary
    complexity*.

    Parameters
    ----------
    learning_rate : float
        The time for which each sample is shown.
    max_iter : int
        Passes over the data.

    Attributes
    ----------
    weights_ : array of shape (n_features, n_outputs)
    n_iter_ : int
    n_features_in_ : int

    Notes
    -----
    The learning equation dw/dt = x (y − w) is solved exactly for each sample; for small rates that is the
    discrete rule w += learning_rate · x · (y − w). The features are activities and must not be negative.

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import Outstar
    >>> sources, patterns = np.eye(2), np.array([[1.0, -1.0, 1.0], [0.0, 2.0, 0.0]])
    >>> Outstar().fit(sources, patterns).predict(sources).round(1).tolist()
    [[1.0, -1.0, 1.0], [0.0, 2.0, 0.0]]
    """

    def __init__(self, *, learning_rate: float = 0.1, max_iter: int = 50) -> None:
        self.learning_rate = learning_rate
        self.max_iter = max_iter

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.regressor_tags.poor_score = True  # it recalls patterns, and adds what several sources recall
        tags.target_tags.multi_output = True
        return tags

    @in_double_precision
    def fit(self, X: Array, y: Any) -> Self:
        """``X`` (n_samples, n_features) are the sources' activities, ``y`` (n_samples,) or (n_samples,
        n_outputs) the patterns."""
        parameters.whole(self, "max_iter")
        parameters.within(self, "learning_rate", low=0, high=np.inf, open_low=True)
        _, X = read(self, X, reset=True)
        data = to_numpy(X)
        check_non_negative(data, "Outstar")
        Y, self._flat = read_targets(self, X, y)
        weights = np.zeros((data.shape[1], Y.shape[1]))
        for number in range(1, self.max_iter + 1):
            self.n_iter_ = number
            approach(weights, data, Y, self.learning_rate)
        self.weights_ = like(weights, X)
        return self

    @in_double_precision
    def predict(self, X: Array) -> Array:
        """The patterns that these activities recall, (n_samples,) or (n_samples, n_outputs) as in ``fit``."""
        check_is_fitted(self)
        _, X = read(self, X, reset=False)
        recalled = X @ onto(self.weights_, X)
        return recalled[:, 0] if self._flat else recalled
