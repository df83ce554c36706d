"""What classifiers of one layer share: one output a class (one for two classes), epochs, online fitting."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import arrays, parameters
from crosstrain.classic.arrays import Array
from crosstrain.classic.targets import labels_like, read_labels


class SingleLayerClassifier(ClassifierMixin, BaseEstimator):
    """Learns online, in NumPy: a device would need a launch for every sample."""

    learning_rate: float
    max_iter: int
    goal: float | None
    shuffle: bool
    random_state: Any
    classes_: np.ndarray
    loss_curve_: list[float]

    # -- what a network says of itself --------------------------------------------------------------
    @abstractmethod
    def _check(self) -> None:
        """Checks the parameters."""

    @abstractmethod
    def _start(self, n_features: int, n_outputs: int, random: np.random.RandomState) -> None:
        """Sets the first weights."""

    @abstractmethod
    def _epoch(self, X: np.ndarray, desired: np.ndarray) -> float:
        """Learns from each row in turn, whose ``desired`` (samples, outputs) are ±1; the epoch's error."""

    @abstractmethod
    def _scores(self, X: np.ndarray) -> np.ndarray:
        """The outputs before any threshold, (samples, outputs)."""

    def _keep(self, X: np.ndarray, desired: np.ndarray) -> None:
        """After the last epoch of ``fit``."""

    # -- fitting ------------------------------------------------------------------------------------
    def fit(self, X: Any, y: Any) -> Self:
        """Learns from ``X`` (samples, features) and labels ``y`` (samples,).

        Warns (``ConvergenceWarning``) where a goal was set and not reached.

        :raises ValueError: a parameter or the data is not as it should be.
        """
        self._check()
        data = self._read(X, reset=True)
        self.classes_, indices = read_labels(self, data, y)
        desired = self._desired(indices)
        random = check_random_state(self.random_state)
        self._start(data.shape[1], desired.shape[1], random)
        self.loss_curve_ = []
        for _ in range(self.max_iter):
            order = random.permutation(len(data)) if self.shuffle else slice(None)
            self.loss_curve_.append(self._epoch(data[order], desired[order]))
            if self.loss_curve_[-1] <= (self.goal or 0.0) or self._settled():
                break
        if self.goal is not None and self.loss_curve_[-1] > self.goal:
            warnings.warn(
                f"{type(self).__name__}: the goal of an error of at most {self.goal:g} was not reached; "
                f"in epoch {len(self.loss_curve_)} it was {self.loss_curve_[-1]:.6g}.",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.n_iter_ = len(self.loss_curve_)
        self._keep(data, desired)
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Learns from these samples once, in their order.

        :param classes: all labels that will ever come; needed in the first call
        :raises ValueError: a parameter or the data is not as it should be, or a label is not one of
            ``classes``.
        """
        self._check()
        first = not hasattr(self, "classes_")
        data = self._read(X, reset=first)
        present, indices = read_labels(self, data, y)
        if first:
            if classes is None:
                raise ValueError(
                    f"{type(self).__name__}: the first partial_fit needs classes, all labels that may come"
                )
            self.classes_ = unique_labels(classes)
            self._start(data.shape[1], self._n_outputs, check_random_state(self.random_state))
            self.loss_curve_, self.n_iter_ = [], 0
        strange = np.setdiff1d(present, self.classes_)
        if len(strange):
            raise ValueError(
                f"{type(self).__name__}: y has the labels {strange.tolist()}, which are not in classes"
            )
        self.loss_curve_.append(
            self._epoch(data, self._desired(np.searchsorted(self.classes_, present)[indices]))
        )
        self.n_iter_ += 1
        return self

    def _read(self, X: Any, *, reset: bool) -> np.ndarray:
        return arrays.to_numpy(arrays.read(self, X, reset=reset)[1])

    @property
    def _n_outputs(self) -> int:
        return 1 if len(self.classes_) <= 2 else len(self.classes_)

    def _desired(self, indices: np.ndarray) -> np.ndarray:
        if self._n_outputs == 1:
            return np.where(indices == 1, 1.0, -1.0)[:, None]
        return np.where(indices[:, None] == np.arange(len(self.classes_)), 1.0, -1.0)

    def _settled(self) -> bool:
        """Whether a further epoch would change nothing that matters; mistakes may be left."""
        return False

    # -- answering ----------------------------------------------------------------------------------
    def decision_function(self, X: Any) -> Array:
        """Each class's score, (samples, classes); for two classes that of the second alone, (samples,)."""
        check_is_fitted(self)
        scores = self._scores(self._read(X, reset=False))
        return arrays.like(scores[:, 0] if self._n_outputs == 1 else scores, X)

    def predict(self, X: Any) -> Array:
        """The class with the highest score, (samples,)."""
        check_is_fitted(self)
        scores = self._scores(self._read(X, reset=False))
        chosen = (scores[:, 0] > 0).astype(int) if self._n_outputs == 1 else scores.argmax(axis=1)
        return labels_like(self.classes_, np.minimum(chosen, len(self.classes_) - 1), X)


def check_online(estimator: SingleLayerClassifier) -> None:
    """Checks the parameters that all of them have."""
    parameters.whole(estimator, "max_iter")
    parameters.within(estimator, "learning_rate", low=0.0, high=math.inf, open_low=True)
    if estimator.goal is not None:
        parameters.within(estimator, "goal", low=0.0, high=math.inf)
