"""The multilayer perceptron, as a classifier and as a regressor."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import arrays, parameters
from crosstrain.classic.arrays import Array
from crosstrain.classic.multilayer.errors import ERRORS, BoundError
from crosstrain.classic.multilayer.initialise import INITIALISATIONS
from crosstrain.classic.multilayer.network import Network
from crosstrain.classic.multilayer.objective import NetworkObjective
from crosstrain.classic.multilayer.rules import RULES, LevenbergMarquardt, Rule
from crosstrain.classic.multilayer.training import train
from crosstrain.classic.multilayer.transfer import TRANSFERS, BoundTransfer
from crosstrain.classic.targets import labels_like, read_labels, read_targets

HIDDEN_TRANSFERS = tuple(name for name in TRANSFERS if name != "softmax")
REGRESSION_ERRORS = ("sse", "sae", "mse", "mae")


class _MultilayerPerceptron(BaseEstimator):
    """What both have in common: parameters, training, the forward pass."""

    hidden: tuple[int, ...]
    transfer: str
    rule: str | Rule
    initialisation: str
    max_iter: int
    goal: float | None
    random_state: Any

    def _check(self, errors: tuple[str, ...]) -> None:
        parameters.one_of(self, "transfer", HIDDEN_TRANSFERS)
        parameters.one_of(self, "initialisation", tuple(INITIALISATIONS))
        parameters.one_of(self, "error", errors)
        parameters.whole(self, "max_iter")
        check_rule(self)
        check_hidden(self)

    def _train(self, xp: ModuleType, X: Array, targets: Array, output: str, error: str) -> None:
        random = check_random_state(self.random_state)
        names = [self.transfer] * len(self.hidden) + [output]
        sizes = (X.shape[1], *self.hidden, targets.shape[1])
        network = Network(sizes, [BoundTransfer(TRANSFERS[name], xp) for name in names], xp)
        objective = NetworkObjective(network, BoundError(ERRORS[error], xp), X, targets)
        start = arrays.like(first_weights(self.initialisation, random, X, sizes, names), X)
        trained = train(
            resolved(self.rule),
            objective,
            start,
            max_iter=self.max_iter,
            goal=self.goal,
            name=type(self).__name__,
        )
        layers = network.split(trained.weights)
        self.coefs_ = [matrix for matrix, _ in layers]
        self.intercepts_ = [biases for _, biases in layers]
        self.loss_curve_ = trained.losses
        self.loss_ = trained.losses[-1]
        self.n_iter_ = len(trained.losses) - 1
        self.n_evaluations_ = objective.n_evaluations
        self.transfers_ = names

    @arrays.in_double_precision
    def _outputs(self, X: Any) -> tuple[Array, Array]:
        """The checked ``X``, and the outputs (samples, outputs)."""
        check_is_fitted(self)
        xp, X = arrays.read(self, X, reset=False)
        signal = X
        for name, matrix, biases in zip(self.transfers_, self.coefs_, self.intercepts_, strict=True):
            matrix, biases = arrays.onto(matrix, X), arrays.onto(biases, X)
            signal = BoundTransfer(TRANSFERS[name], xp)(signal @ matrix.T + biases)
        return X, signal


class MultilayerPerceptronClassifier(ClassifierMixin, _MultilayerPerceptron):
    """A network of layers of units that learns classes by backpropagation.

    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors" (Nature 323, 1986).
    Two classes have one logistic output, more have softmax outputs, one a class. Trains on the whole batch.

    Parameters
    ----------
    hidden : tuple of int, default=(10,)
        Units of each hidden layer; ``()`` for none.
    transfer : str, default="tanh"
        The hidden layers' transfer function: "identity", "tanh", "logistic", "relu", "saturating",
        "symmetric saturating" or "radial".
    error : str, default="cross-entropy"
        What training lowers: "cross-entropy", "sse" (half the sum of squares), "sae", "mse" or "mae".
    rule : str or a rule, default="lbfgs"
        The training rule: "gd", "gdm", "gda", "gdx", "rprop", "irprop+", "irprop-", "bfgs", "lbfgs", "cg",
        "cg-fr", "ncg", "levenberg-marquardt" ("sse" and "mse" only), or one of the data classes in
        :mod:`crosstrain.classic.multilayer.rules` with other options: ``Descent(learning_rate=0.1)``.
    initialisation : str, default="nguyen-widrow"
        First weights: "nguyen-widrow", "random" or "midpoint".
    max_iter : int, default=200
        Most iterations.
    goal : float or None, default=None
        Training stops when the error is below it, and warns (``ConvergenceWarning``) if it never was.
    random_state : int, RandomState or None, default=None
        Of the first weights.

    Attributes
    ----------
    classes_ : array (classes,)
        The labels.
    coefs_, intercepts_ : list of arrays (units, inputs) and (units,)
        Each layer's weights and biases, in the array library of the training data.
    loss_curve_ : list of float
        The error at the start and after each iteration.
    loss_ : float
        The last error.
    n_iter_ : int
        Iterations run.
    n_evaluations_ : int
        How often the error (and its gradient) was computed.
    transfers_ : list of str
        The transfer function of each layer.
    n_features_in_ : int
        Number of features.

    Examples
    --------
    >>> from crosstrain.classic import MultilayerPerceptronClassifier
    >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], ["no", "yes", "yes", "no"]
    >>> network = MultilayerPerceptronClassifier(hidden=(4,), random_state=0).fit(X, y)
    >>> network.predict(X).tolist()
    ['no', 'yes', 'yes', 'no']
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (10,),
        *,
        transfer: str = "tanh",
        error: str = "cross-entropy",
        rule: str | Rule = "lbfgs",
        initialisation: str = "nguyen-widrow",
        max_iter: int = 200,
        goal: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.transfer = transfer
        self.error = error
        self.rule = rule
        self.initialisation = initialisation
        self.max_iter = max_iter
        self.goal = goal
        self.random_state = random_state

    @arrays.in_double_precision
    def fit(self, X: Any, y: Any) -> Self:
        """Learns from ``X`` (samples, features) and labels ``y`` (samples,).

        :raises ValueError: a parameter or the data is not as it should be.
        """
        self._check((*REGRESSION_ERRORS, "cross-entropy"))
        xp, X = arrays.read(self, X, reset=True)
        self.classes_, indices = read_labels(self, X, y)
        one_hot = np.eye(len(self.classes_))[indices]
        binary = len(self.classes_) <= 2
        error = self.error
        if error == "cross-entropy":
            error = "binary cross-entropy" if binary else "categorical cross-entropy"
        targets = arrays.like(one_hot[:, -1:] if binary else one_hot, X)
        if len(self.classes_) == 1:
            targets = 0.0 * targets
        self._train(xp, X, targets, "logistic" if binary else "softmax", error)
        return self

    @arrays.in_double_precision
    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, (samples, classes)."""
        X, outputs = self._outputs(X)
        if len(self.classes_) == 1:
            return 1.0 + 0.0 * outputs
        if len(self.classes_) == 2:
            return arrays.namespace(X).concat([1.0 - outputs, outputs], axis=1)
        return outputs

    def predict(self, X: Any) -> Array:
        """The most probable class of each sample, (samples,)."""
        chosen = arrays.to_numpy(self.predict_proba(X)).argmax(axis=1)
        return labels_like(self.classes_, chosen, X)


class MultilayerPerceptronRegressor(RegressorMixin, _MultilayerPerceptron):
    """A network of layers of units that approximates a function by backpropagation.

    Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors" (Nature 323, 1986).
    Trains on the whole batch.

    Parameters
    ----------
    hidden, transfer, rule, initialisation, max_iter, goal, random_state
        As :class:`MultilayerPerceptronClassifier` has them.
    output : str, default="identity"
        The last layer's transfer function.
    error : str, default="mse"
        What training lowers: "sse" (half the sum of squares), "sae", "mse" or "mae".

    Attributes
    ----------
    coefs_, intercepts_ : list of arrays (units, inputs) and (units,)
        Each layer's weights and biases, in the array library of the training data.
    loss_curve_ : list of float
        The error at the start and after each iteration.
    loss_ : float
        The last error.
    n_iter_ : int
        Iterations run.
    n_evaluations_ : int
        How often the error (and its gradient) was computed.
    transfers_ : list of str
        The transfer function of each layer.
    n_features_in_ : int
        Number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import MultilayerPerceptronRegressor
    >>> X = np.linspace(-7, 7, 20).reshape(-1, 1)
    >>> network = MultilayerPerceptronRegressor((5,), rule="levenberg-marquardt", goal=1e-3, random_state=0)
    >>> bool(network.fit(X, 0.5 * np.sin(X).ravel()).loss_ < 1e-3)
    True
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (10,),
        *,
        transfer: str = "tanh",
        output: str = "identity",
        error: str = "mse",
        rule: str | Rule = "lbfgs",
        initialisation: str = "nguyen-widrow",
        max_iter: int = 200,
        goal: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.transfer = transfer
        self.output = output
        self.error = error
        self.rule = rule
        self.initialisation = initialisation
        self.max_iter = max_iter
        self.goal = goal
        self.random_state = random_state

    @arrays.in_double_precision
    def fit(self, X: Any, y: Any) -> Self:
        """Learns from ``X`` (samples, features) and numbers ``y``, (samples,) or (samples, outputs).

        :raises ValueError: a parameter or the data is not as it should be.
        """
        self._check(REGRESSION_ERRORS)
        parameters.one_of(self, "output", tuple(TRANSFERS))
        xp, X = arrays.read(self, X, reset=True)
        targets, self._flat = read_targets(self, X, y)
        self._train(xp, X, arrays.like(targets, X), self.output, self.error)
        return self

    @arrays.in_double_precision
    def predict(self, X: Any) -> Array:
        """The function's values, (samples,) or (samples, outputs) as ``y`` was."""
        _, outputs = self._outputs(X)
        return outputs[:, 0] if self._flat else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def resolved(rule: str | Rule) -> Rule:
    """The rule of this name, or the rule itself."""
    return RULES[rule] if isinstance(rule, str) else rule


def first_weights(
    initialisation: str, random: np.random.RandomState, X: Array, sizes: tuple[int, ...], transfers: list[str]
) -> np.ndarray:
    """The flat vector of first weights, layer after layer."""
    data = arrays.to_numpy(X)
    ranges = np.stack([data.min(axis=0), data.max(axis=0)], axis=1)
    parts = []
    for inputs, units, name in zip(sizes, sizes[1:], transfers, strict=False):
        ranges = ranges if len(ranges) == inputs else np.tile([-1.0, 1.0], (inputs, 1))
        matrix, biases = INITIALISATIONS[initialisation](random, ranges, units, TRANSFERS[name].active)
        parts += [matrix.ravel(), biases]
        ranges = np.tile([-1.0, 1.0], (units, 1))
    return np.concatenate(parts)


def check_rule(estimator: Any) -> None:
    """:raises ValueError: the rule is none, or needs another error function."""
    rule = estimator.rule
    if isinstance(rule, str):
        parameters.one_of(estimator, "rule", tuple(RULES))
    elif not hasattr(rule, "minimise"):
        raise ValueError(
            f"{type(estimator).__name__}: rule must be the name of a rule or one of the classes in "
            f"crosstrain.classic.multilayer.rules, not {rule!r}"
        )
    if isinstance(resolved(rule), LevenbergMarquardt) and estimator.error not in ("sse", "mse"):
        raise ValueError(
            f"{type(estimator).__name__}: Levenberg–Marquardt lowers a sum of squares: error must be "
            f"'sse' or 'mse' with it, not {estimator.error!r}"
        )


def check_hidden(estimator: Any) -> None:
    """:raises ValueError: the hidden layers' sizes are no whole numbers above 0."""
    hidden = estimator.hidden
    sizes = hidden if isinstance(hidden, tuple | list) else None
    if sizes is None or not all(isinstance(size, int | np.integer) and size > 0 for size in sizes):
        raise ValueError(
            f"{type(estimator).__name__}: hidden must be the units of each hidden layer, whole numbers "
            f"above 0 as in (10,), not {hidden!r}"
        )
