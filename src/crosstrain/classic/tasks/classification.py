"""Classification: several networks on the same data, in the same folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from crosstrain.classic.competitive.lvq import LVQ
from crosstrain.classic.multilayer.perceptron import MultilayerPerceptronClassifier
from crosstrain.classic.radial.probabilistic import ProbabilisticNetwork
from crosstrain.classic.radial.radial_basis import RadialBasisNetworkClassifier
from crosstrain.classic.stochastic.stacking import DeepStackingNetwork


@dataclass(frozen=True)
class Classified:
    """``accuracies`` of each network by name, (folds,), and that of always saying the commonest class."""

    accuracies: Mapping[str, np.ndarray]
    commonest: float


def classifiers(seed: int = 0) -> dict[str, Any]:
    """The networks that are compared unless others are given."""
    return {
        "multilayer perceptron": MultilayerPerceptronClassifier((10,), max_iter=100, random_state=seed),
        "radial basis": RadialBasisNetworkClassifier(20, alpha=1e-3, random_state=seed),
        "probabilistic": ProbabilisticNetwork(),
        "LVQ": LVQ(random_state=seed),
        "deep stacking": DeepStackingNetwork(2, 30, learning_rate=0.01, n_iter=20, random_state=seed),
    }


def classification(
    X: Any, y: Any, networks: Mapping[str, Any] | None = None, *, folds: int = 5, seed: int = 0
) -> Classified:
    """Cross-validate each network (default: ``classifiers``) on standardised ``X`` (n_samples, n_features)
    and labels ``y`` (n_samples,), all in the same ``folds``."""
    splits = StratifiedKFold(folds, shuffle=True, random_state=seed)
    accuracies = {
        name: cross_val_score(make_pipeline(StandardScaler(), clone(network)), X, y, cv=splits)
        for name, network in (classifiers(seed) if networks is None else networks).items()
    }
    return Classified(accuracies, float(np.unique(y, return_counts=True)[1].max() / len(y)))
