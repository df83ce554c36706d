"""The classical networks, from the perceptron to deep belief nets, as scikit-learn estimators.

Every class follows scikit-learn's conventions (``fit``, ``predict``, ``transform``, ``score``,
``get_params``, ``random_state``) and computes in float64. Arrays of NumPy, PyTorch, JAX or CuPy may go
in; what comes out is of the same kind (:mod:`crosstrain.classic.arrays`). One folder for each family:

- ``single_layer``: perceptron, Adaline, Madaline;
- ``multilayer``: the multilayer perceptron and its training rules, from descent to Levenberg–Marquardt;
- ``radial``: radial basis, generalised regression and probabilistic networks;
- ``competitive``: winner takes all, Hamming, Kohonen's map, neural gas, LVQ, ART;
- ``associative``: Hopfield, bidirectional memory, Elman, Jordan, cellular networks;
- ``stochastic``: Boltzmann machines, deep belief and deep stacking networks;
- ``tasks``: worked examples; ``pictures``: what they draw; ``neurolab``: NeuroLab's own calls.
"""

from __future__ import annotations

import importlib
from typing import Any

MODULES = {
    "ART1": "competitive.adaptive_resonance",
    "CounterPropagation": "competitive.counter_propagation",
    "FuzzyART": "competitive.adaptive_resonance",
    "GeneralisedRegression": "radial.generalised_regression",
    "GrowingNeuralGas": "competitive.growing_neural_gas",
    "HammingNetwork": "competitive.hamming",
    "Instar": "competitive.stars",
    "LVQ": "competitive.lvq",
    "Outstar": "competitive.stars",
    "ProbabilisticNetwork": "radial.probabilistic",
    "RadialBasisNetworkClassifier": "radial.radial_basis",
    "RadialBasisNetworkRegressor": "radial.radial_basis",
    "SelfOrganizingMap": "competitive.self_organizing_map",
    "WinnerTakesAll": "competitive.winner_takes_all",
}
"""Each estimator's module; it loads when the estimator is first asked for."""

__all__ = list(MODULES)


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *MODULES})
