"""Approximation of a function of which only noisy values are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from crosstrain.classic.multilayer.perceptron import MultilayerPerceptronRegressor
from crosstrain.classic.radial.generalised_regression import GeneralisedRegression
from crosstrain.classic.radial.radial_basis import RadialBasisNetworkRegressor


@dataclass(frozen=True)
class Approximated:
    """Noisy ``values`` at ``x``, (samples,) each; on ``grid`` (points,) the function itself, ``truth``, and
    the ``estimates`` of each network by name. ``errors`` are root mean squares of estimate minus truth; those
    of a network that learns are below ``noise``, the deviation of the values."""

    x: np.ndarray
    values: np.ndarray
    grid: np.ndarray
    truth: np.ndarray
    estimates: Mapping[str, np.ndarray]
    errors: Mapping[str, float]
    noise: float


def regressors(seed: int = 0) -> dict[str, Any]:
    """The networks that are compared unless others are given."""
    return {
        "multilayer perceptron": MultilayerPerceptronRegressor((8,), max_iter=200, random_state=seed),
        "radial basis": RadialBasisNetworkRegressor(12, alpha=1e-3, random_state=seed),
        "generalised regression": GeneralisedRegression(),
    }


def approximation(
    function: Callable[[np.ndarray], np.ndarray] = lambda x: np.sin(2 * np.pi * x),
    networks: Mapping[str, Any] | None = None,
    *,
    samples: int = 200,
    noise: float = 0.2,
    seed: int = 0,
) -> Approximated:
    """Let each network (default: ``regressors``) learn ``function`` on 0 to 1 from ``samples`` values with
    Gaussian noise of the deviation ``noise``."""
    random = np.random.default_rng(seed)
    x = np.sort(random.random(samples))
    values = function(x) + noise * random.standard_normal(samples)
    grid = np.linspace(0, 1, 201)
    truth = function(grid)
    estimates = {
        name: np.asarray(clone(network).fit(x[:, None], values).predict(grid[:, None]))
        for name, network in (regressors(seed) if networks is None else networks).items()
    }
    errors = {name: float(np.sqrt(np.mean((y - truth) ** 2))) for name, y in estimates.items()}
    return Approximated(x, values, grid, truth, estimates, errors, noise)
