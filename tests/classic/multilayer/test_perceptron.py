"""The multilayer perceptron's estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from crosstrain.classic import MultilayerPerceptronClassifier, MultilayerPerceptronRegressor, arrays
from crosstrain.classic.multilayer.rules import RULES, Descent

LINE = np.linspace(-3, 3, 40).reshape(-1, 1)
CURVE = np.sin(LINE).ravel()


@parametrize_with_checks(
    [MultilayerPerceptronClassifier(max_iter=50), MultilayerPerceptronRegressor(max_iter=50)]
)
def test_conventions(estimator: Any, check: Any) -> None:
    check(estimator)


def test_a_goal_that_is_never_reached_says_so() -> None:
    network = MultilayerPerceptronRegressor(rule="gd", goal=1e-9, max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning, match="an error below 1e-09 was not reached; after 3 iterations"):
        network.fit(LINE, CURVE)
    assert network.n_iter_ == 3


def test_a_goal_ends_training() -> None:
    network = MultilayerPerceptronRegressor(rule="levenberg-marquardt", goal=1e-3, random_state=0).fit(
        LINE, CURVE
    )
    assert network.loss_curve_[-1] < 1e-3 <= network.loss_curve_[-2]
    assert np.mean((network.predict(LINE) - CURVE) ** 2) == pytest.approx(network.loss_)


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
def test_divergence_says_so() -> None:
    network = MultilayerPerceptronRegressor(transfer="relu", rule=Descent(1e6), random_state=0)
    with pytest.warns(ConvergenceWarning, match="training diverged"):
        network.fit(LINE, CURVE)
    assert np.isfinite(network.predict(LINE)).all()


def test_pipelines_and_grid_search() -> None:
    search = GridSearchCV(
        make_pipeline(StandardScaler(), MultilayerPerceptronRegressor(max_iter=30, random_state=0)),
        {"multilayerperceptronregressor__hidden": [(), (5,)]},
        cv=2,
    ).fit(LINE[::-1], CURVE)
    assert search.best_params_ == {"multilayerperceptronregressor__hidden": (5,)}


@pytest.mark.parametrize("library", ["torch", "jax"])
@pytest.mark.parametrize("rule", RULES)
def test_arrays_of_others(rule: str, library: str) -> None:
    pytest.importorskip(library)
    make = _torch if library == "torch" else _jax
    options: dict[str, Any] = {"hidden": (3,), "rule": rule, "max_iter": 5, "random_state": 0}
    ours = MultilayerPerceptronRegressor(**options).fit(LINE, CURVE)
    theirs = MultilayerPerceptronRegressor(**options).fit(make(LINE), make(CURVE))
    answer = theirs.predict(make(LINE))
    assert type(answer) is type(make(LINE))
    np.testing.assert_allclose(arrays.to_numpy(answer), ours.predict(LINE), atol=1e-6)


@pytest.mark.parametrize("library", ["torch", "jax"])
@pytest.mark.parametrize("classes", [2, 3])
def test_classes_of_arrays_of_others(classes: int, library: str) -> None:
    pytest.importorskip(library)
    make = _torch if library == "torch" else _jax
    labels = np.arange(40) * classes // 40
    options: dict[str, Any] = {"hidden": (3,), "max_iter": 5, "random_state": 0}
    ours = MultilayerPerceptronClassifier(**options).fit(LINE, labels)
    theirs = MultilayerPerceptronClassifier(**options).fit(make(LINE), make(labels))
    np.testing.assert_array_equal(arrays.to_numpy(theirs.predict(make(LINE))), ours.predict(LINE))
    probabilities = theirs.predict_proba(make(LINE))
    assert type(probabilities) is type(make(LINE))
    np.testing.assert_allclose(arrays.to_numpy(probabilities), ours.predict_proba(LINE), atol=1e-6)


def _torch(array: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(array.copy())


def _jax(array: np.ndarray) -> Any:
    import jax

    with jax.enable_x64(True):
        return jax.numpy.asarray(array)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rule": "adam"}, "rule must be one of"),
        ({"rule": 3}, "rule must be the name of a rule"),
        ({"hidden": 5}, "hidden must be the units of each hidden layer"),
        ({"transfer": "softmax"}, "transfer must be one of"),
        ({"rule": "levenberg-marquardt", "error": "mae"}, "lowers a sum of squares"),
        ({"initialisation": "zeros"}, "initialisation must be one of"),
    ],
)
def test_wrong_parameters_get_a_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultilayerPerceptronRegressor(**options).fit(LINE, CURVE)
