"""The competitive layer: of its units only the nearest learns."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import parameters
from crosstrain.classic.arrays import Array, in_double_precision, like, onto, read, to_numpy
from crosstrain.classic.distances import distances, nearest

CONSCIENCES = ("none", "bias", "frequency")
STEPS = ("constant", "distance")


class WinnerTakesAll(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """Competitive learning: for each sample the nearest unit wins and moves towards it.

    T. Kohonen (1984), *Self-Organization and Associative Memory*; the conscience is from D. DeSieno
    (1988), *Adding a conscience to competitive learning*.

    Parameters
    ----------
    n_units : int
        The number of units, that is of clusters.
    learning_rate : float
        Of the way to the sample, the part that the winner goes.
    max_iter : int
        Passes over the data.
    conscience : {"none", "bias", "frequency"}
        Keeps units from never winning. ``"bias"``: DeSieno's; a unit that wins more often than 1/n_units
        is handicapped. ``"frequency"``: the distance times one plus the unit's wins in this pass.
    step : {"constant", "distance"}
        ``"distance"`` multiplies the step by the winner's distance, as NeuroLab does.
    bias_strength, bias_rate : float
        DeSieno's C and B, for ``conscience="bias"``.
    init : None or array of shape (n_units, n_features)
        The first weights; None takes samples at random.
    shuffle : bool
        Whether each pass goes through the data in another order.
    tol : float
        Training ends when the mean distance to the winner changes by less than this part in a pass; 0
        makes all passes.
    random_state : int, RandomState or None

    Attributes
    ----------
    weights_ : array of shape (n_units, n_features)
    labels_ : array of shape (n_samples,)
        The winner for each training sample.
    wins_ : ndarray of shape (n_units,)
        How often each unit won in the last pass.
    frequencies_ : ndarray of shape (n_units,)
        The conscience's running share of each unit's wins.
    loss_curve_ : list of float
        The mean distance to the winner after each pass.
    n_iter_ : int
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import WinnerTakesAll
    >>> X = np.array([[0.0, 0.1], [0.1, 0.0], [0.9, 1.0], [1.0, 0.9]])
    >>> net = WinnerTakesAll(2, conscience="bias", random_state=0).fit(X)
    >>> bool(net.labels_[0] == net.labels_[1] != net.labels_[2])
    True
    """

    def __init__(
        self,
        n_units: int = 8,
        *,
        learning_rate: float = 0.05,
        max_iter: int = 50,
        conscience: str = "none",
        step: str = "constant",
        bias_strength: float = 10.0,
        bias_rate: float = 0.0001,
        init: Array | None = None,
        shuffle: bool = True,
        tol: float = 0.0,
        random_state: Any = None,
    ) -> None:
        self.n_units = n_units
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.conscience = conscience
        self.step = step
        self.bias_strength = bias_strength
        self.bias_rate = bias_rate
        self.init = init
        self.shuffle = shuffle
        self.tol = tol
        self.random_state = random_state

    @property
    def _n_features_out(self) -> int:
        return len(self.weights_)

    def _check(self) -> None:
        parameters.whole(self, "n_units", "max_iter")
        parameters.one_of(self, "conscience", CONSCIENCES)
        parameters.one_of(self, "step", STEPS)
        parameters.within(self, "learning_rate", low=0, high=1, open_low=True)
        parameters.within(self, "bias_strength", "tol", low=0, high=np.inf)
        parameters.within(self, "bias_rate", low=0, high=1)

    @in_double_precision
    def fit(self, X: Array, y: Any = None) -> Self:
        """Trains on ``X`` (n_samples, n_features); ``y`` is ignored."""
        self._check()
        _, X = read(self, X, reset=True)
        data = np.ascontiguousarray(to_numpy(X))
        random = check_random_state(self.random_state)
        weights = first_weights(self, data, random)
        frequencies = np.full(len(weights), 1 / len(weights))
        self.loss_curve_: list[float] = []
        for number in range(1, self.max_iter + 1):
            self.n_iter_ = number
            shown = data[random.permutation(len(data))] if self.shuffle else data
            wins = self._one_pass(weights, frequencies, shown)
            labels, distance = nearest(np, data, weights)
            self.loss_curve_.append(float(distance.mean()))
            if self.tol and self._settled():
                break
        self.frequencies_, self.wins_ = frequencies, wins
        self.weights_, self.labels_ = like(weights, X), like(labels, X)
        return self

    @in_double_precision
    def partial_fit(self, X: Array, y: Any = None) -> Self:
        """One pass over ``X``, in its order."""
        self._check()
        first = not hasattr(self, "weights_")
        _, X = read(self, X, reset=first)
        data = np.ascontiguousarray(to_numpy(X))
        if first:
            weights = first_weights(self, data, check_random_state(self.random_state))
            self.frequencies_ = np.full(len(weights), 1 / len(weights))
            self.loss_curve_, self.n_iter_ = [], 0
        else:
            weights = np.array(to_numpy(self.weights_))
        self.wins_ = self._one_pass(weights, self.frequencies_, data)
        self.n_iter_ += 1
        labels, distance = nearest(np, data, weights)
        self.loss_curve_.append(float(distance.mean()))
        self.weights_, self.labels_ = like(weights, X), like(labels, X)
        return self

    def _settled(self) -> bool:
        if len(self.loss_curve_) < 2:
            return False
        before, now = self.loss_curve_[-2:]
        return abs(before - now) <= self.tol * before

    def _one_pass(self, weights: np.ndarray, frequencies: np.ndarray, data: np.ndarray) -> np.ndarray:
        """Moves ``weights`` and ``frequencies``; returns the wins."""
        if self.conscience == "bias":
            return _with_bias(self, weights, frequencies, data)
        return _by_distance(self, weights, data)

    @in_double_precision
    def predict(self, X: Array) -> Array:
        """The index of the winner for each sample, (n_samples,)."""
        check_is_fitted(self)
        xp, X = read(self, X, reset=False)
        return nearest(xp, X, onto(self.weights_, X))[0]

    @in_double_precision
    def transform(self, X: Array) -> Array:
        """The distances to all units, (n_samples, n_units)."""
        check_is_fitted(self)
        xp, X = read(self, X, reset=False)
        return distances(xp, X, onto(self.weights_, X))


def first_weights(estimator: Any, data: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """``estimator.init`` as float64, or ``n_units`` samples; different ones while there are enough.

    :raises ValueError: ``init`` is not (n_units, n_features).
    """
    if estimator.init is None:
        chosen = random.choice(len(data), estimator.n_units, replace=len(data) < estimator.n_units)
        return np.asarray(data[chosen])
    weights = np.array(to_numpy(estimator.init), dtype=np.float64)
    wanted = (estimator.n_units, data.shape[1])
    if weights.shape != wanted:
        name = type(estimator).__name__
        raise ValueError(f"{name}: init must have the shape {wanted}, not {weights.shape}")
    return weights


def _by_distance(net: WinnerTakesAll, weights: np.ndarray, data: np.ndarray) -> np.ndarray:
    """A pass without bias: each sample costs a handful of calls on arrays that exist already."""
    rate, wins = net.learning_rate, np.zeros(len(weights), dtype=np.int64)
    counted, scaled = net.conscience == "frequency", net.step == "distance"
    difference = np.empty_like(weights)
    squares, score = np.empty_like(weights), np.empty(len(weights))
    ones = np.ones(weights.shape[1])
    handicap = np.ones(len(weights))  # squared, as the distances are
    rows, gaps = list(weights), list(difference)
    subtract, multiply, dot, argmin = np.subtract, np.multiply, np.dot, score.argmin
    for x in data:
        subtract(x, weights, difference)
        multiply(difference, difference, squares)
        dot(squares, ones, score)
        if counted:
            multiply(score, handicap, score)
        winner = argmin()
        gap = gaps[winner]
        gap *= rate * float(dot(gap, gap)) ** 0.5 if scaled else rate
        rows[winner] += gap
        wins[winner] += 1
        if counted:
            handicap[winner] = (1.0 + wins[winner]) ** 2
    return wins


def _with_bias(
    net: WinnerTakesAll, weights: np.ndarray, frequencies: np.ndarray, data: np.ndarray
) -> np.ndarray:
    """A pass with DeSieno's conscience: squared distance less C (1/n − how often the unit won)."""
    rate, share = net.learning_rate, 1 / len(weights)
    wins = np.zeros(len(weights), dtype=np.int64)
    for x in data:
        difference = x - weights
        squared = np.einsum("ij,ij->i", difference, difference)
        winner = int(np.argmin(squared - net.bias_strength * (share - frequencies)))
        frequencies *= 1 - net.bias_rate
        frequencies[winner] += net.bias_rate
        by = rate * float(squared[winner]) ** 0.5 if net.step == "distance" else rate
        weights[winner] += by * difference[winner]
        wins[winner] += 1
    return wins
