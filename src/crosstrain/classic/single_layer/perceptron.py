"""Rosenblatt's perceptron, with association units or without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crosstrain.classic import parameters
from crosstrain.classic.single_layer.base import SingleLayerClassifier, check_online
from crosstrain.classic.single_layer.scanning import mistakes

RULES = ("delta", "pocket")


class Perceptron(SingleLayerClassifier):
    """The perceptron: threshold units that learn from their mistakes.

    Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in the brain"
    (Psychological Review 65, 1958); the pocket algorithm with ratchet of Gallant, "Perceptron-based learning
    algorithms" (IEEE Transactions on Neural Networks 1, 1990). Two classes have one output, more have one
    each.

    Parameters
    ----------
    associations : int or None, default=None
        Rosenblatt's A-elements: threshold units with fixed random connections (-1, 0, 1) from the inputs,
        whose outputs (0 or 1) the perceptron learns from. None: it learns from the inputs themselves.
    rule : {"delta", "pocket"}, default="delta"
        "delta" adds ``learning_rate × (desired − output) × input``, outputs 0 or 1. "pocket" does too, and
        keeps for each output the weights that classified most samples rightly: for classes that no plane
        separates. In ``partial_fit`` the samples that count are those of the call.
    learning_rate : float, default=1.0
        Step size. The decisions do not depend on it, as the first weights are 0.
    max_iter : int, default=200
        Most epochs; training ends after one without a mistake.
    goal : float or None, default=None
        Training ends after an epoch with an error of at most the goal, and warns (``ConvergenceWarning``) if
        there was none; the error is the share of samples that were wrong when their turn came.
    shuffle : bool, default=True
        Whether each epoch visits the samples in another order.
    random_state : int, RandomState or None, default=None
        Of the association units and the order.

    Attributes
    ----------
    classes_ : array (classes,)
        The labels.
    coef_ : array (outputs, inputs)
        The weights; ``inputs`` is the number of features or of association units.
    intercept_ : array (outputs,)
        The biases.
    association_weights_, association_biases_ : arrays (associations, features) and (associations,)
        The fixed connections of the A-elements; absent without them.
    loss_curve_ : list of float
        The share of samples that were wrong when their turn came, for each epoch.
    n_iter_ : int
        Epochs run.
    n_features_in_ : int
        Number of features.

    Notes
    -----
    The thresholds of the A-elements are drawn so that each of them divides the training data: it fires for
    the samples beyond the projection of one drawn at random.

    Examples
    --------
    >>> from crosstrain.classic import Perceptron
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1]
    >>> Perceptron(random_state=0).fit(X, y).predict(X).tolist()
    [0, 0, 0, 1]
    >>> Perceptron(associations=20, random_state=0).fit(X, [0, 1, 1, 0]).predict(X).tolist()
    [0, 1, 1, 0]
    """

    def __init__(
        self,
        associations: int | None = None,
        *,
        rule: str = "delta",
        learning_rate: float = 1.0,
        max_iter: int = 200,
        goal: float | None = None,
        shuffle: bool = True,
        random_state: Any = None,
    ) -> None:
        self.associations = associations
        self.rule = rule
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.goal = goal
        self.shuffle = shuffle
        self.random_state = random_state

    def _check(self) -> None:
        check_online(self)
        parameters.one_of(self, "rule", RULES)
        if self.associations is not None:
            parameters.whole(self, "associations")

    def _start(self, n_features: int, n_outputs: int, random: np.random.RandomState) -> None:
        inputs = n_features
        if self.associations is not None:
            inputs = self.associations
            self.association_weights_ = random.randint(-1, 2, (inputs, n_features)).astype(float)
            self._thresholds_from = random.random_sample(inputs)
            self.association_biases_ = np.empty(0)
        self._weights, self._biases = np.zeros((n_outputs, inputs)), np.zeros(n_outputs)
        self._pockets = [_Pocket(np.zeros(inputs)) for _ in range(n_outputs * (self.rule == "pocket"))]
        self._show()

    def _show(self) -> None:
        """Answers with the weights in the pockets, or where there are none with those that are trained."""
        if self._pockets:
            self.coef_ = np.stack([pocket.weights for pocket in self._pockets])
            self.intercept_ = np.array([pocket.bias for pocket in self._pockets])
        else:
            self.coef_, self.intercept_ = self._weights.copy(), self._biases.copy()

    def _associate(self, X: np.ndarray) -> np.ndarray:
        """The outputs of the A-elements, or the inputs where there are none."""
        if self.associations is None:
            return X
        sums = X @ self.association_weights_.T
        if not len(self.association_biases_):
            chosen = (self._thresholds_from * len(X)).astype(int)
            self.association_biases_ = -sums[chosen, np.arange(len(chosen))]
        fired: np.ndarray = (sums + self.association_biases_ >= 0).astype(float)
        return fired

    def _epoch(self, X: np.ndarray, desired: np.ndarray) -> float:
        inputs, target = self._associate(X), desired > 0
        if self._pockets:
            n_wrong = max(
                self._pocket_epoch(output, inputs, target[:, output]) for output in range(len(self._pockets))
            )
        else:
            n_wrong = self._delta_epoch(inputs, target)
        self._show()
        return n_wrong / len(X)

    def _delta_epoch(self, inputs: np.ndarray, target: np.ndarray) -> int:
        """The number of samples that some output got wrong."""

        def is_wrong(block: slice) -> np.ndarray:
            outputs = inputs[block] @ self._weights.T + self._biases > 0
            wrong: np.ndarray = (outputs != target[block]).any(axis=1)
            return wrong

        n_wrong = 0
        for sample in mistakes(len(inputs), is_wrong):
            n_wrong += 1
            output = self._weights @ inputs[sample] + self._biases > 0
            change = self.learning_rate * (target[sample].astype(float) - output)
            self._weights += change[:, None] * inputs[sample]
            self._biases += change
        return n_wrong

    def _pocket_epoch(self, output: int, inputs: np.ndarray, target: np.ndarray) -> int:
        """The number of mistakes of one output, whose best weights go into its pocket."""
        weights, pocket = self._weights[output], self._pockets[output]
        # Counted again in each epoch: another call of partial_fit may bring other samples.
        most_right = int(((inputs @ pocket.weights + pocket.bias > 0) == target).sum())

        def is_wrong(block: slice) -> np.ndarray:
            wrong: np.ndarray = (inputs[block] @ weights + self._biases[output] > 0) != target[block]
            return wrong

        def consider(most_right: int) -> int:
            # A run through all samples counts whatever its rival: runs go on from epoch to epoch.
            if pocket.run > pocket.longest_run or pocket.run >= len(target):
                right = len(target) - int(is_wrong(slice(None)).sum())
                if right > most_right:
                    pocket.longest_run = pocket.run
                    pocket.weights, pocket.bias = weights.copy(), float(self._biases[output])
                    return right
            return most_right

        n_wrong, start = 0, 0
        for sample in mistakes(len(target), is_wrong):
            pocket.run += sample - start
            most_right = consider(most_right)
            n_wrong, start, pocket.run = n_wrong + 1, sample + 1, 0
            change = self.learning_rate if target[sample] else -self.learning_rate
            weights += change * inputs[sample]
            self._biases[output] += change
        pocket.run += len(target) - start
        consider(most_right)
        return n_wrong

    def _scores(self, X: np.ndarray) -> np.ndarray:
        scores: np.ndarray = self._associate(X) @ self.coef_.T + self.intercept_
        return scores


@dataclass
class _Pocket:
    """The best weights of one output so far: right for the most samples, after the longest run without a
    mistake. ``run`` is that of the weights in training."""

    weights: np.ndarray
    bias: float = 0.0
    longest_run: int = 0
    run: int = 0
