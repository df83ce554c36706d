"""The Hamming network: which stored pattern has most bits in common with the input."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import parameters
from crosstrain.classic.arrays import Array, in_double_precision, like, onto, read, to_numpy
from crosstrain.classic.targets import labels_like, read_labels


def maxnet(activity: np.ndarray, epsilon: float, max_steps: int) -> np.ndarray:
    """The course of a MAXNET from ``activity`` (units,): each unit inhibits all others by ``epsilon``.

    Returns the activities of all steps, the first one included, (steps, units). It ends when at most one
    unit is active. Units that start equal stay so; where only such remain, the first of them is taken.
    """
    now = np.maximum(np.asarray(activity, dtype=np.float64), 0.0)
    steps = [now]
    for _ in range(max_steps):
        active = now > 0
        if active.sum() <= 1:
            break
        if np.ptp(now[active]) <= 1e-12 * now.max():
            steps.append(np.where(np.arange(len(now)) == active.argmax(), now, 0.0))
            break
        now = np.maximum(now - epsilon * (now.sum() - now), 0.0)
        steps.append(now)
    return np.stack(steps)


class HammingNetwork(ClassifierMixin, BaseEstimator):
    """Two layers: the first counts equal bits with each exemplar, the second (MAXNET) leaves one winner.

    R. P. Lippmann (1987), *An introduction to computing with neural nets*.

    Parameters
    ----------
    binarize : float or None
        Features above it count as +1, others as −1. None: the data must be ±1 already.
    epsilon : float or None
        The MAXNET's inhibition, below 1 / n_exemplars; None is half of that.
    max_steps : int
        Of the MAXNET.

    Attributes
    ----------
    exemplars_ : array of shape (n_exemplars, n_features)
        The training samples as ±1.
    exemplar_classes_ : ndarray of shape (n_exemplars,)
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import HammingNetwork
    >>> letters = np.array([[1, 1, 1, -1], [-1, -1, 1, 1]])
    >>> net = HammingNetwork().fit(letters, ["a", "b"])
    >>> net.predict([[1, 1, -1, -1]]).tolist()
    ['a']
    >>> net.recall_steps([1, 1, -1, -1])[-1].tolist()
    [3.0, 0.0]
    """

    def __init__(
        self, *, binarize: float | None = 0.0, epsilon: float | None = None, max_steps: int = 10_000
    ) -> None:
        self.binarize = binarize
        self.epsilon = epsilon
        self.max_steps = max_steps

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # of real numbers it sees the signs alone
        return tags

    @in_double_precision
    def fit(self, X: Array, y: Any) -> Self:
        """Stores the patterns ``X`` (n_exemplars, n_features) with their labels ``y``."""
        parameters.whole(self, "max_steps")
        if self.epsilon is not None:
            parameters.within(self, "epsilon", low=0, high=1, open_low=True)
        xp, X = read(self, X, reset=True)
        self.classes_, classes = read_labels(self, X, y)
        self.exemplars_ = self._signs(xp, X)
        self.exemplar_classes_ = self.classes_[classes]
        return self

    def _signs(self, xp: Any, X: Array) -> Array:
        if self.binarize is None:
            if bool(xp.any(xp.abs(X) != 1)):
                raise ValueError("HammingNetwork: the patterns must be -1 and 1; binarize=0.0 makes them so")
            return X
        return xp.where(self.binarize < X, xp.ones_like(X), -xp.ones_like(X))

    @in_double_precision
    def decision_scores(self, X: Array) -> Array:
        """The number of bits that each sample has in common with each exemplar, (n_samples, n_exemplars)."""
        check_is_fitted(self)
        xp, X = read(self, X, reset=False)
        return 0.5 * (self._signs(xp, X) @ onto(self.exemplars_, X).T + X.shape[1])

    @in_double_precision
    def predict(self, X: Array) -> Array:
        """The label of the exemplar that the MAXNET leaves, (n_samples,); the first of equal ones."""
        winners = np.argmax(to_numpy(self.decision_scores(X)), axis=1)
        return labels_like(self.exemplar_classes_, winners, X)

    @in_double_precision
    def recall(self, X: Array) -> Array:
        """For each sample the exemplar that the MAXNET leaves, (n_samples, n_features)."""
        winners = np.argmax(to_numpy(self.decision_scores(X)), axis=1)
        return like(to_numpy(self.exemplars_)[winners], X)

    def recall_steps(self, x: Any) -> np.ndarray:
        """The MAXNET's activities step by step for one sample (n_features,): (steps, n_exemplars)."""
        activity = to_numpy(self.decision_scores(np.asarray(to_numpy(x)).reshape(1, -1)))[0]
        epsilon = self.epsilon or 0.5 / len(activity)
        return maxnet(activity, epsilon, self.max_steps)
