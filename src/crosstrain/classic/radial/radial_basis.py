"""Radial basis networks: a hidden layer of radial units, and output weights in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.cluster import KMeans
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import parameters
from crosstrain.classic.arrays import Array, in_double_precision, like, onto, read, to_numpy
from crosstrain.classic.distances import squared_distances
from crosstrain.classic.targets import labels_like, read_labels, read_targets

BASES: dict[str, Callable[[Any, Array], Array]] = {
    "gaussian": lambda xp, r2: xp.exp(-0.5 * r2),
    "multiquadric": lambda xp, r2: xp.sqrt(1 + r2),
    "inverse_multiquadric": lambda xp, r2: 1 / xp.sqrt(1 + r2),
}
"""From squared distances, measured in widths."""
CENTRES = ("kmeans", "samples", "data")
WIDTHS = ("spread", "nearest")
NEAREST = 2
"""The neighbours whose distance makes a unit's width (Moody and Darken)."""


class _RadialBasis(BaseEstimator):
    def __init__(
        self,
        n_centres: int = 20,
        *,
        centres: str | Array = "kmeans",
        width: str | float = "nearest",
        basis: str = "gaussian",
        alpha: float = 0.0,
        random_state: Any = None,
    ) -> None:
        self.n_centres = n_centres
        self.centres = centres
        self.width = width
        self.basis = basis
        self.alpha = alpha
        self.random_state = random_state

    def _check(self) -> None:
        parameters.whole(self, "n_centres")
        parameters.one_of(self, "basis", BASES)
        parameters.within(self, "alpha", low=0, high=np.inf)
        if isinstance(self.centres, str):
            parameters.one_of(self, "centres", CENTRES)
        if isinstance(self.width, str):
            parameters.one_of(self, "width", WIDTHS)
        else:
            parameters.within(self, "width", low=0, high=np.inf, open_low=True)

    def _learn(self, xp: Any, X: Array, Y: Array) -> None:
        """Places the centres, then solves for the output weights."""
        centres = self._place(to_numpy(X))
        self.centres_ = onto(centres, X)
        self.widths_ = onto(self._widths(centres), X)
        hidden = self._hidden(xp, X)
        hidden_mean, mean = xp.mean(hidden, axis=0, keepdims=True), xp.mean(Y, axis=0, keepdims=True)
        self.weights_ = _solve(xp, hidden - hidden_mean, Y - mean, float(self.alpha))
        self.intercept_ = (mean - hidden_mean @ self.weights_)[0]

    def _place(self, data: np.ndarray) -> np.ndarray:
        if not isinstance(self.centres, str):
            centres = np.array(to_numpy(self.centres), dtype=np.float64)
            if centres.ndim != 2 or centres.shape[1] != data.shape[1] or not len(centres):
                raise ValueError(
                    f"{type(self).__name__}: centres must have the shape (n_centres, {data.shape[1]}), "
                    f"not {centres.shape}"
                )
            return centres
        if self.centres == "data":
            return data
        random = check_random_state(self.random_state)
        number = min(self.n_centres, len(np.unique(data, axis=0)))
        if self.centres == "samples":
            return np.asarray(data[random.choice(len(data), number, replace=False)])
        found = KMeans(number, n_init=1, random_state=random).fit(data)
        return np.asarray(found.cluster_centers_, dtype=np.float64)

    def _widths(self, centres: np.ndarray) -> np.ndarray:
        if not isinstance(self.width, str):
            return np.full(len(centres), float(self.width))
        apart = np.sqrt(squared_distances(np, centres, centres))
        if self.width == "spread":
            widths = np.full(len(centres), apart.max() / np.sqrt(2 * len(centres)))
        else:
            near = min(NEAREST, len(centres) - 1)
            widths = np.sort(apart, axis=1)[:, 1 : near + 1].mean(axis=1) if near else np.zeros(1)
        return np.where(widths > 0, widths, 1.0)

    def _hidden(self, xp: Any, X: Array) -> Array:
        centres, widths = onto(self.centres_, X), onto(self.widths_, X)
        return BASES[self.basis](xp, squared_distances(xp, X, centres) / (widths * widths))

    def _output(self, xp: Any, X: Array) -> Array:
        return self._hidden(xp, X) @ onto(self.weights_, X) + onto(self.intercept_, X)

    @in_double_precision
    def hidden(self, X: Array) -> Array:
        """The radial units' outputs, (n_samples, n_centres)."""
        check_is_fitted(self)
        xp, X = read(self, X, reset=False)
        return self._hidden(xp, X)


def _solve(xp: Any, hidden: Array, Y: Array, alpha: float) -> Array:
    """The weights of the least squared error plus ``alpha`` |w|²; the shortest where ``alpha`` is 0."""
    if alpha == 0:
        return xp.linalg.pinv(hidden, rtol=max(hidden.shape) * float(np.finfo(np.float64).eps)) @ Y
    samples, units = hidden.shape
    if units <= samples:
        ridge = alpha * onto(np.eye(units), hidden)
        return xp.linalg.solve(hidden.T @ hidden + ridge, hidden.T @ Y)
    ridge = alpha * onto(np.eye(samples), hidden)
    return hidden.T @ xp.linalg.solve(hidden @ hidden.T + ridge, Y)


class RadialBasisNetworkRegressor(RegressorMixin, _RadialBasis):
    """Approximates a function by a weighted sum of radial units.

    D. S. Broomhead and D. Lowe (1988), *Multivariable functional interpolation and adaptive networks*; widths
    from J. Moody and C. Darken (1989), *Fast learning in networks of locally-tuned processing units*.

    Parameters
    ----------
    n_centres : int
        With k-means and samples; no more than there are different samples.
    centres : {"kmeans", "samples", "data"} or array of shape (n_centres, n_features)
        ``"samples"`` takes some at random, ``"data"`` all: exact interpolation.
    width : {"spread", "nearest"} or float
        ``"spread"``: d_max / √(2 n_centres) for all; ``"nearest"``: each unit's mean distance to its two
        nearest others.
    basis : {"gaussian", "multiquadric", "inverse_multiquadric"}
    alpha : float
        Regularisation of the output weights; 0 solves exactly.
    random_state : int, RandomState or None

    Attributes
    ----------
    centres_ : array of shape (n_centres, n_features)
    widths_ : array of shape (n_centres,)
    weights_ : array of shape (n_centres, n_outputs)
    intercept_ : array of shape (n_outputs,)
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import RadialBasisNetworkRegressor
    >>> X = np.linspace(-3, 3, 50)[:, None]
    >>> y = np.sin(X[:, 0])
    >>> RadialBasisNetworkRegressor(10, random_state=0).fit(X, y).score(X, y) > 0.999
    True
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @in_double_precision
    def fit(self, X: Array, y: Any) -> Self:
        """``X`` (n_samples, n_features); ``y`` (n_samples,) or (n_samples, n_outputs)."""
        self._check()
        xp, X = read(self, X, reset=True)
        Y, self._flat = read_targets(self, X, y)
        self._learn(xp, X, like(Y, X))
        return self

    @in_double_precision
    def predict(self, X: Array) -> Array:
        """(n_samples,) or (n_samples, n_outputs), as ``y`` was."""
        check_is_fitted(self)
        xp, X = read(self, X, reset=False)
        output = self._output(xp, X)
        return output[:, 0] if self._flat else output


class RadialBasisNetworkClassifier(ClassifierMixin, _RadialBasis):
    """A radial basis network with one output for each class; of two classes one output parts them.

    The parameters and attributes are those of :class:`RadialBasisNetworkRegressor`, and ``classes_``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from crosstrain.classic import RadialBasisNetworkClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> RadialBasisNetworkClassifier(20, random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    @in_double_precision
    def fit(self, X: Array, y: Any) -> Self:
        """``X`` (n_samples, n_features), labels ``y`` (n_samples,)."""
        self._check()
        xp, X = read(self, X, reset=True)
        self.classes_, classes = read_labels(self, X, y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of at least 2 classes; there is one class: "
                f"{self.classes_[0]!r}"
            )
        Y = 2.0 * np.eye(len(self.classes_))[classes] - 1.0
        self._learn(xp, X, like(Y[:, 1:] if len(self.classes_) == 2 else Y, X))
        return self

    @in_double_precision
    def decision_function(self, X: Array) -> Array:
        """(n_samples, n_classes), or (n_samples,) for two classes, positive for the second."""
        check_is_fitted(self)
        xp, X = read(self, X, reset=False)
        output = self._output(xp, X)
        return output[:, 0] if len(self.classes_) == 2 else output

    @in_double_precision
    def predict(self, X: Array) -> Array:
        """The labels, (n_samples,)."""
        scores = to_numpy(self.decision_function(X))
        chosen = (scores > 0).astype(np.int64) if scores.ndim == 1 else scores.argmax(axis=1)
        return labels_like(self.classes_, chosen, X)
