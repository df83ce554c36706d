"""Counter-propagation: a competitive layer whose winners recall what they learnt."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import parameters
from crosstrain.classic.arrays import Array, in_double_precision, like, onto, read, to_numpy
from crosstrain.classic.competitive.stars import approach
from crosstrain.classic.competitive.winner_takes_all import CONSCIENCES, WinnerTakesAll
from crosstrain.classic.distances import blocks, nearest, squared_distances
from crosstrain.classic.targets import read_targets


class CounterPropagation(RegressorMixin, BaseEstimator):
    """Kohonen's layer finds the winner, Grossberg's outstar gives its answer (forward-only version).

    R. Hecht-Nielsen (1987), *Counterpropagation networks*.

    Parameters
    ----------
    n_units : int
        Of the competitive layer.
    n_winners : int
        Units that answer together, weighed by the inverse of their distance; 1 is the plain network.
    learning_rate, output_rate : float
        Of the competitive layer, and of the outstars.
    conscience : {"none", "bias", "frequency"}
        See :class:`WinnerTakesAll`.
    max_iter : int
        Passes for each of the two layers.
    random_state : int, RandomState or None

    Attributes
    ----------
    weights_ : array of shape (n_units, n_features)
    output_weights_ : array of shape (n_units, n_outputs)
        A unit that never won answers as the nearest that did.
    n_iter_ : int
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import CounterPropagation
    >>> X = np.linspace(0, 6, 200)[:, None]
    >>> y = np.sin(X[:, 0])
    >>> CounterPropagation(30, n_winners=2, random_state=0).fit(X, y).score(X, y) > 0.95
    True
    """

    def __init__(
        self,
        n_units: int = 60,
        *,
        n_winners: int = 1,
        learning_rate: float = 0.1,
        output_rate: float = 0.1,
        conscience: str = "frequency",
        max_iter: int = 30,
        random_state: Any = None,
    ) -> None:
        self.n_units = n_units
        self.n_winners = n_winners
        self.learning_rate = learning_rate
        self.output_rate = output_rate
        self.conscience = conscience
        self.max_iter = max_iter
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    @in_double_precision
    def fit(self, X: Array, y: Any) -> Self:
        """``X`` (n_samples, n_features); ``y`` (n_samples,) or (n_samples, n_outputs)."""
        parameters.whole(self, "n_units", "n_winners", "max_iter")
        parameters.one_of(self, "conscience", CONSCIENCES)
        parameters.within(self, "learning_rate", "output_rate", low=0, high=1, open_low=True)
        if self.n_winners > self.n_units:
            raise ValueError(
                f"CounterPropagation: n_winners must be at most n_units, {self.n_units}, not {self.n_winners}"
            )
        _, X = read(self, X, reset=True)
        Y, self._flat = read_targets(self, X, y)
        data, random = to_numpy(X), check_random_state(self.random_state)
        layer = WinnerTakesAll(
            self.n_units, learning_rate=self.learning_rate, max_iter=self.max_iter,
            conscience=self.conscience, random_state=random,
        ).fit(data)  # fmt: skip
        self.weights_ = like(layer.weights_, X)
        self.output_weights_ = like(self._outputs(layer, Y, random), X)
        self.n_iter_ = self.max_iter
        return self

    def _outputs(self, layer: WinnerTakesAll, Y: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        outputs = np.zeros((self.n_units, Y.shape[1]))
        winners = np.unique(layer.labels_)
        for unit in winners:  # an outstar learns while its unit wins; each has its own samples
            mine = Y[layer.labels_ == unit]
            outputs[unit] = mine.mean(axis=0)
            for _ in range(self.max_iter):
                shown = mine[random.permutation(len(mine))]
                approach(outputs[unit : unit + 1], np.ones((len(mine), 1)), shown, self.output_rate)
        idle = np.setdiff1d(np.arange(self.n_units), winners)
        if len(idle):
            outputs[idle] = outputs[winners[nearest(np, layer.weights_[idle], layer.weights_[winners])[0]]]
        return outputs

    @in_double_precision
    def predict(self, X: Array) -> Array:
        """The winners' answers, (n_samples,) or (n_samples, n_outputs) as in ``fit``."""
        check_is_fitted(self)
        xp, X = read(self, X, reset=False)
        weights, outputs = onto(self.weights_, X), onto(self.output_weights_, X)
        if self.n_winners == 1:
            answers = xp.take(outputs, nearest(xp, X, weights)[0], axis=0)
        else:
            answers = xp.concat([
                self._together(xp, squared_distances(xp, X[part], weights), outputs)
                for part in blocks(X.shape[0], weights.shape[0])
            ])  # fmt: skip
        return answers[:, 0] if self._flat else answers

    def _together(self, xp: Any, squared: Array, outputs: Array) -> Array:
        last = xp.sort(squared, axis=1)[:, self.n_winners - 1][:, None]
        share = xp.where(squared <= last, 1 / (xp.sqrt(squared) + 1e-12), xp.zeros_like(squared))
        return (share @ outputs) / xp.sum(share, axis=1)[:, None]
