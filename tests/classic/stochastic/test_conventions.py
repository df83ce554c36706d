"""scikit-learn's conventions, and arrays of other libraries, for all stochastic networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from crosstrain import classic
from tests.classic.associative.test_conventions import arrays_of

# Bernoulli units take values from 0 to 1 alone: the checks' data is for Gaussian ones, or binarised.
ESTIMATORS = [
    classic.RBM(8, visible="gaussian", learning_rate=0.001, n_iter=3),
    classic.BoltzmannMachine(2, binarize=0.0, n_iter=5, n_chains=10, cooling_steps=5),
    classic.DeepBeliefNetwork((8,), visible="gaussian", pretraining_iter=1, n_iter=10, batch_size=16),
    classic.DeepStackingNetwork(2, 16, n_iter=3),
]


@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_s_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("library", ["torch", "jax"])
@pytest.mark.parametrize(
    ("estimator", "method"),
    [
        (classic.RBM(6, n_iter=2, random_state=0), "transform"),
        (classic.BoltzmannMachine(2, binarize=0.5, n_iter=3, random_state=0), "transform"),
        (classic.DeepBeliefNetwork((8,), pretraining_iter=1, n_iter=2, random_state=0), "predict_proba"),
        (classic.DeepStackingNetwork(2, 8, n_iter=1, random_state=0), "decision_function"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_another_library_s_arrays_give_numpy_s_results(library: str, estimator: Any, method: str) -> None:
    X, y = load_digits(return_X_y=True)
    X, y = X[:60] / 16, y[:60]
    expected = getattr(estimator.fit(X, y), method)(X)
    foreign = arrays_of(library, X)
    result = getattr(estimator.fit(foreign, arrays_of(library, y)), method)(foreign)
    assert type(result) is type(foreign)
    np.testing.assert_allclose(np.asarray(result), expected, rtol=0, atol=1e-6)


def test_pipelines_and_grid_search() -> None:
    X, y = load_digits(return_X_y=True)
    names = np.array(["even", "odd"])[y[:200] % 2]
    features = make_pipeline(
        classic.RBM(16, n_iter=2, random_state=0), classic.DeepStackingNetwork(1, 16, random_state=0)
    )
    search = GridSearchCV(features, {"rbm__learning_rate": [0.01, 0.1]}, cv=2)
    search.fit(X[:200] / 16, names)
    assert set(search.predict(X[:50] / 16)) <= {"even", "odd"}
