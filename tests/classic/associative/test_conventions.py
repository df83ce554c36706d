"""scikit-learn's conventions, and arrays of other libraries, for all associative memories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from crosstrain import classic

# What cannot take any real numbers makes its patterns of them by a threshold, as BernoulliNB does.
ESTIMATORS = [
    classic.Hopfield(binarize=0.0),
    classic.Hopfield(binarize=0.0, rule="pseudo-inverse", update="synchronous"),
    classic.BinaryHopfield(binarize=0.0),
    classic.ContinuousHopfield(binarize=0.0),
    classic.ModernHopfield(),
    classic.DenseAssociativeMemory(binarize=0.0),
    classic.BidirectionalAssociativeMemory(binarize=0.0),
    classic.CellularNetwork(max_steps=200),
]


@pytest.mark.filterwarnings("ignore::crosstrain.classic.CapacityWarning")
@parametrize_with_checks(ESTIMATORS)
def test_scikit_learn_s_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def arrays_of(library: str, array: np.ndarray) -> Any:
    return pytest.importorskip("torch").tensor(array) if library == "torch" else _jax(array)


def _jax(array: np.ndarray) -> Any:
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        return jax.numpy.asarray(array)


@pytest.mark.parametrize("library", ["torch", "jax"])
@pytest.mark.parametrize(
    "estimator",
    [
        classic.Hopfield(random_state=0, rule="pseudo-inverse"),
        classic.ContinuousHopfield(rule="pseudo-inverse"),
        classic.ModernHopfield(),
        classic.DenseAssociativeMemory(random_state=0),
        classic.CellularNetwork("hole-filling", shape=(4, 6)),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_another_library_s_arrays_give_numpy_s_results(library: str, estimator: Any) -> None:
    random = np.random.default_rng(0)
    patterns = np.where(random.random((5, 24)) < 0.5, -1.0, 1.0)
    damaged = np.where(random.random(patterns.shape) < 0.1, -patterns, patterns)
    expected = estimator.fit(patterns).transform(damaged)
    foreign = arrays_of(library, damaged)
    result = estimator.fit(arrays_of(library, patterns)).transform(foreign)
    assert type(result) is type(foreign)
    assert str(result.dtype).endswith("float64")
    np.testing.assert_allclose(np.asarray(result), expected, rtol=0, atol=1e-6)
