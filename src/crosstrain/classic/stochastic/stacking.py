"""The deep stacking network: convex modules, each of which sees what those below it answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.linalg import solve
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import arrays, parameters
from crosstrain.classic.stochastic.units import sigmoid_in_place
from crosstrain.classic.targets import labels_like, read_labels

SCHEDULES = ("stacked", "together")
ROWS = 4096
"""Rows whose hidden units are held in memory at once where sums over all are taken."""
MEMORY = 0.95
"""Share of the sums over hidden units that a batch leaves as it was."""


@dataclass(frozen=True)
class Module:
    """Lower weights (inputs, hidden) with a bias each, and upper ones (hidden + 1, classes), the last row
    being the bias."""

    lower: np.ndarray
    lower_bias: np.ndarray
    upper: np.ndarray

    def answer(self, X: np.ndarray) -> np.ndarray:
        """(rows, classes)."""
        parts = [
            _hidden(X[start : start + ROWS], self.lower, self.lower_bias) @ self.upper
            for start in range(0, len(X), ROWS)
        ]
        return np.concatenate(parts)


@dataclass(frozen=True)
class Training:
    """How the lower weights are trained."""

    ridge: float
    n_iter: int
    learning_rate: float
    batch_size: int
    weight_decay: float

    def pause(self, inputs: int, hidden: int) -> int:
        """Batches between two solutions of the upper weights: as many as a solution (hidden³ / 3 products)
        costs gradients (4 · batch · inputs · hidden)."""
        return max(1, hidden * hidden // (12 * self.batch_size * inputs))


class DeepStackingNetwork(ClassifierMixin, BaseEstimator):
    """Deep stacking (deep convex) network: modules of one hidden layer whose upper weights are the ridge
    solution.

    L. Deng, D. Yu (2011): Deep convex net: a scalable architecture for speech pattern classification. Each
    module's input is the original vector together with the outputs of all modules below; its lower weights
    follow the gradient of the squared error, its upper weights solve a ridge regression exactly.

    Parameters
    ----------
    n_modules : int, default=3
    n_hidden : int, default=256
        Sigmoid units of each module.
    ridge : float, default=1.0
        Penalty on the squared upper weights (not on their bias).
    n_iter : int, default=10
        Passes over the data for the lower weights of each module; 0 leaves them random.
    learning_rate : float, default=0.003
        Of Adam (D. Kingma, J. Ba 2015), which takes the steps; it falls to 0 over the passes.
    batch_size : int, default=100
    schedule : {"stacked", "together"}, default="stacked"
        Train one module after the other, each on the final outputs below it; or all modules at once, in
        ``n_jobs`` processes, on the outputs of the round before, the upper weights being solved from the
        bottom up after each round.
    n_rounds : int, default=2
        Of the schedule "together"; they share ``n_iter`` passes.
    n_jobs : int or None, default=None
        Processes of the schedule "together". They change no result.
    weight_decay : float, default=0.0
        Penalty on the squared lower weights: adds ``weight_decay`` times them to their gradient.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    modules_ : list of Module
    classes_ : ndarray of shape (n_classes,)
    n_iter_ : int
    n_features_in_ : int

    Notes ----- With the upper weights at their optimum the gradient through them vanishes, so the gradient is
    that of the lower weights alone; Deng and Yu's formula for it is the same at ridge 0. The paper solves
    them and takes a step on all data; here each step is that of a small batch, and the upper weights are
    solved anew before it, from sums over the hidden units that follow the last batches (on all rows at the
    end).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from crosstrain.classic import DeepStackingNetwork
    >>> X, y = load_digits(return_X_y=True)
    >>> network = DeepStackingNetwork(n_modules=2, n_hidden=64, random_state=0)
    >>> bool(network.fit(X[:1000] / 16, y[:1000]).score(X[1000:] / 16, y[1000:]) > 0.9)
    True
    """

    def __init__(
        self,
        n_modules: int = 3,
        n_hidden: int = 256,
        ridge: float = 1.0,
        n_iter: int = 10,
        learning_rate: float = 0.003,
        batch_size: int = 100,
        schedule: str = "stacked",
        n_rounds: int = 2,
        n_jobs: int | None = None,
        weight_decay: float = 0.0,
        random_state: Any = None,
    ) -> None:
        self.n_modules = n_modules
        self.n_hidden = n_hidden
        self.ridge = ridge
        self.n_iter = n_iter
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.schedule = schedule
        self.n_rounds = n_rounds
        self.n_jobs = n_jobs
        self.weight_decay = weight_decay
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Learn the labels ``y`` (n_samples,) of the rows of ``X`` (n_samples, n_features)."""
        self._check_parameters()
        data = arrays.to_numpy(arrays.read(self, X, reset=True)[1])
        self.classes_, numbers = read_labels(self, data, y)
        targets = (numbers[:, None] == np.arange(len(self.classes_))).astype(float)
        random = check_random_state(self.random_state)
        train = self._stacked if self.schedule == "stacked" else self._together
        self.modules_ = train(data, targets, random)
        self.n_iter_ = self.n_iter
        return self

    def decision_function(self, X: Any) -> Any:
        """The last module's outputs, near 1 for the right class and 0 elsewhere; shape (n_samples,
        n_classes), or (n_samples,) for two classes: the second's output minus the first's."""
        return arrays.like(self._decision(self._outputs(X)[-1]), X)

    def staged_decision_function(self, X: Any) -> list[Any]:
        """``decision_function`` of every module, from the lowest."""
        return [arrays.like(self._decision(outputs), X) for outputs in self._outputs(X)]

    def predict(self, X: Any) -> Any:
        """The class with the largest output; shape (n_samples,)."""
        best = self._outputs(X)[-1].argmax(axis=1)
        return labels_like(self.classes_, best, X)

    # -- inside --------------------------------------------------------------------------------------
    def _check_parameters(self) -> None:
        parameters.whole(self, "n_modules", "n_hidden", "batch_size", "n_rounds")
        parameters.whole(self, "n_iter", least=0)
        parameters.within(self, "ridge", "learning_rate", low=0, high=float("inf"), open_low=True)
        parameters.within(self, "weight_decay", low=0, high=float("inf"))
        parameters.one_of(self, "schedule", SCHEDULES)

    def _stacked(self, X: np.ndarray, targets: np.ndarray, random: np.random.RandomState) -> list[Module]:
        modules = []
        inputs = X
        for _ in range(self.n_modules):
            start = self._random_module(inputs.shape[1], random)
            module = _trained(start, inputs, targets, self._training(self.n_iter), _seed(random))
            modules.append(module)
            inputs = np.hstack([inputs, module.answer(inputs)])
        return modules

    def _together(self, X: np.ndarray, targets: np.ndarray, random: np.random.RandomState) -> list[Module]:
        sizes = [X.shape[1] + number * targets.shape[1] for number in range(self.n_modules)]
        modules = [self._random_module(size, random) for size in sizes]
        passes = [len(part) for part in np.array_split(np.arange(self.n_iter), self.n_rounds)]
        for count in passes:
            modules, inputs = _solved(modules, X, targets, self.ridge)
            seeds = [_seed(random) for _ in modules]
            modules = Parallel(n_jobs=self.n_jobs)(
                delayed(_trained)(module, inputs[:, :size], targets, self._training(count), seed)
                for module, size, seed in zip(modules, sizes, seeds, strict=True)
            )
        return _solved(modules, X, targets, self.ridge)[0]

    def _training(self, passes: int) -> Training:
        return Training(self.ridge, passes, self.learning_rate, self.batch_size, self.weight_decay)

    def _random_module(self, inputs: int, random: np.random.RandomState) -> Module:
        bound = 4 * np.sqrt(6 / (inputs + self.n_hidden))
        lower = random.uniform(-bound, bound, (inputs, self.n_hidden))
        return Module(lower, np.zeros(self.n_hidden), np.empty((0, 0)))

    def _outputs(self, X: Any) -> list[np.ndarray]:
        """What each module answers, (rows, classes)."""
        check_is_fitted(self)
        inputs = arrays.to_numpy(arrays.read(self, X, reset=False)[1])
        outputs = []
        for module in self.modules_:
            outputs.append(module.answer(inputs))
            inputs = np.hstack([inputs, outputs[-1]])
        return outputs

    def _decision(self, outputs: np.ndarray) -> np.ndarray:
        return outputs[:, 1] - outputs[:, 0] if outputs.shape[1] == 2 else outputs


def ridge_solution(
    X: np.ndarray, targets: np.ndarray, lower: np.ndarray, bias: np.ndarray, ridge: float
) -> np.ndarray:
    """U = (HᵀH + ridge · I)⁻¹ HᵀT for the hidden units H of ``X`` with a column of ones, whose weights (the
    last row) are not penalised."""
    return _Moments.of(X, targets, lower, bias).solution(ridge)


def _solved(
    modules: list[Module], X: np.ndarray, targets: np.ndarray, ridge: float
) -> tuple[list[Module], np.ndarray]:
    """The modules with upper weights solved from the bottom up, and the inputs of one more module."""
    solved, inputs = [], X
    for module in modules:
        upper = ridge_solution(inputs, targets, module.lower, module.lower_bias, ridge)
        solved.append(Module(module.lower, module.lower_bias, upper))
        inputs = np.hstack([inputs, solved[-1].answer(inputs)])
    return solved, inputs


def _trained(start: Module, X: np.ndarray, targets: np.ndarray, training: Training, seed: int) -> Module:
    """The module after the passes of ``training``, its upper weights solved at the end."""
    lower, bias = start.lower.copy(), start.lower_bias.copy()
    parameters = (lower, bias)
    means = [np.zeros_like(each) for each in parameters]
    squares = [np.zeros_like(each) for each in parameters]
    random, step = np.random.default_rng(seed), 0
    steps = training.n_iter * -(-len(X) // training.batch_size)
    moments = _Moments.of(X, targets, lower, bias)
    pause = training.pause(*lower.shape)
    for _ in range(training.n_iter):
        order = random.permutation(len(X))
        for first in range(0, len(X), training.batch_size):
            batch = order[first : first + training.batch_size]
            inputs, wanted = X[batch], targets[batch]
            hidden = _hidden(inputs, lower, bias)
            moments.follow(hidden, wanted)
            if step % pause == 0:
                upper = moments.solution(training.ridge)
            step += 1
            rate = training.learning_rate * (1 - step / (steps + 1))
            rate *= np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            gradients = _gradients(inputs, wanted, hidden, upper)
            if training.weight_decay:
                gradients[0][:] += training.weight_decay * lower
            for parameter, gradient, mean, square in zip(parameters, gradients, means, squares, strict=True):
                mean += 0.1 * (gradient - mean)
                square *= 0.999
                np.multiply(gradient, gradient, out=gradient)
                gradient *= 0.001
                square += gradient
                np.sqrt(square, out=gradient)
                gradient += 1e-8
                np.divide(mean, gradient, out=gradient)
                gradient *= rate
                parameter -= gradient
    return Module(lower, bias, ridge_solution(X, targets, lower, bias, training.ridge))


@dataclass
class _Moments:
    """HᵀH and HᵀT, means over ``rows`` times ``rows``: of all rows at first, then more and more of the last
    batches, as the lower weights move."""

    gram: np.ndarray
    cross: np.ndarray
    rows: int

    @classmethod
    def of(cls, X: np.ndarray, targets: np.ndarray, lower: np.ndarray, bias: np.ndarray) -> _Moments:
        units = lower.shape[1] + 1
        gram, cross = np.zeros((units, units)), np.zeros((units, targets.shape[1]))
        for start in range(0, len(X), ROWS):
            hidden = _hidden(X[start : start + ROWS], lower, bias)
            gram += hidden.T @ hidden
            cross += hidden.T @ targets[start : start + ROWS]
        return cls(gram, cross, len(X))

    def follow(self, hidden: np.ndarray, targets: np.ndarray) -> None:
        share = (1 - MEMORY) * self.rows / len(hidden)
        self.gram *= MEMORY
        self.gram += share * (hidden.T @ hidden)
        self.cross *= MEMORY
        self.cross += share * (hidden.T @ targets)

    def solution(self, ridge: float) -> np.ndarray:
        """U = (HᵀH + ridge · I)⁻¹ HᵀT; the last row, the biases, is not penalised."""
        diagonal = np.full(len(self.gram), ridge)
        diagonal[-1] = 1e-9 * self.rows  # keeps the system definite
        upper: np.ndarray = solve(self.gram + np.diag(diagonal), self.cross, assume_a="pos")
        return upper


def lower_gradient(
    X: np.ndarray, targets: np.ndarray, lower: np.ndarray, bias: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of ½‖HU - T‖² / rows with respect to the lower weights and their biases."""
    return _gradients(X, targets, _hidden(X, lower, bias), upper)


def _gradients(
    X: np.ndarray, targets: np.ndarray, hidden: np.ndarray, upper: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    delta = (hidden @ upper - targets) @ upper[:-1].T
    active = hidden[:, :-1]
    delta *= active * (1.0 - active)
    delta /= len(X)
    return X.T @ delta, delta.sum(axis=0)


def _hidden(X: np.ndarray, lower: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The sigmoid units of each row with a column of ones, (rows, hidden + 1)."""
    hidden = np.empty((len(X), lower.shape[1] + 1))
    field = X @ lower
    field += bias
    hidden[:, :-1] = sigmoid_in_place(field)
    hidden[:, -1] = 1.0
    return hidden


def _seed(random: np.random.RandomState) -> int:
    return int(random.randint(np.iinfo(np.int32).max))
