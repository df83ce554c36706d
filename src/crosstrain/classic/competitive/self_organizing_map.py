"""Kohonen's self-organising map."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import array_api_compat
import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import parameters
from crosstrain.classic.arrays import Array, in_double_precision, like, onto, read, to_numpy
from crosstrain.classic.competitive.lattice import TOPOLOGIES, Lattice
from crosstrain.classic.competitive.online_map import online
from crosstrain.classic.distances import blocks, distances, nearest, squared_distances

DECAYS: dict[str, Callable[[float, float, np.ndarray], np.ndarray]] = {
    "asymptotic": lambda first, last, part: first / (1 + 2 * part),
    "exponential": lambda first, last, part: first * (last / first) ** part,
    "linear": lambda first, last, part: first + (last - first) * part,
}
"""From the first value, the last one, and the part of the training that is over."""
INITS = ("plane", "samples")
SOME = 1e-12
"""A unit with less weight of samples around it than this stays where it is in a batch step."""


class SelfOrganizingMap(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A lattice of units that unfolds over the data: near units learn alike, so near data win near units.

    T. Kohonen (1982), *Self-organized formation of topologically correct feature maps*; the batch rule is
    from T. Kohonen (2013), *Essentials of the self-organizing map*.

    Parameters
    ----------
    rows, columns : int
        The lattice's size; unit k sits in row k // columns.
    topology : {"rectangular", "hexagonal"}
    toroidal : bool
        Whether opposite edges touch.
    training : {"online", "batch"}
        ``"online"``: after each sample all units learn; ``"batch"``: after each pass, and in the library
        that the data come from.
    neighbourhood : {"gaussian", "bubble"}
    learning_rate, final_learning_rate : float
        Of the online rule, at the start and at the end.
    radius, final_radius : float
        The neighbourhood's (a Gaussian's deviation), in units. ``radius=None`` is a third of the longer side.
    decay : {"exponential", "linear", "asymptotic"}
        How rate and radius go from start to end; ``"asymptotic"`` goes to a third of the start, whatever
        the end is.
    init : {"plane", "samples"} or array of shape (rows * columns, n_features)
        ``"plane"`` spreads the units over the first two principal components.
    max_iter : int
        Passes over the data.
    shuffle : bool
        Whether each pass of the online rule goes through the data in another order.
    random_state : int, RandomState or None

    Attributes
    ----------
    weights_ : array of shape (rows * columns, n_features)
    labels_ : array of shape (n_samples,)
        The best unit for each training sample.
    lattice_ : Lattice
    n_iter_ : int
    n_features_in_ : int

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from crosstrain.classic import SelfOrganizingMap
    >>> X = load_iris().data
    >>> som = SelfOrganizingMap(6, 6, topology="hexagonal", random_state=0).fit(X)
    >>> som.u_matrix().shape, int(som.hits(X).sum())
    ((6, 6), 150)
    >>> som.quantisation_error(X) < 0.5
    True
    """

    def __init__(
        self,
        rows: int = 10,
        columns: int = 10,
        *,
        topology: str = "rectangular",
        toroidal: bool = False,
        training: str = "online",
        neighbourhood: str = "gaussian",
        learning_rate: float = 0.5,
        final_learning_rate: float = 0.01,
        radius: float | None = None,
        final_radius: float = 0.5,
        decay: str = "exponential",
        init: str | Array = "plane",
        max_iter: int = 20,
        shuffle: bool = True,
        random_state: Any = None,
    ) -> None:
        self.rows = rows
        self.columns = columns
        self.topology = topology
        self.toroidal = toroidal
        self.training = training
        self.neighbourhood = neighbourhood
        self.learning_rate = learning_rate
        self.final_learning_rate = final_learning_rate
        self.radius = radius
        self.final_radius = final_radius
        self.decay = decay
        self.init = init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state

    @property
    def _n_features_out(self) -> int:
        return len(self.weights_)

    def _check(self) -> None:
        parameters.whole(self, "rows", "columns", "max_iter")
        parameters.one_of(self, "topology", TOPOLOGIES)
        parameters.one_of(self, "training", ("online", "batch"))
        parameters.one_of(self, "neighbourhood", ("gaussian", "bubble"))
        parameters.one_of(self, "decay", DECAYS)
        parameters.within(self, "learning_rate", "final_learning_rate", low=0, high=1, open_low=True)
        parameters.within(self, "final_radius", low=0, high=np.inf, open_low=True)
        if self.radius is not None:
            parameters.within(self, "radius", low=0, high=np.inf, open_low=True)
        if isinstance(self.init, str):
            parameters.one_of(self, "init", INITS)

    # -- training -----------------------------------------------------------------------------------
    @in_double_precision
    def fit(self, X: Array, y: Any = None) -> Self:
        """Trains on ``X`` (n_samples, n_features); ``y`` is ignored."""
        xp, X, weights, random = self._start(X)
        if self.training == "batch":
            self.weights_ = self._batch(xp, X, onto(weights, X))
        else:
            data = np.ascontiguousarray(to_numpy(X))
            for number in range(self.max_iter):
                shown = data[random.permutation(len(data))] if self.shuffle else data
                self._one_pass(weights, shown, number)
            self.weights_ = like(weights, X)
        self.n_iter_ = self.max_iter
        self.labels_ = nearest(xp, X, self.weights_)[0]
        return self

    @in_double_precision
    def partial_fit(self, X: Array, y: Any = None) -> Self:
        """One pass of the online rule over ``X``, in its order, where the schedule stands; after
        ``max_iter`` passes at the final rate and radius."""
        if not hasattr(self, "weights_"):
            xp, X, weights, _ = self._start(X)
            self.n_iter_ = 0
        else:
            self._check()
            xp, X = read(self, X, reset=False)
            weights = np.array(to_numpy(self.weights_))
        self._one_pass(weights, np.ascontiguousarray(to_numpy(X)), self.n_iter_)
        self.n_iter_ += 1
        self.weights_ = like(weights, X)
        self.labels_ = nearest(xp, X, self.weights_)[0]
        return self

    def _start(self, X: Array) -> tuple[Any, Array, np.ndarray, np.random.RandomState]:
        self._check()
        xp, X = read(self, X, reset=True)
        random = check_random_state(self.random_state)
        self.lattice_ = Lattice(self.rows, self.columns, self.topology, bool(self.toroidal))
        return xp, X, self._first_weights(to_numpy(X), random), random

    def _first_weights(self, data: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        units = self.rows * self.columns
        if not isinstance(self.init, str):
            weights = np.array(to_numpy(self.init), dtype=np.float64)
            if weights.shape != (units, data.shape[1]):
                raise ValueError(
                    f"SelfOrganizingMap: init must have the shape {(units, data.shape[1])}, "
                    f"not {weights.shape}"
                )
            return weights
        if self.init == "samples":
            return data[random.choice(len(data), units, replace=len(data) < units)]
        return _plane(data, self.lattice_.positions)

    def _schedule(self, first: float, last: float, part: np.ndarray) -> np.ndarray:
        return DECAYS[self.decay](first, last, part)

    def _radii(self, part: np.ndarray) -> np.ndarray:
        first = self.radius or max(self.rows, self.columns) / 3
        return self._schedule(first, min(first, self.final_radius), part)

    def _one_pass(self, weights: np.ndarray, data: np.ndarray, number: int) -> None:
        part = np.minimum(1.0, (number + np.arange(len(data)) / len(data)) / self.max_iter)
        rates = self._schedule(self.learning_rate, self.final_learning_rate, part)
        online(weights, data, self.lattice_, rates, self._radii(part), self.neighbourhood == "bubble")

    def _batch(self, xp: Any, X: Array, weights: Array) -> Array:
        """Each unit becomes the mean of the samples, weighed by the neighbourhood of their winners."""
        lattice = onto(self.lattice_.squared_distances, X)
        for radius in self._radii(np.arange(self.max_iter) / self.max_iter).tolist():
            if self.neighbourhood == "bubble":
                near = xp.astype(lattice <= radius * radius, xp.float64)
            else:
                near = xp.exp(lattice * (-0.5 / (radius * radius)))
            counts, sums = _sums(xp, X, weights)
            share = (near @ counts)[:, None]
            some = share > SOME
            moved = (near @ sums) / xp.where(some, share, xp.ones_like(share))
            weights = xp.where(some, moved, weights)
        return weights

    # -- what it answers ----------------------------------------------------------------------------
    @in_double_precision
    def predict(self, X: Array) -> Array:
        """The index of the best unit for each sample, (n_samples,)."""
        return self._nearest(X)[0]

    @in_double_precision
    def transform(self, X: Array) -> Array:
        """The distances to all units, (n_samples, rows * columns)."""
        check_is_fitted(self)
        xp, X = read(self, X, reset=False)
        return distances(xp, X, onto(self.weights_, X))

    def _nearest(self, X: Array) -> tuple[Array, Array]:
        check_is_fitted(self)
        xp, X = read(self, X, reset=False)
        return nearest(xp, X, onto(self.weights_, X))

    @in_double_precision
    def quantisation_error(self, X: Array) -> float:
        """The mean distance of the samples to their best units."""
        distance = self._nearest(X)[1]
        return float(sum(to_numpy(distance)) / distance.shape[0])

    @in_double_precision
    def topographic_error(self, X: Array) -> float:
        """The part of the samples whose best and second best units do not touch (Kiviluoto 1996)."""
        check_is_fitted(self)
        _, X = read(self, X, reset=False)
        data, weights = to_numpy(X), to_numpy(self.weights_)
        if len(weights) < 2:
            return 0.0
        apart = 0
        for part in blocks(len(data), len(weights)):
            best = np.argpartition(squared_distances(np, data[part], weights), 1, axis=1)[:, :2]
            apart += int((~self.lattice_.neighbours[best[:, 0], best[:, 1]]).sum())
        return apart / len(data)

    def score(self, X: Array, y: Any = None) -> float:
        """Minus the quantisation error: higher is better, as grid search expects."""
        return -float(self.quantisation_error(X))

    # -- maps ---------------------------------------------------------------------------------------
    def u_matrix(self) -> np.ndarray:
        """Each unit's mean distance to the weights of its lattice neighbours, (rows, columns): ridges part
        clusters (Ultsch and Siemon 1990)."""
        check_is_fitted(self)
        weights = to_numpy(self.weights_)
        near = self.lattice_.neighbours
        apart = np.sqrt(squared_distances(np, weights, weights)) * near
        mean = apart.sum(axis=1) / np.maximum(near.sum(axis=1), 1)
        return np.asarray(mean).reshape(self.rows, self.columns)

    def hits(self, X: Array) -> np.ndarray:
        """How many samples each unit wins, (rows, columns) of int64."""
        winners = to_numpy(self.predict(X))
        return np.bincount(winners, minlength=self.rows * self.columns).reshape(self.rows, self.columns)

    def component_planes(self) -> np.ndarray:
        """The weights of each feature on the lattice, (n_features, rows, columns)."""
        check_is_fitted(self)
        return to_numpy(self.weights_).T.reshape(-1, self.rows, self.columns)


def _sums(xp: Any, X: Array, weights: Array) -> tuple[Array, Array]:
    """For each unit the number of samples that it wins, (units,), and their sum, (units, features)."""
    units = xp.arange(weights.shape[0], device=array_api_compat.device(X))
    counts, sums = xp.zeros_like(weights[:, 0]), xp.zeros_like(weights)
    for part in blocks(X.shape[0], weights.shape[0]):
        winners = xp.argmin(squared_distances(xp, X[part], weights), axis=1)
        won = xp.astype(winners[:, None] == units[None, :], xp.float64)
        counts = counts + xp.sum(won, axis=0)
        sums = sums + won.T @ X[part]
    return counts, sums


def _plane(data: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Units over two deviations of the data to each side, along the first two principal components."""
    mean = data.mean(axis=0)
    _, scale, axes = np.linalg.svd(data - mean, full_matrices=False)
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    reach = (scale[:2] / np.sqrt(len(data)))[:, None] * axes[:2]
    span = positions.max(axis=0)
    at = np.divide(positions, span, out=np.full_like(positions, 0.5), where=span > 0) * 4 - 2
    if span[1] > span[0]:  # the first component lies along the longer side
        at = at[:, ::-1]
    return np.asarray(mean + at[:, : len(reach)] @ reach)
