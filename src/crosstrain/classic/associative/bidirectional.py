"""The bidirectional associative memory: pairs of patterns, either of which recalls the other."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import arrays, parameters
from crosstrain.classic.associative.patterns import read_patterns, two_valued
from crosstrain.classic.targets import read_targets

RULES = ("hebb", "pseudo-inverse")


class BidirectionalAssociativeMemory(BaseEstimator):
    """Kosko's bidirectional associative memory: two layers of units -1 and 1 that recall each other.

    B. Kosko (1988): Bidirectional associative memories. ``fit`` stores pairs (x, y); ``predict`` lets the
    layers answer each other from x until nothing changes, and gives y.

    Parameters
    ----------
    rule : {"hebb", "pseudo-inverse"}, default="hebb"
        Kosko's sum of outer products xᵀy, or the least-squares map X⁺Y, which keeps pairs that resemble each
        other apart.
    binarize : float or None, default=None
        Values above it count as 1, others as -1, in X and y. None: both have to hold -1 and 1.
    max_passes : int, default=100
        The most passes to and fro.

    Attributes
    ----------
    weights_ : ndarray of shape (n_features_in_, n_outputs)
    n_features_in_ : int

    Notes
    -----
    A unit whose field is 0 keeps its state; in the first pass, where it has none, it is 1.

    Examples
    --------
    >>> from crosstrain.classic import BidirectionalAssociativeMemory
    >>> names, faces = [[1, 1, 1, -1, -1, -1], [1, -1, 1, -1, 1, -1]], [[1, 1, -1, -1], [1, -1, 1, -1]]
    >>> memory = BidirectionalAssociativeMemory().fit(names, faces)
    >>> memory.predict([[1, 1, 1, -1, -1, 1]]).astype(int)
    array([[ 1,  1, -1, -1]])
    """

    def __init__(self, rule: str = "hebb", binarize: float | None = None, max_passes: int = 100) -> None:
        self.rule = rule
        self.binarize = binarize
        self.max_passes = max_passes

    def fit(self, X: Any, y: Any) -> Self:
        """Store the pairs of rows of ``X`` (n_pairs, n_features) and ``y`` (n_pairs, n_outputs) or
        (n_pairs,)."""
        parameters.one_of(self, "rule", RULES)
        parameters.whole(self, "max_passes")
        x = read_patterns(self, X, reset=True, binarize=self.binarize)
        values, self._flat = read_targets(self, x, y)
        targets = two_valued(values, self.binarize, what="y")
        self.weights_ = x.T @ targets if self.rule == "hebb" else np.linalg.pinv(x) @ targets
        return self

    def predict(self, X: Any) -> Any:
        """The partners y of the rows of ``X``: (n_samples, n_outputs), or (n_samples,) where ``fit`` got
        such."""
        _, second = self._resonate(X)
        return arrays.like(second[:, 0] if self._flat else second, X)

    def recall(self, X: Any) -> tuple[Any, Any]:
        """Both layers once they have settled: x, cleared of damage, and y, with the shapes of ``X`` and
        (n_samples, n_outputs)."""
        first, second = self._resonate(X)
        return arrays.like(first, X), arrays.like(second, X)

    def energy(self, X: Any, y: Any) -> Any:
        """E = -xᵀWy of each pair of rows; shape (n_samples,). No pass raises it."""
        check_is_fitted(self)
        x = read_patterns(self, X, reset=False, binarize=self.binarize)
        values = np.asarray(arrays.to_numpy(y), dtype=float).reshape(len(x), -1)
        targets = two_valued(values, self.binarize, what="y")
        return arrays.like(-np.einsum("ij,ij->i", x @ self.weights_, targets), X)

    def _resonate(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        check_is_fitted(self)
        first = read_patterns(self, X, reset=False, binarize=self.binarize)
        second = np.ones((len(first), self.weights_.shape[1]))
        for _ in range(self.max_passes):
            second = _answer(first @ self.weights_, second)
            before, first = first, _answer(second @ self.weights_.T, first)
            if (first == before).all():
                break
        return first, second

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags


def _answer(field: np.ndarray, state: np.ndarray) -> np.ndarray:
    rounding = 1e-9  # fields are whole numbers, or those of a projection
    return np.where(np.abs(field) <= rounding, state, np.sign(field))
