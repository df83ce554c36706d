"""scikit-learn's conventions, for every competitive estimator."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from crosstrain.classic import (
    ART1,
    LVQ,
    CounterPropagation,
    FuzzyART,
    GrowingNeuralGas,
    HammingNetwork,
    Instar,
    Outstar,
    SelfOrganizingMap,
    WinnerTakesAll,
)

ESTIMATORS = [
    WinnerTakesAll(3, max_iter=10, random_state=0),
    WinnerTakesAll(3, max_iter=10, conscience="bias", random_state=0),
    WinnerTakesAll(3, max_iter=10, conscience="frequency", step="distance", random_state=0),
    HammingNetwork(),
    Instar(),
    Outstar(),
    CounterPropagation(random_state=0),
    CounterPropagation(n_winners=3, random_state=0),
    SelfOrganizingMap(3, 4, max_iter=5, random_state=0),
    SelfOrganizingMap(4, 3, topology="hexagonal", toroidal=True, training="batch", random_state=0),
    GrowingNeuralGas(15, insert_every=20, max_age=10, random_state=0),
    LVQ(max_iter=20, random_state=0),
    LVQ("2.1", learning_rate=0.02, max_iter=20, random_state=0),
    LVQ("3", learning_rate=0.02, max_iter=20, random_state=0),
    LVQ("generalised", max_iter=20, random_state=0),
    ART1(),
    FuzzyART(),
]


@parametrize_with_checks(ESTIMATORS)
def test_conventions(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_repr_shows_what_was_set(estimator: Any) -> None:
    assert repr(estimator).startswith(type(estimator).__name__)
