"""The generalised regression network."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic.arrays import Array, in_double_precision, like, onto, read, to_numpy
from crosstrain.classic.distances import blocks, squared_distances
from crosstrain.classic.radial.kernels import BY_LEAVING_ONE_OUT, best_width, check_width, kernel
from crosstrain.classic.targets import read_targets


class GeneralisedRegression(RegressorMixin, BaseEstimator):
    """The mean of the stored targets, weighed by a Gaussian of the distance to their samples.

    D. F. Specht (1991), *A general regression neural network*.

    Parameters
    ----------
    width : "leave_one_out" or float
        The Gaussian's deviation σ, the same for all features: bring them to one scale first. By default the
        one with the least squared error where each sample is predicted from the others.

    Attributes
    ----------
    width_ : float
    samples_ : array of shape (n_samples, n_features)
    targets_ : array of shape (n_samples, n_outputs)
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import GeneralisedRegression
    >>> X = np.linspace(-3, 3, 60)[:, None]
    >>> y = np.sin(X[:, 0])
    >>> GeneralisedRegression().fit(X, y).score(X, y) > 0.99
    True
    """

    def __init__(self, width: str | float = BY_LEAVING_ONE_OUT) -> None:
        self.width = width

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @in_double_precision
    def fit(self, X: Array, y: Any) -> Self:
        """Stores ``X`` (n_samples, n_features) and ``y`` (n_samples,) or (n_samples, n_outputs)."""
        check_width(self)
        _, X = read(self, X, reset=True)
        Y, self._flat = read_targets(self, X, y)

        def loss(near: np.ndarray, chosen: np.ndarray) -> float:
            predicted = (near @ Y[chosen]) / near.sum(axis=1, keepdims=True)
            return float(((predicted - Y[chosen]) ** 2).sum())

        self.width_ = (
            best_width(self, to_numpy(X), loss) if isinstance(self.width, str) else float(self.width)
        )
        self.samples_, self.targets_ = X, like(Y, X)
        return self

    @in_double_precision
    def predict(self, X: Array) -> Array:
        """(n_samples,) or (n_samples, n_outputs), as ``y`` was."""
        check_is_fitted(self)
        xp, X = read(self, X, reset=False)
        samples, targets = onto(self.samples_, X), onto(self.targets_, X)
        parts = []
        for part in blocks(X.shape[0], samples.shape[0]):
            near = kernel(xp, squared_distances(xp, X[part], samples), self.width_)
            parts.append((near @ targets) / xp.sum(near, axis=1)[:, None])
        output = xp.concat(parts)
        return output[:, 0] if self._flat else output
