"""Growing neural gas: units and edges that grow where the error is."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import parameters
from crosstrain.classic.arrays import Array, in_double_precision, like, onto, read, to_numpy
from crosstrain.classic.distances import distances, nearest


class GrowingNeuralGas(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """A graph that learns the data's topology: no lattice and no number of clusters is set beforehand.

    B. Fritzke (1995), *A growing neural gas network learns topologies*. The clusters are the graph's
    connected parts.

    Parameters
    ----------
    max_units : int
    insert_every : int
        λ: after so many samples a unit is added where the error is largest.
    winner_rate, neighbour_rate : float
        ε_b and ε_n: the way that the nearest unit and its neighbours go.
    max_age : int
        Edges older than this go, and units without edges.
    split_factor : float
        α: what is left of the errors of the two units between which one is added.
    error_decay : float
        d: what is left of all errors after each sample.
    max_iter : int
        Passes over the data.
    shuffle : bool
    random_state : int, RandomState or None

    Attributes
    ----------
    weights_ : array of shape (n_units, n_features)
    edges_ : ndarray of shape (n_edges, 2)
        Pairs of units.
    unit_labels_ : ndarray of shape (n_units,)
        The connected part of each unit.
    labels_ : array of shape (n_samples,)
        The connected part of each training sample's nearest unit.
    n_iter_ : int
    n_features_in_ : int

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from crosstrain.classic import GrowingNeuralGas
    >>> X, _ = make_blobs(300, centers=[[0, 0], [9, 9]], random_state=0)
    >>> gas = GrowingNeuralGas(20, random_state=0).fit(X)
    >>> int(gas.unit_labels_.max()) + 1
    2
    """

    def __init__(
        self,
        max_units: int = 50,
        *,
        insert_every: int = 100,
        winner_rate: float = 0.05,
        neighbour_rate: float = 0.006,
        max_age: int = 50,
        split_factor: float = 0.5,
        error_decay: float = 0.995,
        max_iter: int = 20,
        shuffle: bool = True,
        random_state: Any = None,
    ) -> None:
        self.max_units = max_units
        self.insert_every = insert_every
        self.winner_rate = winner_rate
        self.neighbour_rate = neighbour_rate
        self.max_age = max_age
        self.split_factor = split_factor
        self.error_decay = error_decay
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state

    @property
    def _n_features_out(self) -> int:
        return len(self.weights_)

    @in_double_precision
    def fit(self, X: Array, y: Any = None) -> Self:
        """Trains on ``X`` (n_samples, n_features); ``y`` is ignored."""
        parameters.whole(self, "max_units", least=2)
        parameters.whole(self, "insert_every", "max_age", "max_iter")
        parameters.within(self, "winner_rate", "neighbour_rate", "split_factor", low=0, high=1)
        parameters.within(self, "error_decay", low=0, high=1, open_low=True)
        xp, X = read(self, X, reset=True, ensure_min_samples=2)
        data, random = np.ascontiguousarray(to_numpy(X)), check_random_state(self.random_state)
        gas = _Gas(self, data[random.choice(len(data), 2, replace=False)])
        for number in range(1, self.max_iter + 1):
            self.n_iter_ = number
            for x in data[random.permutation(len(data))] if self.shuffle else data:
                gas.learn(x)
        used = np.flatnonzero(gas.used)
        first, second = np.nonzero(np.triu(gas.ages[np.ix_(used, used)] >= 0, 1))
        self.edges_ = np.stack([first, second], axis=1)
        graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(used), len(used)))
        self.unit_labels_ = connected_components(graph, directed=False)[1].astype(np.int64)
        self.weights_ = like(gas.weights[used], X)
        self.labels_ = self._parts(nearest(xp, X, self.weights_)[0], X)
        return self

    def _parts(self, units: Array, X: Array) -> Array:
        return like(self.unit_labels_[to_numpy(units)], X)

    @in_double_precision
    def predict(self, X: Array) -> Array:
        """The connected part of each sample's nearest unit, (n_samples,)."""
        check_is_fitted(self)
        xp, X = read(self, X, reset=False)
        return self._parts(nearest(xp, X, onto(self.weights_, X))[0], X)

    @in_double_precision
    def transform(self, X: Array) -> Array:
        """The distances to all units, (n_samples, n_units)."""
        check_is_fitted(self)
        xp, X = read(self, X, reset=False)
        return distances(xp, X, onto(self.weights_, X))


class _Gas:
    """The growing graph: places for ``max_units`` units, of which some are in use."""

    def __init__(self, net: GrowingNeuralGas, first: np.ndarray) -> None:
        self.net = net
        places = net.max_units
        self.weights = np.zeros((places, first.shape[1]))
        self.weights[:2] = first
        self.norms = np.full(places, np.inf)  # |w|²; an unused place is never near
        self.norms[:2] = np.einsum("ij,ij->i", first, first)
        self.errors = np.zeros(places)
        self.used = np.zeros(places, dtype=bool)
        self.used[:2] = True
        self.ages = np.full((places, places), -1)
        """The age of each edge, −1 where there is none; both triangles alike."""
        self.seen = 0

    def learn(self, x: np.ndarray) -> None:
        """Fritzke's steps 2 to 9 for one sample."""
        net, weights, ages = self.net, self.weights, self.ages
        score = self.norms - 2.0 * (weights @ x)
        first = int(score.argmin())
        score[first] = np.inf
        second = int(score.argmin())
        difference = x - weights[first]
        self.errors[first] += difference @ difference
        weights[first] += net.winner_rate * difference
        neighbours = np.flatnonzero(ages[first] >= 0)
        weights[neighbours] += net.neighbour_rate * (x - weights[neighbours])
        ages[first, neighbours] += 1
        ages[neighbours, first] += 1
        ages[first, second] = ages[second, first] = 0
        moved = np.append(neighbours, first)
        self.norms[moved] = np.einsum("ij,ij->i", weights[moved], weights[moved])
        if (ages[first, neighbours] > net.max_age).any():
            self._prune(first)
        self.seen += 1
        if self.seen % net.insert_every == 0 and not self.used.all():
            self._insert()
        self.errors *= net.error_decay

    def _prune(self, unit: int) -> None:
        old = np.flatnonzero(self.ages[unit] > self.net.max_age)
        self.ages[unit, old] = self.ages[old, unit] = -1
        lonely = old[(self.ages[old] < 0).all(axis=1)]
        self.used[lonely], self.norms[lonely], self.errors[lonely] = False, np.inf, 0.0

    def _insert(self) -> None:
        worst = int(self.errors.argmax())
        neighbours = np.flatnonzero(self.ages[worst] >= 0)
        if not len(neighbours):
            return
        other = int(neighbours[self.errors[neighbours].argmax()])
        unit = int(np.flatnonzero(~self.used)[0])
        self.used[unit] = True
        self.weights[unit] = (self.weights[worst] + self.weights[other]) / 2
        self.norms[unit] = self.weights[unit] @ self.weights[unit]
        self.ages[worst, other] = self.ages[other, worst] = -1
        for end in (worst, other):
            self.ages[end, unit] = self.ages[unit, end] = 0
            self.errors[end] *= self.net.split_factor
        self.errors[unit] = self.errors[worst]
