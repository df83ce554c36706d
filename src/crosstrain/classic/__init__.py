"""The classical networks, from the perceptron to deep belief nets, as scikit-learn estimators.

Every class follows scikit-learn's conventions (``fit``, ``predict``, ``transform``, ``score``,
``get_params``, ``random_state``) and computes in float64. Arrays of NumPy, PyTorch, JAX or CuPy may go
in; what comes out is of the same kind (:mod:`crosstrain.classic.arrays`). One folder for each family:

- ``single_layer``: perceptron, Adaline, Madaline;
- ``multilayer``: the multilayer perceptron and its training rules, from descent to Levenberg–Marquardt;
- ``radial``: radial basis, generalised regression and probabilistic networks;
- ``competitive``: winner takes all, Hamming, Kohonen's map, neural gas, LVQ, ART;
- ``recurrent``: Elman, Jordan;
- ``associative``: Hopfield, bidirectional memory, cellular networks;
- ``stochastic``: Boltzmann machines, deep belief and deep stacking networks;
- ``tasks``: worked examples; ``pictures``: what they draw; ``neurolab``: NeuroLab's own calls.
"""

from __future__ import annotations

import importlib
from typing import Any

PREFIX = "classic:"
"""Begins the name of an estimator among the networks of a comparison."""

MODULES = {
    "ART1": "competitive.adaptive_resonance",
    "Adaline": "single_layer.adaline",
    "BidirectionalAssociativeMemory": "associative.bidirectional",
    "BinaryHopfield": "associative.threshold",
    "BoltzmannMachine": "stochastic.boltzmann",
    "CapacityWarning": "associative.capacity",
    "CellularNetwork": "associative.cellular",
    "ContinuousHopfield": "associative.continuous",
    "CounterPropagation": "competitive.counter_propagation",
    "DeepBeliefNetwork": "stochastic.belief",
    "DeepStackingNetwork": "stochastic.stacking",
    "DenseAssociativeMemory": "associative.modern",
    "Elman": "recurrent.networks",
    "FuzzyART": "competitive.adaptive_resonance",
    "GeneralisedRegression": "radial.generalised_regression",
    "GrowingNeuralGas": "competitive.growing_neural_gas",
    "HammingNetwork": "competitive.hamming",
    "Hopfield": "associative.hopfield",
    "Instar": "competitive.stars",
    "Jordan": "recurrent.networks",
    "LVQ": "competitive.lvq",
    "Madaline": "single_layer.madaline",
    "ModernHopfield": "associative.modern",
    "MultilayerPerceptronClassifier": "multilayer.perceptron",
    "MultilayerPerceptronRegressor": "multilayer.perceptron",
    "Outstar": "competitive.stars",
    "Perceptron": "single_layer.perceptron",
    "ProbabilisticNetwork": "radial.probabilistic",
    "RBM": "stochastic.rbm",
    "RadialBasisNetworkClassifier": "radial.radial_basis",
    "RadialBasisNetworkRegressor": "radial.radial_basis",
    "SelfOrganizingMap": "competitive.self_organizing_map",
    "Template": "associative.templates",
    "WinnerTakesAll": "competitive.winner_takes_all",
    "capacity_curve": "associative.capacity",
    "cooling": "stochastic.cooling",
    "theoretical_overlap": "associative.capacity",
}
"""Each estimator's module; it loads when the estimator is first asked for."""

__all__ = list(MODULES)


def __getattr__(name: str) -> Any:
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *MODULES})
