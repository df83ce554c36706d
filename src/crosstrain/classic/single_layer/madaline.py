"""Madaline: many Adalines whose signs a fixed logic joins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from crosstrain.classic import parameters
from crosstrain.classic.single_layer.base import SingleLayerClassifier, check_online
from crosstrain.classic.single_layer.scanning import mistakes

NEEDED: dict[str, Callable[[int], int]] = {
    "majority": lambda units: units // 2 + 1,
    "or": lambda units: 1,
    "and": lambda units: units,
}
"""For each logic, how many of so many units must say +1 for the output to say so."""


class Madaline(SingleLayerClassifier):
    """Adalines joined by a majority, an OR or an AND, trained by the rule of least disturbance (Madaline rule
    I).

    Ridgway, "An adaptive logic system with generalizing properties" (Stanford, 1962); Widrow and Lehr, "30
    years of adaptive neural networks" (Proceedings of the IEEE 78, 1990). Where the output is wrong, as many
    of the units as it takes to turn it, those nearest to their thresholds, learn by α-LMS. Two classes have
    one output, more have one each.

    Parameters
    ----------
    units : int, default=5
        Adalines for each output.
    logic : {"majority", "or", "and"}, default="majority"
        What joins them.
    learning_rate : float, default=0.5
        Share of a unit's error that a step removes, at most 2.
    max_iter : int, default=200
        Most epochs; training ends after one without a mistake.
    goal : float or None, default=None
        Training ends after an epoch with an error of at most the goal, and warns (``ConvergenceWarning``) if
        there was none; the error is the share of samples that were wrong when their turn came.
    shuffle : bool, default=True
        Whether each epoch visits the samples in another order.
    random_state : int, RandomState or None, default=None
        Of the first weights and the order.

    Attributes
    ----------
    classes_ : array (classes,)
        The labels.
    coef_ : array (outputs, units, features)
        The weights.
    intercept_ : array (outputs, units)
        The biases.
    loss_curve_ : list of float
        The share of samples that were wrong when their turn came, for each epoch.
    n_iter_ : int
        Epochs run.
    n_features_in_ : int
        Number of features.

    Notes
    -----
    ``fit`` keeps the weights of the epoch with the fewest mistakes, ``partial_fit`` the last. A sample's
    desired output is trained as ±1, and a unit's step is divided by the sample's squared length with its bias
    input 1.

    Examples
    --------
    >>> from crosstrain.classic import Madaline
    >>> X, y = [[-1, -1], [-1, 1], [1, -1], [1, 1]], [0, 1, 1, 0]
    >>> Madaline(units=2, logic="and", random_state=3).fit(X, y).predict(X).tolist()
    [0, 1, 1, 0]
    """

    def __init__(
        self,
        units: int = 5,
        *,
        logic: str = "majority",
        learning_rate: float = 0.5,
        max_iter: int = 200,
        goal: float | None = None,
        shuffle: bool = True,
        random_state: Any = None,
    ) -> None:
        self.units = units
        self.logic = logic
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.goal = goal
        self.shuffle = shuffle
        self.random_state = random_state

    def _check(self) -> None:
        check_online(self)
        parameters.within(self, "learning_rate", low=0.0, high=2.0, open_low=True)
        parameters.whole(self, "units")
        parameters.one_of(self, "logic", tuple(NEEDED))

    def _start(self, n_features: int, n_outputs: int, random: np.random.RandomState) -> None:
        limit = 1.0 / np.sqrt(n_features + 1)
        self._weights = random.uniform(-limit, limit, (n_outputs, self.units, n_features + 1))
        self._best = (np.inf, self._weights)
        self._show(self._weights)

    def _show(self, weights: np.ndarray) -> None:
        self.coef_, self.intercept_ = weights[..., :-1], weights[..., -1]

    def _epoch(self, X: np.ndarray, desired: np.ndarray) -> float:
        inputs = np.column_stack([X, np.ones(len(X))])
        lengths = np.square(inputs).sum(axis=1)
        n_wrong = [
            self._learn(weights, inputs, lengths, desired[:, output])
            for output, weights in enumerate(self._weights)
        ]
        wrong = self._wrong(inputs, desired)
        if wrong < self._best[0]:
            self._best = (wrong, self._weights.copy())
        self._show(self._weights)
        return max(n_wrong) / len(X)

    def _learn(
        self, weights: np.ndarray, inputs: np.ndarray, lengths: np.ndarray, desired: np.ndarray
    ) -> int:
        """One epoch of one output, whose ``weights`` (units, inputs) change; its mistakes."""
        needed = NEEDED[self.logic](self.units)

        def is_wrong(block: slice) -> np.ndarray:
            positive = (inputs[block] @ weights.T > 0).sum(axis=1) >= needed
            wrong: np.ndarray = positive != (desired[block] > 0)
            return wrong

        n_wrong = 0
        for sample in mistakes(len(inputs), is_wrong):
            n_wrong += 1
            x, target = inputs[sample], desired[sample]
            sums = weights @ x
            n_positive = int((sums > 0).sum())
            missing = needed - n_positive if target > 0 else n_positive - needed + 1
            distances = np.where((sums > 0) == (target > 0), np.inf, np.abs(sums))
            nearest = np.argsort(distances, kind="stable")[:missing]
            steps = self.learning_rate * (target - sums[nearest]) / lengths[sample]
            weights[nearest] += steps[:, None] * x
        return n_wrong

    def _wrong(self, inputs: np.ndarray, desired: np.ndarray) -> int:
        """Samples that some output gets wrong."""
        said = self._margins(inputs, self._weights) > 0
        return int((said != (desired > 0)).any(axis=1).sum())

    def _margins(self, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """For each output the net input that decides: positive where enough units are, (samples, outputs)."""
        sums = np.einsum("si,oui->sou", inputs, weights)
        rank = self.units - NEEDED[self.logic](self.units)
        margins: np.ndarray = np.partition(sums, rank, axis=2)[:, :, rank]
        return margins

    def _keep(self, X: np.ndarray, desired: np.ndarray) -> None:
        self._show(self._best[1])

    def _scores(self, X: np.ndarray) -> np.ndarray:
        inputs = np.column_stack([X, np.ones(len(X))])
        weights = np.concatenate([self.coef_, self.intercept_[..., None]], axis=2)
        return self._margins(inputs, weights)
