"""Adaptive resonance: categories that are added when no known one fits well enough."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import parameters
from crosstrain.classic.arrays import Array, in_double_precision, like, onto, read, to_numpy

NOVEL = -1
"""The label of a sample that resonates with no category."""


class ART1(ClusterMixin, BaseEstimator):
    """Adaptive resonance for binary patterns, with fast learning.

    G. A. Carpenter and S. Grossberg (1987), *A massively parallel architecture for a self-organizing neural
    pattern recognition machine*.

    Parameters
    ----------
    vigilance : float
        ρ: the part of a pattern's ones that a category must share, 0 to 1; higher gives more categories.
    choice : float
        L − 1 of the bottom-up weights L T / (L − 1 + |T|); small prefers small templates inside the pattern.
    binarize : float or None
        Features above it count as 1. None: the data must be 0 and 1 already.
    max_categories : int or None
        No more are added; samples that fit none then have the label −1.
    max_iter : int
        Passes over the data at most; training ends when a pass changes nothing.

    Attributes
    ----------
    templates_ : array of shape (n_categories, n_features)
        0 and 1: the top-down weights.
    labels_ : array of shape (n_samples,)
    n_iter_ : int
    n_features_in_ : int

    Notes
    -----
    The search (reset the best choice while it fails the vigilance test) ends at the best choice among
    those that pass; that one is computed at once. A pattern without ones shares nothing with any category;
    such patterns have a category of their own, whose template they would otherwise empty.

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import ART1
    >>> X = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1]])
    >>> ART1(vigilance=0.6, binarize=None).fit(X).labels_.tolist()
    [0, 0, 1]
    """

    def __init__(
        self,
        vigilance: float = 0.7,
        *,
        choice: float = 1.0,
        binarize: float | None = 0.0,
        max_categories: int | None = None,
        max_iter: int = 100,
    ) -> None:
        self.vigilance = vigilance
        self.choice = choice
        self.binarize = binarize
        self.max_categories = max_categories
        self.max_iter = max_iter

    @in_double_precision
    def fit(self, X: Array, y: Any = None) -> Self:
        """Trains on ``X`` (n_samples, n_features); ``y`` is ignored."""
        _check_resonance(self)
        _, X = read(self, X, reset=True)
        patterns = self._binary(to_numpy(X))
        templates = _Rows(patterns.shape[1])
        for number in range(1, self.max_iter + 1):
            self.n_iter_ = number
            if not self._one_pass(patterns, templates):
                break
        self.templates_ = like(templates.used().copy(), X)
        self.labels_ = like(self._resonant(patterns, templates.used()), X)
        return self

    def _binary(self, data: np.ndarray) -> np.ndarray:
        if self.binarize is not None:
            return (data > self.binarize).astype(np.float64)
        if not np.isin(data, (0, 1)).all():
            raise ValueError("ART1: the patterns must be 0 and 1; binarize=0.5 makes them so")
        return data

    def _one_pass(self, patterns: np.ndarray, templates: _Rows) -> bool:
        """Whether a template changed or was added."""
        changed = False
        for pattern in patterns:
            known = templates.used()
            category = int(self._resonant(pattern[None], known)[0])
            if category != NOVEL:
                shared = known[category] * pattern
                changed = changed or bool((shared != known[category]).any())
                known[category] = shared
            elif self.max_categories is None or len(known) < self.max_categories:
                templates.add(pattern)
                changed = True
        return changed

    def _resonant(self, patterns: np.ndarray, templates: np.ndarray) -> np.ndarray:
        """For each pattern the category that it resonates with, or −1."""
        if not len(templates):
            return np.full(len(patterns), NOVEL)
        shared = patterns @ templates.T
        ones, sizes = patterns.sum(axis=1, keepdims=True), templates.sum(axis=1)
        fits = (
            (shared >= self.vigilance * ones - 1e-12)
            & ((ones > 0) == (shared > 0))
            & ((ones > 0) | (sizes == 0))
        )
        preference = np.where(fits, (1 + self.choice) * shared / (self.choice + sizes), -1.0)
        best = preference.argmax(axis=1)
        return np.where(fits.any(axis=1), best, NOVEL)

    @in_double_precision
    def predict(self, X: Array) -> Array:
        """The category of each sample, (n_samples,); −1 where it resonates with none."""
        check_is_fitted(self)
        _, X = read(self, X, reset=False)
        return like(self._resonant(self._binary(to_numpy(X)), to_numpy(self.templates_)), X)


class FuzzyART(ClusterMixin, BaseEstimator):
    """Adaptive resonance for numbers: categories are boxes that grow over their samples.

    G. A. Carpenter, S. Grossberg and D. B. Rosen (1991), *Fuzzy ART: fast stable learning and categorization
    of analog patterns by an adaptive resonance system*.

    Parameters
    ----------
    vigilance : float
        ρ: 1 less the largest size of a box, as a part of the whole, 0 to 1.
    choice : float
        α: small prefers the smallest box that holds the sample.
    learning_rate : float
        β: 1 is fast learning, where a box grows at once so far that it holds the sample.
    max_categories : int or None
        No more are added; samples that fit none then have the label −1.
    max_iter : int
        Passes over the data at most; training ends when a pass changes nothing.

    Attributes
    ----------
    weights_ : array of shape (n_categories, 2 * n_features)
        (low, 1 − high) of each box, in scaled features.
    low_, high_ : array of shape (n_features,)
        The training data's range, which is scaled to 0 … 1; what lies outside is clipped.
    labels_ : array of shape (n_samples,)
    n_iter_ : int
    n_features_in_ : int

    Notes
    -----
    Inputs are complement coded, (x, 1 − x).

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import FuzzyART
    >>> X = np.array([[0.0, 0.1], [0.1, 0.0], [0.9, 1.0], [1.0, 0.9]])
    >>> FuzzyART(vigilance=0.8).fit(X).labels_.tolist()
    [0, 0, 1, 1]
    """

    def __init__(
        self,
        vigilance: float = 0.75,
        *,
        choice: float = 1e-3,
        learning_rate: float = 1.0,
        max_categories: int | None = None,
        max_iter: int = 100,
    ) -> None:
        self.vigilance = vigilance
        self.choice = choice
        self.learning_rate = learning_rate
        self.max_categories = max_categories
        self.max_iter = max_iter

    @in_double_precision
    def fit(self, X: Array, y: Any = None) -> Self:
        """Trains on ``X`` (n_samples, n_features); ``y`` is ignored."""
        _check_resonance(self)
        parameters.within(self, "learning_rate", low=0, high=1, open_low=True)
        _, X = read(self, X, reset=True)
        data = to_numpy(X)
        self.low_, self.high_ = like(data.min(axis=0), X), like(data.max(axis=0), X)
        coded = self._coded(data)
        weights = _Rows(coded.shape[1])
        for number in range(1, self.max_iter + 1):
            self.n_iter_ = number
            if not self._one_pass(coded, weights):
                break
        self.weights_ = like(weights.used().copy(), X)
        self.labels_ = like(self._resonant(coded, weights.used()), X)
        return self

    def _coded(self, data: np.ndarray) -> np.ndarray:
        low, high = to_numpy(self.low_), to_numpy(self.high_)
        span = np.where(high > low, high - low, 1.0)
        scaled = np.clip((data - low) / span, 0.0, 1.0)
        return np.concatenate([scaled, 1 - scaled], axis=1)

    def _one_pass(self, coded: np.ndarray, weights: _Rows) -> bool:
        changed = False
        for pattern in coded:
            known = weights.used()
            category = int(self._resonant(pattern[None], known)[0])
            if category != NOVEL:
                step = self.learning_rate * (np.minimum(pattern, known[category]) - known[category])
                changed = changed or bool((np.abs(step) > 1e-9).any())
                known[category] += step
            elif self.max_categories is None or len(known) < self.max_categories:
                weights.add(pattern)
                changed = True
        return changed

    def _resonant(self, coded: np.ndarray, weights: np.ndarray) -> np.ndarray:
        if not len(weights):
            return np.full(len(coded), NOVEL)
        sizes = weights.sum(axis=1)
        chosen = np.empty(len(coded), dtype=np.int64)
        enough = self.vigilance * coded.shape[1] / 2 - 1e-12  # |(x, 1 − x)| is the number of features
        for index, pattern in enumerate(coded):
            shared = np.minimum(pattern, weights).sum(axis=1)
            preference = np.where(shared >= enough, shared / (self.choice + sizes), -1.0)
            best = int(preference.argmax())
            chosen[index] = best if preference[best] >= 0 else NOVEL
        return chosen

    @in_double_precision
    def predict(self, X: Array) -> Array:
        """The category of each sample, (n_samples,); −1 where it resonates with none."""
        check_is_fitted(self)
        _, X = read(self, X, reset=False)
        return like(self._resonant(self._coded(to_numpy(X)), to_numpy(onto(self.weights_, X))), X)


def _check_resonance(estimator: ART1 | FuzzyART) -> None:
    """Checks the parameters that both have."""
    parameters.whole(estimator, "max_iter")
    parameters.within(estimator, "vigilance", low=0, high=1)
    parameters.within(estimator, "choice", low=0, high=np.inf, open_low=True)
    if estimator.max_categories is not None:
        parameters.whole(estimator, "max_categories")


class _Rows:
    """Rows that are added one by one, in a matrix that doubles when it is full."""

    def __init__(self, columns: int) -> None:
        self._matrix = np.empty((8, columns))
        self._rows = 0

    def used(self) -> np.ndarray:
        """The rows so far; writing to it changes them."""
        return self._matrix[: self._rows]

    def add(self, row: np.ndarray) -> None:
        if self._rows == len(self._matrix):
            self._matrix = np.concatenate([self._matrix, np.empty_like(self._matrix)])
        self._matrix[self._rows] = row
        self._rows += 1
