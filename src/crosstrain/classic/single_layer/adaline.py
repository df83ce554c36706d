"""Widrow and Hoff's adaptive linear element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crosstrain.classic import parameters
from crosstrain.classic.single_layer.base import SingleLayerClassifier, check_online
from crosstrain.classic.single_layer.lms import lms_epoch


class Adaline(SingleLayerClassifier):
    """The adaptive linear element: learns from the error before the threshold (least mean squares).

    Widrow and Hoff, "Adaptive switching circuits" (IRE WESCON 1960). Two classes have one output, more have
    one each; the desired outputs are ±1.

    Parameters
    ----------
    learning_rate : float, default=0.1
        Step size. With ``normalise``, below 2; without, below 2 divided by the largest squared length of a
        sample with its bias input 1.
    normalise : bool, default=True
        Whether a step is divided by the sample's squared length (the α-LMS rule), so that the same rate suits
        data of any scale.
    max_iter : int, default=200
        Most epochs.
    tolerance : float, default=1e-4
        Training ends when an epoch's mean squared error changes by a smaller share.
    goal : float or None, default=None
        Training ends after an epoch with an error of at most the goal, and warns (``ConvergenceWarning``) if
        there was none; the error is the mean squared error.
    shuffle : bool, default=True
        Whether each epoch visits the samples in another order.
    random_state : int, RandomState or None, default=None
        Of the order.

    Attributes
    ----------
    classes_ : array (classes,)
        The labels.
    coef_ : array (outputs, features)
        The weights.
    intercept_ : array (outputs,)
        The biases.
    loss_curve_ : list of float
        Each epoch's mean squared error, every sample's when its turn came.
    n_iter_ : int
        Epochs run.
    n_features_in_ : int
        Number of features.

    Examples
    --------
    >>> from crosstrain.classic import Adaline
    >>> X, y = [[-1, -1], [-1, 1], [1, -1], [1, 1]], ["off", "off", "off", "on"]
    >>> Adaline(random_state=0).fit(X, y).predict(X).tolist()
    ['off', 'off', 'off', 'on']
    """

    def __init__(
        self,
        *,
        learning_rate: float = 0.1,
        normalise: bool = True,
        max_iter: int = 200,
        tolerance: float = 1e-4,
        goal: float | None = None,
        shuffle: bool = True,
        random_state: Any = None,
    ) -> None:
        self.learning_rate = learning_rate
        self.normalise = normalise
        self.max_iter = max_iter
        self.tolerance = tolerance
        self.goal = goal
        self.shuffle = shuffle
        self.random_state = random_state

    def _check(self) -> None:
        check_online(self)
        parameters.within(self, "tolerance", low=0.0, high=math.inf)

    def _start(self, n_features: int, n_outputs: int, random: np.random.RandomState) -> None:
        self._set(np.zeros((n_outputs, n_features + 1)))

    def _set(self, weights: np.ndarray) -> None:
        self.coef_, self.intercept_ = weights[:, :-1].copy(), weights[:, -1].copy()

    def _epoch(self, X: np.ndarray, desired: np.ndarray) -> float:
        inputs = np.column_stack([X, np.ones(len(X))])
        if self.normalise:
            # η e x / |x|² is the plain rule on x/|x| with desired d/|x|, whose error is e/|x|.
            lengths = np.sqrt(np.square(inputs).sum(axis=1, keepdims=True))
            inputs, desired = inputs / lengths, desired / lengths
        weights = np.column_stack([self.coef_, self.intercept_])
        error = lms_epoch(weights, inputs, desired, self.learning_rate)
        if not np.isfinite(weights).all():
            raise ValueError(
                f"Adaline: the weights grow without bound at learning_rate={self.learning_rate:g}; a "
                f"smaller one, "
                "or normalise=True, keeps them finite"
            )
        self._set(weights)
        return error

    def _settled(self) -> bool:
        curve = self.loss_curve_
        return len(curve) > 1 and abs(curve[-1] - curve[-2]) <= self.tolerance * curve[-2]

    def _scores(self, X: np.ndarray) -> np.ndarray:
        scores: np.ndarray = X @ self.coef_.T + self.intercept_
        return scores
