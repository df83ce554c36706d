"""scikit-learn's conventions, for every radial estimator."""

from __future__ import annotations

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from crosstrain.classic import (
    GeneralisedRegression,
    ProbabilisticNetwork,
    RadialBasisNetworkClassifier,
    RadialBasisNetworkRegressor,
)

ESTIMATORS = [
    RadialBasisNetworkClassifier(random_state=0),
    RadialBasisNetworkClassifier(centres="samples", width="nearest", alpha=1e-3, random_state=0),
    RadialBasisNetworkRegressor(random_state=0),
    RadialBasisNetworkRegressor(centres="data", basis="multiquadric", alpha=1e-6),
    GeneralisedRegression(),
    GeneralisedRegression(0.5),
    ProbabilisticNetwork(),
    ProbabilisticNetwork(0.5),
]


@parametrize_with_checks(ESTIMATORS)
def test_conventions(estimator: Any, check: Any) -> None:
    check(estimator)
