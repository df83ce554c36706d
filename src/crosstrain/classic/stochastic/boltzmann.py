"""The Boltzmann machine: any unit joined to any other."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import arrays, parameters
from crosstrain.classic.associative.patterns import read_patterns
from crosstrain.classic.dynamics import energy
from crosstrain.classic.stochastic.annealing import Annealed, anneal, gibbs_sweep, mean_field
from crosstrain.classic.stochastic.cooling import cooling

POSITIVE = ("mean-field", "gibbs")
LARGEST = 20


class BoltzmannMachine(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Boltzmann machine: units of 0 and 1, all joined, with p(s) ∝ exp(-E(s) / T), E = -½ sᵀWs - bᵀs.

    D. Ackley, G. Hinton, T. Sejnowski (1985): A learning algorithm for Boltzmann machines. ``fit`` learns the
    distribution of the rows of ``X``; ``transform`` gives the means of the hidden units. With
    ``set_weights`` it minimises an energy of one's own (``anneal``).

    Parameters
    ----------
    n_components : int, default=8
        Hidden units; 0 for none.
    learning_rate : float, default=0.05
    n_iter : int, default=200
        Updates, each on all of ``X``.
    positive : {"mean-field", "gibbs"}, default="mean-field"
        How the hidden units' statistics are taken with the visible ones held.
    n_chains : int, default=100
        Chains of the free phase; they go on from update to update.
    first_temperature : float, default=4.0
        Where annealing starts: of the chains before the first update, and in ``anneal``.
    last_temperature : float, default=0.1
        Where ``anneal`` ends. Learning is at temperature 1.
    cooling_steps : int, default=100
        Temperatures between them, a sweep over all units at each.
    schedule : {"geometric", "linear", "logarithmic"}, default="geometric"
    binarize : float or None, default=None
        Values above it count as 1, others as 0. None: ``X`` has to hold 0 and 1.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    weights_ : ndarray of shape (n_units, n_units)
        W, visible units first; symmetric, with a zero diagonal.
    bias_ : ndarray of shape (n_units,)
    n_iter_ : int
    n_features_in_ : int

    Notes
    -----
    The free phase goes on from its last states instead of being annealed for each update (R. Neal 1992; T.
    Tieleman 2008): with small steps the chains stay in equilibrium.

    Examples
    --------
    >>> from crosstrain.classic import BoltzmannMachine
    >>> machine = BoltzmannMachine(n_components=0, n_iter=300, random_state=0).fit([[0, 0], [1, 1]])
    >>> bool(machine.weights_[0, 1] > 1)  # the two units are 1 together
    True
    """

    def __init__(
        self,
        n_components: int = 8,
        learning_rate: float = 0.05,
        n_iter: int = 200,
        positive: str = "mean-field",
        n_chains: int = 100,
        first_temperature: float = 4.0,
        last_temperature: float = 0.1,
        cooling_steps: int = 100,
        schedule: str = "geometric",
        binarize: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.n_iter = n_iter
        self.positive = positive
        self.n_chains = n_chains
        self.first_temperature = first_temperature
        self.last_temperature = last_temperature
        self.cooling_steps = cooling_steps
        self.schedule = schedule
        self.binarize = binarize
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the distribution of the rows of ``X`` (n_samples, n_features). ``y`` is ignored."""
        self._check_parameters()
        data = read_patterns(self, X, reset=True, binarize=self.binarize, low=0.0)
        visible, units = data.shape[1], data.shape[1] + self.n_components
        random = self._generator()
        self.weights_ = _symmetric(random.normal(0, 0.01, (units, units)))
        means = np.clip(data.mean(axis=0), 0.01, 0.99)
        self.bias_ = np.concatenate([np.log(means / (1 - means)), np.zeros(self.n_components)])
        chains = np.where(random.random((units, self.n_chains)) < 0.5, 1.0, 0.0)
        for temperature in cooling(self.first_temperature, 1.0, self.cooling_steps, self.schedule):
            gibbs_sweep(chains, self.weights_, self.bias_, temperature, random)
        hidden = np.arange(visible, units)
        clamped = np.vstack([data.T, np.full((self.n_components, len(data)), 0.5)])
        for _ in range(self.n_iter):
            self._fill_hidden(clamped, hidden, random)
            gibbs_sweep(chains, self.weights_, self.bias_, 1.0, random)
            pairs = clamped @ clamped.T / len(data) - chains @ chains.T / self.n_chains
            self.weights_ += self.learning_rate * _symmetric(pairs)
            self.bias_ += self.learning_rate * (clamped.mean(axis=1) - chains.mean(axis=1))
        self.n_iter_ = self.n_iter
        return self

    def set_weights(self, weights: Any, bias: Any) -> Self:
        """Take weights and biases of one's own, all units visible, instead of learning them: the machine then
        minimises E(s) = -½ sᵀWs - bᵀs (``anneal``).

        :raises ValueError: the weights are not symmetric with a zero diagonal, or do not fit the biases.
        """
        weights, bias = np.array(weights, dtype=float), np.array(bias, dtype=float)
        if weights.shape != (len(bias), len(bias)):
            raise ValueError(f"weights of shape {weights.shape} do not fit {len(bias)} biases")
        if not np.array_equal(weights, weights.T) or np.diagonal(weights).any():
            raise ValueError("weights have to be symmetric with a zero diagonal")
        self.weights_, self.bias_ = weights, bias
        self.n_features_in_ = len(bias)
        return self

    def transform(self, X: Any) -> Any:
        """The means of the hidden units, in the mean field, with the visible ones held at the rows of ``X``;
        shape (n_samples, n_components)."""
        states, hidden = self._clamped(X)
        mean_field(states, self.weights_, self.bias_, units=hidden)
        return arrays.like(np.ascontiguousarray(states[hidden].T), X)

    def energy(self, states: Any) -> Any:
        """E of each row of ``states``, all units of it, (n_states, n_units); shape (n_states,)."""
        check_is_fitted(self)
        values = np.asarray(arrays.to_numpy(states), dtype=float)
        return arrays.like(energy(values, self.weights_, self.bias_), states)

    def anneal(self, runs: int = 10) -> Annealed:
        """States of low energy: ``runs`` annealings through the temperature schedule, lowest energy first."""
        check_is_fitted(self)
        temperatures = cooling(
            self.first_temperature, self.last_temperature, self.cooling_steps, self.schedule
        )
        return anneal(self.weights_, self.bias_, temperatures, runs, self._generator())

    def sample(self, n_samples: int = 1, steps: int = 1000) -> np.ndarray:
        """Visible states after ``steps`` sweeps at temperature 1 from random ones; (n_samples,
        n_features_in_)."""
        check_is_fitted(self)
        random = self._generator()
        states = np.where(random.random((len(self.bias_), n_samples)) < 0.5, 1.0, 0.0)
        for _ in range(steps):
            gibbs_sweep(states, self.weights_, self.bias_, 1.0, random)
        return np.ascontiguousarray(states[: self.n_features_in_].T)

    def score_samples(self, X: Any) -> Any:
        """The log-likelihood ln p(v) of each row, exact; shape (n_samples,).

        :raises ValueError: there are more than 20 units, too many to sum over their states.
        """
        check_is_fitted(self)
        units = len(self.bias_)
        if units > LARGEST:
            raise ValueError(f"the exact value sums over 2^{units} states; it is for at most {LARGEST} units")
        data = read_patterns(self, X, reset=False, binarize=self.binarize, low=0.0)
        states = (np.arange(1 << units)[:, None] >> np.arange(units) & 1).astype(float)
        log_weights = -energy(states, self.weights_, self.bias_)
        keys = states[:, : data.shape[1]] @ (1 << np.arange(data.shape[1]))
        by_visible = np.array([logsumexp(log_weights[keys == key]) for key in range(1 << data.shape[1])])
        rows = (data @ (1 << np.arange(data.shape[1]))).astype(int)
        return arrays.like(by_visible[rows] - logsumexp(log_weights), X)

    @property
    def _n_features_out(self) -> int:
        return len(self.bias_) - self.n_features_in_

    # -- inside --------------------------------------------------------------------------------------
    def _check_parameters(self) -> None:
        parameters.one_of(self, "positive", POSITIVE)
        parameters.whole(self, "n_components", least=0)
        parameters.whole(self, "n_iter", "n_chains", "cooling_steps")
        parameters.within(self, "learning_rate", low=0, high=float("inf"), open_low=True)
        parameters.within(self, "first_temperature", low=1, high=float("inf"))  # where learning is

    def _generator(self) -> np.random.Generator:
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        return np.random.Generator(np.random.SFC64(seed))

    def _fill_hidden(self, states: np.ndarray, hidden: np.ndarray, random: np.random.Generator) -> None:
        if self.positive == "mean-field":
            mean_field(states, self.weights_, self.bias_, units=hidden, max_iter=10, tol=1e-3)
        else:
            gibbs_sweep(states, self.weights_, self.bias_, 1.0, random, hidden)

    def _clamped(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """States (units, rows) with the visible units at ``X`` and the hidden ones at ½, and the latter's
        numbers."""
        check_is_fitted(self)
        data = read_patterns(self, X, reset=False, binarize=self.binarize, low=0.0)
        hidden = np.arange(self.n_features_in_, len(self.bias_))
        return np.vstack([data.T, np.full((len(hidden), len(data)), 0.5)]), hidden


def _symmetric(matrix: np.ndarray) -> np.ndarray:
    symmetric: np.ndarray = (matrix + matrix.T) / 2
    np.fill_diagonal(symmetric, 0.0)
    return symmetric
