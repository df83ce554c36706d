"""Arrays of PyTorch and JAX in, the same out, with NumPy's results to 1e-6."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs

from crosstrain.classic import (
    ART1,
    LVQ,
    CounterPropagation,
    FuzzyART,
    GeneralisedRegression,
    GrowingNeuralGas,
    HammingNetwork,
    Instar,
    Outstar,
    ProbabilisticNetwork,
    RadialBasisNetworkClassifier,
    RadialBasisNetworkRegressor,
    SelfOrganizingMap,
    WinnerTakesAll,
    arrays,
)

CASES = [
    (WinnerTakesAll(3, max_iter=5, random_state=0), ("predict", "transform")),
    (SelfOrganizingMap(4, 4, max_iter=3, random_state=0), ("predict", "transform")),
    (SelfOrganizingMap(4, 4, max_iter=3, training="batch"), ("predict", "transform")),
    (GrowingNeuralGas(8, insert_every=20, max_iter=3, random_state=0), ("predict", "transform")),
    (LVQ(max_iter=5, random_state=0), ("predict",)),
    (HammingNetwork(), ("predict", "decision_scores", "recall")),
    (Instar(max_iter=3), ("transform",)),
    (Outstar(max_iter=3), ("predict",)),
    (CounterPropagation(8, max_iter=3, random_state=0), ("predict",)),
    (CounterPropagation(8, n_winners=2, max_iter=3, random_state=0), ("predict",)),
    (ART1(binarize=5.0), ("predict",)),
    (FuzzyART(), ("predict",)),
    (RadialBasisNetworkClassifier(8, random_state=0), ("predict", "decision_function", "hidden")),
    (RadialBasisNetworkRegressor(8, random_state=0), ("predict",)),
    (RadialBasisNetworkRegressor(centres="data", width=1.0, alpha=1e-3), ("predict",)),
    (GeneralisedRegression(), ("predict",)),
    (ProbabilisticNetwork(), ("predict", "predict_proba")),
]


def torch_array(array: np.ndarray) -> Any:
    return pytest.importorskip("torch").from_numpy(array)


def jax_array(array: np.ndarray) -> Any:
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        return jax.numpy.asarray(array)


@pytest.mark.parametrize("make", [torch_array, jax_array])
@pytest.mark.parametrize(("estimator", "methods"), CASES, ids=lambda case: repr(case))
def test_the_same_results_in_the_same_library(make: Any, estimator: Any, methods: tuple[str, ...]) -> None:
    X, y = make_blobs(60, centers=3, n_features=4, random_state=0)
    X -= X.min(axis=0)
    ours, theirs = clone(estimator).fit(X, y), clone(estimator).fit(make(X), make(y))
    for method in methods:
        here, there = getattr(ours, method)(X), getattr(theirs, method)(make(X))
        assert array_api_compat.array_namespace(there) is array_api_compat.array_namespace(make(X))
        np.testing.assert_allclose(arrays.to_numpy(there), here, rtol=0, atol=1e-6)
        # What one library learnt another can use.
        np.testing.assert_allclose(getattr(theirs, method)(X), here, rtol=0, atol=1e-6)


def test_errors_of_maps_on_arrays_of_others() -> None:
    X = np.random.default_rng(0).normal(size=(50, 3))
    som = SelfOrganizingMap(4, 4, max_iter=3, random_state=0).fit(X)
    for make in (torch_array, jax_array):
        assert som.quantisation_error(make(X)) == pytest.approx(som.quantisation_error(X), abs=1e-12)
        assert som.topographic_error(make(X)) == som.topographic_error(X)
        np.testing.assert_array_equal(som.hits(make(X)), som.hits(X))


def test_nan_in_a_tensor_is_refused() -> None:
    with pytest.raises(ValueError, match="Input X contains NaN"):
        WinnerTakesAll(2).fit(torch_array(np.array([[0.0], [np.nan]])))
