"""The probabilistic network."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic.arrays import Array, in_double_precision, like, onto, read, to_numpy
from crosstrain.classic.distances import blocks, squared_distances
from crosstrain.classic.radial.kernels import BY_LEAVING_ONE_OUT, best_width, check_width, kernel
from crosstrain.classic.targets import labels_like, read_labels

SMALLEST = 1e-12


class ProbabilisticNetwork(ClassifierMixin, BaseEstimator):
    """Bayes's rule with Parzen's density of each class: a Gaussian around every stored sample.

    D. F. Specht (1990), *Probabilistic neural networks*.

    Parameters
    ----------
    width : "leave_one_out" or float
        The Gaussian's deviation σ, the same for all features: bring them to one scale first. By default the
        one under which each sample's class is most probable given the others.
    priors : None or array of shape (n_classes,)
        The classes' probabilities beforehand; None takes their parts of the training data.

    Attributes
    ----------
    width_ : float
    samples_ : array of shape (n_samples, n_features)
    classes_ : ndarray of shape (n_classes,)
    priors_ : ndarray of shape (n_classes,)
    n_features_in_ : int

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from crosstrain.classic import ProbabilisticNetwork
    >>> X, y = load_iris(return_X_y=True)
    >>> net = ProbabilisticNetwork().fit(X, y)
    >>> net.score(X, y) > 0.95
    True
    """

    def __init__(self, width: str | float = BY_LEAVING_ONE_OUT, *, priors: Array | None = None) -> None:
        self.width = width
        self.priors = priors

    @in_double_precision
    def fit(self, X: Array, y: Any) -> Self:
        """Stores ``X`` (n_samples, n_features) with the labels ``y`` (n_samples,)."""
        check_width(self)
        _, X = read(self, X, reset=True)
        self.classes_, classes = read_labels(self, X, y)
        counts = np.bincount(classes)
        self.priors_ = self._priors(counts / len(classes))
        votes = np.eye(len(counts))[classes] * (self.priors_ / counts)

        def loss(near: np.ndarray, chosen: np.ndarray) -> float:
            scores = near @ votes[chosen]
            right = scores[np.arange(len(chosen)), classes[chosen]] / scores.sum(axis=1)
            return -float(np.log(np.maximum(right, SMALLEST)).sum())

        self.width_ = (
            best_width(self, to_numpy(X), loss) if isinstance(self.width, str) else float(self.width)
        )
        self.samples_, self._votes = X, like(votes, X)
        return self

    def _priors(self, parts: np.ndarray) -> np.ndarray:
        if self.priors is None:
            return parts
        priors = np.asarray(to_numpy(self.priors), dtype=np.float64)
        if priors.shape != parts.shape or (priors < 0).any() or not np.isclose(priors.sum(), 1):
            raise ValueError(
                f"ProbabilisticNetwork: priors must be {len(parts)} probabilities, one for each class, whose "
                f"sum is 1, not {self.priors!r}"
            )
        return priors

    @in_double_precision
    def predict_proba(self, X: Array) -> Array:
        """The classes' probabilities, (n_samples, n_classes), in the order of ``classes_``."""
        check_is_fitted(self)
        xp, X = read(self, X, reset=False)
        samples, votes = onto(self.samples_, X), onto(self._votes, X)
        parts = []
        for part in blocks(X.shape[0], samples.shape[0]):
            scores = kernel(xp, squared_distances(xp, X[part], samples), self.width_) @ votes
            parts.append(scores / xp.sum(scores, axis=1)[:, None])
        return xp.concat(parts)

    @in_double_precision
    def predict(self, X: Array) -> Array:
        """The most probable labels, (n_samples,)."""
        chosen = to_numpy(self.predict_proba(X)).argmax(axis=1)
        return labels_like(self.classes_, chosen, X)
