"""Elman's and Jordan's networks, which learn a series."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import arrays, parameters
from crosstrain.classic.arrays import Array
from crosstrain.classic.multilayer.errors import ERRORS, BoundError
from crosstrain.classic.multilayer.initialise import INITIALISATIONS
from crosstrain.classic.multilayer.network import Network
from crosstrain.classic.multilayer.perceptron import (
    HIDDEN_TRANSFERS,
    REGRESSION_ERRORS,
    check_rule,
    first_weights,
    resolved,
)
from crosstrain.classic.multilayer.rules import Rule
from crosstrain.classic.multilayer.training import train
from crosstrain.classic.multilayer.transfer import TRANSFERS, BoundTransfer
from crosstrain.classic.recurrent.unrolled import Feedback, UnrolledObjective, unrolled
from crosstrain.classic.targets import read_targets


class _SimpleRecurrent(RegressorMixin, BaseEstimator):
    """What both networks share; they differ in what comes back."""

    hidden: int
    transfer: str
    output: str
    error: str
    rule: str | Rule
    initialisation: str
    through_time: bool
    max_iter: int
    goal: float | None
    random_state: Any

    @abstractmethod
    def _feedback(self) -> Feedback:
        """What comes back; checks its parameters."""

    @arrays.in_double_precision
    def fit(self, X: Any, y: Any) -> Self:
        """Learns from one series: ``X`` (steps, features) and ``y`` (steps,) or (steps, outputs), in order of
        time.

        Warns (``ConvergenceWarning``) where a goal was set and not reached.

        :raises ValueError: a parameter or the data is not as it should be.
        """
        feedback = self._feedback()
        parameters.whole(self, "hidden", "max_iter")
        parameters.one_of(self, "transfer", HIDDEN_TRANSFERS)
        parameters.one_of(self, "output", HIDDEN_TRANSFERS)
        parameters.one_of(self, "error", REGRESSION_ERRORS)
        parameters.one_of(self, "initialisation", tuple(INITIALISATIONS))
        check_rule(self)
        inputs = arrays.to_numpy(arrays.read(self, X, reset=True)[1])
        targets, self._flat = read_targets(self, inputs, y)
        names = [self.transfer, self.output]
        outputs = targets.shape[1]
        context = feedback.size(self.hidden, outputs)
        network = self._network((inputs.shape[1] + context, self.hidden, outputs))
        objective = UnrolledObjective(
            network,
            feedback,
            BoundError(ERRORS[self.error], arrays.namespace()),
            inputs,
            targets,
            through_time=self.through_time,
        )
        # The context is taken to range from -1 to 1, as the first layer's outputs mostly do.
        known = np.column_stack([inputs, np.tile(np.resize([-1.0, 1.0], len(inputs))[:, None], context)])
        start = first_weights(
            self.initialisation, check_random_state(self.random_state), known, network.sizes, names
        )
        trained = train(
            resolved(self.rule),
            objective,
            start,
            max_iter=self.max_iter,
            goal=self.goal,
            name=type(self).__name__,
        )
        (hidden, self.hidden_intercept_), (self.output_coef_, self.output_intercept_) = network.split(
            trained.weights
        )
        self.input_coef_, self.context_coef_ = hidden[:, : inputs.shape[1]], hidden[:, inputs.shape[1] :]
        self._weights = trained.weights
        self.loss_curve_, self.loss_ = trained.losses, trained.losses[-1]
        self.n_iter_ = len(trained.losses) - 1
        self.n_evaluations_ = objective.n_evaluations
        return self

    @arrays.in_double_precision
    def predict(self, X: Any) -> Array:
        """What follows each step of the series ``X`` (steps, features), from an empty context on."""
        check_is_fitted(self)
        inputs = arrays.to_numpy(arrays.read(self, X, reset=False)[1])
        sizes = (
            self.input_coef_.shape[1] + self.context_coef_.shape[1],
            self.hidden,
            len(self.output_intercept_),
        )
        network = self._network(sizes)
        signals = unrolled(network, self._feedback(), self._weights, inputs)
        outputs = network.forward(self._weights, signals)[-1].outputs
        return arrays.like(outputs[:, 0] if self._flat else outputs, X)

    def _network(self, sizes: tuple[int, ...]) -> Network:
        xp = arrays.namespace()
        return Network(
            sizes, [BoundTransfer(TRANSFERS[name], xp) for name in (self.transfer, self.output)], xp
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class Elman(_SimpleRecurrent):
    """Elman's network: the hidden units also hear what they said a step before.

    Elman, "Finding structure in time" (Cognitive Science 14, 1990). The rows of ``X`` are the steps of one
    series.

    Parameters
    ----------
    hidden : int, default=10
        Hidden units.
    transfer : str, default="tanh"
        The hidden units' transfer function, as :class:`~crosstrain.classic.MultilayerPerceptronRegressor` has
        them.
    output : str, default="identity"
        The outputs' transfer function.
    error : str, default="mse"
        What training lowers: "sse", "sae", "mse" or "mae".
    rule : str or a rule, default="lbfgs"
        The training rule, as :class:`~crosstrain.classic.MultilayerPerceptronRegressor` has them.
    initialisation : str, default="random"
        First weights: "nguyen-widrow", "random" or "midpoint".
    through_time : bool, default=True
        Whether errors go back through the context, to all steps before. False: the context counts as an
        input, as Elman had it; then the gradient is not that of the error, and only the descent and resilient
        rules suit.
    max_iter : int, default=200
        Most iterations.
    goal : float or None, default=None
        Training stops when the error is below it, and warns (``ConvergenceWarning``) if it never was.
    random_state : int, RandomState or None, default=None
        Of the first weights.

    Attributes
    ----------
    input_coef_ : array (hidden, features)
        Weights from the inputs.
    context_coef_ : array (hidden, hidden)
        Weights from the context.
    hidden_intercept_ : array (hidden,)
        The hidden units' biases.
    output_coef_, output_intercept_ : arrays (outputs, hidden) and (outputs,)
        Weights and biases of the outputs.
    loss_curve_ : list of float
        The error at the start and after each iteration.
    loss_ : float
        The last error.
    n_iter_ : int
        Iterations run.
    n_evaluations_ : int
        How often the error (and its gradient) was computed.
    n_features_in_ : int
        Number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import Elman
    >>> bits = np.random.RandomState(0).randint(0, 2, 60).astype(float)
    >>> changed = np.abs(np.diff(bits, prepend=0.0))  # needs the bit before
    >>> network = Elman(8, random_state=0).fit(bits[:, None], changed)
    >>> bool(np.abs(network.predict(bits[:, None]) - changed).max() < 0.1)
    True
    """

    def __init__(
        self,
        hidden: int = 10,
        *,
        transfer: str = "tanh",
        output: str = "identity",
        error: str = "mse",
        rule: str | Rule = "lbfgs",
        initialisation: str = "random",
        through_time: bool = True,
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
        self.through_time = through_time
        self.max_iter = max_iter
        self.goal = goal
        self.random_state = random_state

    def _feedback(self) -> Feedback:
        return Feedback(of_output=False)


class Jordan(_SimpleRecurrent):
    """Jordan's network: the hidden units also hear what the network answered before.

    Jordan, "Attractor dynamics and parallelism in a connectionist sequential machine" (Cognitive Science
    Society, 1986). The rows of ``X`` are the steps of one series.

    Parameters
    ----------
    hidden, transfer, output, error, rule, initialisation, through_time, max_iter, goal, random_state
        As :class:`Elman` has them.
    memory : float, default=0.5
        Share of the context that stays in the next step's, from 0 to 1; the last answer is added.

    Attributes
    ----------
    input_coef_ : array (hidden, features)
        Weights from the inputs.
    context_coef_ : array (hidden, outputs)
        Weights from the context.
    hidden_intercept_ : array (hidden,)
        The hidden units' biases.
    output_coef_, output_intercept_ : arrays (outputs, hidden) and (outputs,)
        Weights and biases of the outputs.
    loss_curve_ : list of float
        The error at the start and after each iteration.
    loss_ : float
        The last error.
    n_iter_ : int
        Iterations run.
    n_evaluations_ : int
        How often the error (and its gradient) was computed.
    n_features_in_ : int
        Number of features.

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import Jordan
    >>> pulses = np.zeros((30, 1)); pulses[::10] = 1.0
    >>> fading = 0.6 ** (np.arange(30) % 10)  # needs the answer before
    >>> network = Jordan(6, random_state=0).fit(pulses, fading)
    >>> bool(network.loss_ < 0.1 * network.loss_curve_[0])
    True
    """

    def __init__(
        self,
        hidden: int = 10,
        *,
        memory: float = 0.5,
        transfer: str = "tanh",
        output: str = "identity",
        error: str = "mse",
        rule: str | Rule = "lbfgs",
        initialisation: str = "random",
        through_time: bool = True,
        max_iter: int = 200,
        goal: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.memory = memory
        self.transfer = transfer
        self.output = output
        self.error = error
        self.rule = rule
        self.initialisation = initialisation
        self.through_time = through_time
        self.max_iter = max_iter
        self.goal = goal
        self.random_state = random_state

    def _feedback(self) -> Feedback:
        parameters.within(self, "memory", low=0.0, high=1.0)
        return Feedback(of_output=True, memory=self.memory)
