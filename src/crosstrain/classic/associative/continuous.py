"""Hopfield's continuous network: graded responses that settle like an electric circuit."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from crosstrain.classic import arrays, parameters
from crosstrain.classic.associative.patterns import read_patterns
from crosstrain.classic.associative.rules import RULES

NEARLY_ONE = 1 - 1e-12
"""The largest response: beyond it the inverse of tanh overflows."""


class ContinuousHopfield(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Hopfield's network with graded responses: du/dt = -u/τ + W v, v = tanh(gain · u).

    J. J. Hopfield (1984): Neurons with graded response have collective computational properties like those
    of two-state neurons. ``fit`` stores patterns of -1 and 1, ``transform`` integrates the equations (Euler)
    from responses between -1 and 1.

    Parameters
    ----------
    rule : {"hebb", "pseudo-inverse", "storkey"}, default="hebb"
        How the weights are learnt (see ``Hopfield``).
    gain : float, default=5.0
        Steepness of the response. Where it times the largest eigenvalue of W is below 1/τ, all decays to 0.
    time_constant : float, default=1.0
        τ.
    step : float, default=0.1
        Length of an integration step, in the unit of τ.
    max_steps : int, default=1000
        The most steps.
    tol : float, default=1e-6
        Stop once no response changes by more in a step.
    binarize : float or None, default=None
        For ``fit``: values above it count as 1, others as -1. None: ``X`` has to hold -1 and 1.

    Attributes
    ----------
    weights_ : ndarray of shape (n_features_in_, n_features_in_)
        Symmetric, with a zero diagonal.
    n_features_in_ : int

    Examples
    --------
    >>> from crosstrain.classic import ContinuousHopfield
    >>> memory = ContinuousHopfield().fit([[1, 1, 1, -1, -1, -1, 1, -1]])
    >>> memory.transform([[0.2, 0.1, 0.4, -0.3, 0.1, -0.2, 0.1, -0.9]]).round(2)
    array([[ 1.,  1.,  1., -1., -1., -1.,  1., -1.]])
    """

    def __init__(
        self,
        rule: str = "hebb",
        gain: float = 5.0,
        time_constant: float = 1.0,
        step: float = 0.1,
        max_steps: int = 1000,
        tol: float = 1e-6,
        binarize: float | None = None,
    ) -> None:
        self.rule = rule
        self.gain = gain
        self.time_constant = time_constant
        self.step = step
        self.max_steps = max_steps
        self.tol = tol
        self.binarize = binarize

    def fit(self, X: Any, y: Any = None) -> Self:
        """Store the rows of ``X`` (n_patterns, n_units). ``y`` is ignored."""
        parameters.one_of(self, "rule", tuple(RULES))
        parameters.within(self, "gain", "time_constant", "step", low=0, high=float("inf"), open_low=True)
        parameters.whole(self, "max_steps")
        patterns = read_patterns(self, X, reset=True, binarize=self.binarize)
        units = patterns.shape[1]
        self.weights_ = RULES[self.rule].learn(np.zeros((units, units)), patterns, patterns)
        return self

    def transform(self, X: Any) -> Any:
        """The responses that the network settles in from those in each row of ``X``; ones beyond -1 and 1 are
        cut there. Shape (n_samples, n_units)."""
        check_is_fitted(self)
        with arrays.double_precision(X):
            xp, X = arrays.read(self, X, reset=False)
            weights = arrays.like(self.weights_, X)
            response = xp.clip(X, -NEARLY_ONE, NEARLY_ONE)
            potential = xp.atanh(response) / self.gain
            for _ in range(self.max_steps):
                flow = response @ weights - potential / self.time_constant
                potential = potential + self.step * flow
                before, response = response, xp.tanh(self.gain * potential)
                if float(xp.max(xp.abs(response - before))) <= self.tol:
                    break
            return response

    def energy(self, X: Any) -> Any:
        """E = -½ vᵀWv + 1/τ Σ ∫₀ᵛ artanh(z)/gain dz of the responses v in each row of ``X``; shape
        (n_samples,). Along the equations' solution it never rises."""
        check_is_fitted(self)
        with arrays.double_precision(X):
            xp, X = arrays.read(self, X, reset=False)
            v = xp.clip(X, -NEARLY_ONE, NEARLY_ONE)
            weights = arrays.like(self.weights_, X)
            integral = v * xp.atanh(v) + 0.5 * xp.log1p(-v * v)
            stored = -0.5 * xp.sum((v @ weights) * v, axis=1)
            return stored + xp.sum(integral, axis=1) / (self.gain * self.time_constant)
