"""The restricted Boltzmann machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.linalg.blas import dgemm
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import arrays, parameters
from crosstrain.classic.stochastic.machine import Gradient, Machine, difference, positive
from crosstrain.classic.stochastic.negative import (
    ContrastiveDivergence,
    Negative,
    ParallelTempering,
    Persistent,
    gibbs,
)
from crosstrain.classic.stochastic.units import VISIBLE, bernoulli

METHODS = ("cd", "pcd", "pt")
WATCHED = 128
"""Rows whose reconstruction is watched."""


class RBM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Restricted Boltzmann machine: visible and hidden units joined by weights, p(v, h) ∝ exp(vᵀWh + bᵀv +
    cᵀh).

    P. Smolensky (1986): Information processing in dynamical systems; G. Hinton (2002): Training products of
    experts by minimizing contrastive divergence. ``transform`` gives the means of the hidden units.

    Parameters
    ----------
    n_components : int, default=256
        Hidden units.
    visible : {"bernoulli", "gaussian"}, default="bernoulli"
        Visible units of 0 and 1 (``X`` may hold probabilities between), or real ones of variance 1.
    method : {"cd", "pcd", "pt"}, default="cd"
        Where the negative phase starts: contrastive divergence at the data, persistent at its own last states
        (T. Tieleman 2008), parallel tempering likewise at several temperatures (G. Desjardins et al. 2010).
    steps : int, default=1
        Steps of Gibbs sampling for each update (the k of CD-k).
    learning_rate : float, default=0.1
    momentum : float, default=0.0
    weight_decay : float, default=0.0
        Each update shrinks the weights by ``learning_rate · weight_decay``.
    batch_size : int, default=10
        Also the number of persistent chains.
    n_iter : int, default=10
        Passes over the data.
    n_temperatures : int, default=5
        Of parallel tempering.
    min_beta : float, default=0.2
        Lowest inverse temperature of parallel tempering; they rise evenly to 1.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features_in_)
        W.
    intercept_visible_ : ndarray of shape (n_features_in_,)
        b.
    intercept_hidden_ : ndarray of shape (n_components,)
        c.
    errors_ : list of float
        Mean squared difference between the data (its first 128 rows) and its reconstruction after each
        pass.
    n_iter_ : int
        Passes that were made.
    n_features_in_ : int

    Notes
    -----
    The hidden units' means, not states, enter the statistics (G. Hinton 2010: A practical guide to training
    restricted Boltzmann machines). Learning computes in NumPy, ``transform`` in the library of ``X``.

    Examples
    --------
    >>> import numpy as np
    >>> from crosstrain.classic import RBM
    >>> X = np.repeat([[1, 1, 0, 0], [0, 0, 1, 1]], 50, axis=0)
    >>> rbm = RBM(n_components=2, n_iter=100, random_state=0).fit(X)
    >>> bool(rbm.errors_[-1] < rbm.errors_[0])
    True
    """

    def __init__(
        self,
        n_components: int = 256,
        visible: str = "bernoulli",
        method: str = "cd",
        steps: int = 1,
        learning_rate: float = 0.1,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        batch_size: int = 10,
        n_iter: int = 10,
        n_temperatures: int = 5,
        min_beta: float = 0.2,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.visible = visible
        self.method = method
        self.steps = steps
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.n_temperatures = n_temperatures
        self.min_beta = min_beta
        self.random_state = random_state

    # -- learning ------------------------------------------------------------------------------------
    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from the rows of ``X`` (n_samples, n_features); between 0 and 1 for Bernoulli units. ``y`` is
        ignored."""
        self._check_parameters()
        data = self._read(X, reset=True)
        self._begin(data.shape[1])
        for _ in range(self.n_iter):
            order, machine = self._random.permutation(len(data)), self._machine()
            for start in range(0, len(order), self.batch_size):
                self._update(machine, data, order[start : start + self.batch_size])
            self._note(data)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """One update on the rows of ``X`` as a batch. Persistent chains and momentum go on from the last
        one."""
        fresh = not hasattr(self, "components_")
        if fresh:
            self._check_parameters()
        data = self._read(X, reset=fresh)
        if fresh:
            self._begin(data.shape[1])
        self._update(self._machine(), data, np.arange(len(data)))
        self._note(data)
        return self

    # -- what the machine knows ----------------------------------------------------------------------
    def transform(self, X: Any) -> Any:
        """P(h = 1 | v) for each row v of ``X``; shape (n_samples, n_components)."""
        check_is_fitted(self)
        if not arrays.is_foreign(X):
            return self._machine().hidden_mean(self._read(X, reset=False))
        with arrays.double_precision(X):
            xp, X = arrays.read(self, X, reset=False)
            weights, bias = (arrays.like(each, X) for each in (self.components_, self.intercept_hidden_))
            return 0.5 * xp.tanh(0.5 * (X @ weights.T + bias)) + 0.5

    def reconstruct(self, X: Any) -> Any:
        """The means of the visible units given the means of the hidden ones for ``X``; shape of ``X``."""
        data, machine = self._fitted(X)
        return arrays.like(machine.visible.mean(machine.visible_field(machine.hidden_mean(data))), X)

    def gibbs(self, X: Any, steps: int = 1) -> Any:
        """Visible states after ``steps`` of Gibbs sampling from ``X``; shape of ``X``. Drawn with
        ``random_state`` anew in each call."""
        data, machine = self._fitted(X)
        random = self._generator()
        return arrays.like(gibbs(machine, bernoulli(machine.hidden_mean(data), random), steps, random)[0], X)

    def sample(self, n_samples: int = 1, steps: int = 1000) -> np.ndarray:
        """Visible states from ``steps`` of Gibbs sampling that start at random; (n_samples,
        n_features_in_)."""
        check_is_fitted(self)
        random, machine = self._generator(), self._machine()
        start = bernoulli(np.full((n_samples, len(machine.hidden_bias)), 0.5), random)
        return gibbs(machine, start, steps, random)[0]

    def free_energy(self, X: Any) -> Any:
        """F(v) = -ln Σₕ exp(-E(v, h)) of each row; shape (n_samples,)."""
        data, machine = self._fitted(X)
        return arrays.like(machine.free_energy(data), X)

    def score_samples(self, X: Any) -> Any:
        """The log-likelihood ln p(v) of each row, exact; shape (n_samples,).

        :raises ValueError: there are more than 20 hidden units, too many to sum over.
        """
        data, machine = self._fitted(X)
        return arrays.like(-machine.free_energy(data) - machine.log_partition(), X)

    def gradient(self, X: Any, *, method: str = "exact", steps: int = 1) -> Gradient:
        """The gradient of the mean log-likelihood of ``X``: exact (at most 20 hidden units), or as CD-k with
        ``steps`` estimates it (``method`` "cd"), one chain for each row."""
        if method not in ("exact", "cd"):
            raise ValueError(f"the gradient is exact or cd, not {method!r}")
        data, machine = self._fitted(X)
        clamped = positive(machine, data)
        if method == "exact":
            return difference(clamped, machine.expectation())
        negative = ContrastiveDivergence(steps)
        free, hidden = negative(machine, machine.hidden_mean(data), self._generator())
        rows = len(free)
        return difference(clamped, Gradient(hidden.T @ free / rows, free.mean(axis=0), hidden.mean(axis=0)))

    @property
    def _n_features_out(self) -> int:
        return len(self.intercept_hidden_)

    # -- inside --------------------------------------------------------------------------------------
    def _check_parameters(self) -> None:
        parameters.whole(self, "n_components", "steps", "batch_size", "n_iter", "n_temperatures")
        parameters.within(self, "learning_rate", low=0, high=float("inf"), open_low=True)
        parameters.within(self, "weight_decay", low=0, high=float("inf"))
        parameters.within(self, "momentum", low=0, high=1)
        parameters.within(self, "min_beta", low=0, high=1, open_low=True)
        parameters.one_of(self, "visible", tuple(VISIBLE))
        parameters.one_of(self, "method", METHODS)

    def _read(self, X: Any, reset: bool) -> np.ndarray:
        data = arrays.to_numpy(arrays.read(self, X, reset=reset)[1])
        if self.visible == "bernoulli" and ((data < 0) | (data > 1)).any():
            raise ValueError(
                "Bernoulli units take values from 0 to 1, and X has others; scale X, or standardise it "
                "and set visible='gaussian'"
            )
        return data

    def _generator(self) -> np.random.Generator:
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        return np.random.Generator(np.random.SFC64(seed))

    def _begin(self, features: int) -> None:
        self._random = self._generator()
        self.components_ = self._random.normal(0, 0.01, (self.n_components, features))
        self.intercept_visible_ = np.zeros(features)
        self.intercept_hidden_ = np.zeros(self.n_components)
        self._velocity = np.zeros_like(self.components_) if self.momentum else None
        self._bias_velocity = np.zeros(features + self.n_components)
        self._negative = self._negative_phase()
        self._phases: _Phases | None = None
        self.errors_: list[float] = []
        self.n_iter_ = 0

    def _negative_phase(self) -> Negative | Persistent:
        if self.method == "cd":
            return ContrastiveDivergence(self.steps)
        if self.method == "pcd":
            return Persistent(self.steps, self.batch_size)
        betas = (
            np.linspace(self.min_beta, 1.0, self.n_temperatures) if self.n_temperatures > 1 else np.ones(1)
        )
        return ParallelTempering(self.steps, self.batch_size, betas)

    def _machine(self) -> Machine:
        return Machine(
            self.components_, self.intercept_visible_, self.intercept_hidden_, VISIBLE[self.visible]
        )

    def _fitted(self, X: Any) -> tuple[np.ndarray, Machine]:
        check_is_fitted(self)
        return self._read(X, reset=False), self._machine()

    def _note(self, data: np.ndarray) -> None:
        machine, rows = self._machine(), data[:WATCHED]
        again = machine.visible.mean(machine.visible_field(machine.hidden_mean(rows)))
        self.errors_.append(float(np.mean((rows - again) ** 2)))
        self.n_iter_ += 1

    def _update(self, machine: Machine, data: np.ndarray, batch: np.ndarray) -> None:
        """One step along the gradient that the rows ``batch`` of ``data`` give, in the machine's arrays."""
        rows = len(batch)
        if self._phases is None or self._phases.rows != rows:
            self._phases = _Phases.of(machine, rows, self._negative.rows(rows), self.learning_rate)
        v, h, shares = self._phases.v, self._phases.h, self._phases.shares
        np.take(data, batch, 0, v[:rows], "clip")  # other modes copy once more
        if isinstance(self._negative, Persistent):
            self._negative.visible(machine, self._random, v[rows:])
            machine.hidden_mean(v, h)  # both phases at once
            self._negative.keep(h[rows:], self._random)
        else:
            hidden = machine.hidden_mean(v[:rows], h[:rows])
            self._negative(machine, hidden, self._random, (v[rows:], h[rows:]))
        step = self._phases.step
        features = v.shape[1]
        np.dot(shares, v, step[:features])
        np.dot(shares, h, step[features:])
        smaller = v if features < h.shape[1] else h
        smaller *= shares[:, None]
        # Both phases in one product: it adds to the weights in place, without an array of their size between.
        shrink = 1.0 - self.learning_rate * self.weight_decay
        if self._velocity is None:
            _add_product(self.components_, h, v, shrink)
        else:
            _add_product(self._velocity, h, v, self.momentum)
            self.components_ *= shrink
            self.components_ += self._velocity
            step += self.momentum * self._bias_velocity
            self._bias_velocity[:] = step
        self.intercept_visible_ += step[:features]
        self.intercept_hidden_ += step[features:]


@dataclass
class _Phases:
    """Room for an update: states of the data's rows, then of the negative phase's.

    ``v`` and ``h`` are (rows of both, units), ``shares`` (rows of both,) is each row's part of the step and
    ``step`` (visible + hidden,) that of the biases.
    """

    rows: int
    v: np.ndarray
    h: np.ndarray
    shares: np.ndarray
    step: np.ndarray

    @classmethod
    def of(cls, machine: Machine, rows: int, free: int, learning_rate: float) -> _Phases:
        hidden, visible = machine.weights.shape
        shares = np.repeat([learning_rate / rows, -learning_rate / free], [rows, free])
        both = rows + free
        return cls(
            rows, np.empty((both, visible)), np.empty((both, hidden)), shares, np.empty(visible + hidden)
        )


def _add_product(target: np.ndarray, h: np.ndarray, v: np.ndarray, keep: float) -> None:
    """target = keep · target + hᵀ v, in place. BLAS counts columns first, so it is given the transposes."""
    dgemm(1.0, v.T, h.T, beta=keep, c=target.T, trans_b=True, overwrite_c=True)
