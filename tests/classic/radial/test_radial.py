"""Radial networks against SciPy's, scikit-learn's and formulas written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.interpolate import RBFInterpolator
from sklearn.datasets import load_iris
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from crosstrain.classic import (
    GeneralisedRegression,
    ProbabilisticNetwork,
    RadialBasisNetworkClassifier,
    RadialBasisNetworkRegressor,
)


@pytest.fixture
def waves() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(samples, targets, other points)"""
    random = np.random.default_rng(0)
    X = random.uniform(-3, 3, size=(60, 2))
    return X, np.sin(X[:, 0]) + np.cos(2 * X[:, 1]), random.uniform(-3, 3, size=(25, 2))


@pytest.mark.parametrize("basis", ["gaussian", "multiquadric", "inverse_multiquadric"])
def test_all_data_as_centres_interpolate(basis: str, waves: tuple[np.ndarray, ...]) -> None:
    X, y, _ = waves
    net = RadialBasisNetworkRegressor(centres="data", width=0.5, basis=basis).fit(X, y)
    np.testing.assert_allclose(net.predict(X), y, atol=1e-7)


def test_interpolation_is_scipy_s(waves: tuple[np.ndarray, ...]) -> None:
    """On targets that sum to 0 with weights that do: SciPy's interpolator with a constant term."""
    X, y, points = waves
    width = 0.8
    scipy = RBFInterpolator(X, y, kernel="gaussian", epsilon=1 / (width * np.sqrt(2)), degree=0)
    net = RadialBasisNetworkRegressor(centres="data", width=width).fit(X, y)
    # Both interpolate with Gaussians and a constant; SciPy's weights sum to 0, ours are the shortest.
    np.testing.assert_allclose(net.predict(X), scipy(X), atol=1e-7)
    assert np.abs(net.predict(points) - scipy(points)).mean() < 0.05


def test_ridge_weights_are_kernel_ridge_s(waves: tuple[np.ndarray, ...]) -> None:
    """Around all samples, with targets and units centred, the normal equations are solved to 1e-8."""
    X, y, points = waves
    for alpha in (1e-2, 1.0):
        net = RadialBasisNetworkRegressor(centres="data", width=1.0, alpha=alpha).fit(X, y)
        hidden = net.hidden(X) - net.hidden(X).mean(axis=0)
        left = hidden.T @ (hidden @ net.weights_[:, 0] - (y - y.mean())) + alpha * net.weights_[:, 0]
        np.testing.assert_allclose(left, 0, atol=1e-8)
        # The same as kernel ridge with the kernel that these hidden units span.
        kernel = KernelRidge(alpha=alpha, kernel="precomputed").fit(hidden @ hidden.T, y - y.mean())
        other = (net.hidden(points) - net.hidden(X).mean(axis=0)) @ hidden.T
        np.testing.assert_allclose(net.predict(points), kernel.predict(other) + y.mean(), atol=1e-8)


def test_more_units_than_samples_give_the_same_ridge(waves: tuple[np.ndarray, ...]) -> None:
    X, y, points = waves
    centres = np.random.default_rng(1).uniform(-3, 3, size=(90, 2))
    net = RadialBasisNetworkRegressor(centres=centres, width=1.0, alpha=0.1).fit(X, y)
    hidden = net.hidden(X) - net.hidden(X).mean(axis=0)
    weights = np.linalg.solve(hidden.T @ hidden + 0.1 * np.eye(90), hidden.T @ (y - y.mean()))
    np.testing.assert_allclose(net.weights_[:, 0], weights, atol=1e-8)
    assert net.predict(points).shape == (25,)


def test_widths() -> None:
    centres = np.array([[0.0], [1.0], [3.0], [7.0]])
    X, y = np.linspace(0, 7, 20)[:, None], np.zeros(20)
    fit = lambda width: RadialBasisNetworkRegressor(centres=centres, width=width).fit(X, y).widths_
    np.testing.assert_allclose(fit("spread"), 7 / np.sqrt(8))
    np.testing.assert_allclose(fit("nearest"), [2.0, 1.5, 2.5, 5.0])
    np.testing.assert_allclose(fit(0.3), 0.3)


def test_no_more_centres_than_different_samples() -> None:
    X = np.repeat([[0.0], [1.0], [2.0]], 10, axis=0)
    for centres in ("kmeans", "samples"):
        net = RadialBasisNetworkRegressor(20, centres=centres, random_state=0).fit(X, X[:, 0])
        assert len(net.centres_) == 3


def test_labels_and_grid_search() -> None:
    X, y = load_iris(return_X_y=True)
    names = load_iris().target_names[y]
    pipeline = make_pipeline(StandardScaler(), RadialBasisNetworkClassifier(random_state=0))
    search = GridSearchCV(pipeline, {"radialbasisnetworkclassifier__alpha": [0.0, 1e-2]}, cv=3)
    assert search.fit(X, names).best_score_ > 0.93
    assert set(search.predict(X)) == set(names)
    assert search.decision_function(X).shape == (150, 3)


def test_generalised_regression_is_nadaraya_and_watson_s_mean(waves: tuple[np.ndarray, ...]) -> None:
    X, y, points = waves
    near = np.exp(-((points[:, None] - X) ** 2).sum(axis=2) / (2 * 0.4**2))
    predicted = GeneralisedRegression(0.4).fit(X, y).predict(points)
    np.testing.assert_allclose(predicted, near @ y / near.sum(axis=1), rtol=1e-9)


def test_points_far_away_get_the_nearest_sample_s_target(waves: tuple[np.ndarray, ...]) -> None:
    X, y, _ = waves
    far = np.array([[1e4, 0.0]])
    nearest = np.linalg.norm(X - far, axis=1).argmin()
    assert GeneralisedRegression(0.01).fit(X, y).predict(far)[0] == y[nearest]
    classes = (y > 0).astype(int)
    assert ProbabilisticNetwork(0.01).fit(X, classes).predict(far)[0] == classes[nearest]


def test_the_width_that_leaves_one_out_best(waves: tuple[np.ndarray, ...]) -> None:
    """No width of a fine grid predicts left out samples better, by brute force."""
    X, y, _ = waves

    def loss(width: float) -> float:
        keep = ~np.eye(len(X), dtype=bool)
        errors = [
            GeneralisedRegression(width).fit(X[k], y[k]).predict(X[i : i + 1])[0] - y[i]
            for i, k in enumerate(keep)
        ]
        return float(np.square(errors).sum())

    chosen = GeneralisedRegression().fit(X, y).width_
    assert loss(chosen) <= 1.001 * min(map(loss, np.geomspace(0.05, 5, 25)))


def test_the_probabilistic_network_is_bayes_with_parzen_s_densities(waves: tuple[np.ndarray, ...]) -> None:
    """scikit-learn's kernel density of each class, times the class's part."""
    X, y, points = waves
    classes = np.where(y > 0.3, "high", "low")
    joint = [
        np.exp(KernelDensity(bandwidth=0.5).fit(X[classes == each]).score_samples(points))
        * (classes == each).mean()
        for each in ("high", "low")
    ]
    net = ProbabilisticNetwork(0.5).fit(X, classes)
    np.testing.assert_allclose(net.predict_proba(points), (joint / np.sum(joint, axis=0)).T, rtol=1e-6)
    assert net.classes_.tolist() == ["high", "low"]


def test_priors(waves: tuple[np.ndarray, ...]) -> None:
    X, y, points = waves
    sure = ProbabilisticNetwork(0.5, priors=[1.0, 0.0]).fit(X, y > 0)
    assert not sure.predict(points).any()
    with pytest.raises(
        ValueError, match="priors must be 2 probabilities, one for each class, whose sum is 1"
    ):
        ProbabilisticNetwork(priors=[0.5, 0.6]).fit(X, y > 0)


def test_iris_left_out() -> None:
    X, y = load_iris(return_X_y=True)
    assert cross_val_score(ProbabilisticNetwork(), X, y, cv=5).mean() > 0.94


@pytest.mark.parametrize(
    ("estimator", "sentence"),
    [
        (RadialBasisNetworkRegressor(width="wide"), "width must be one of 'spread', 'nearest', not 'wide'"),
        (RadialBasisNetworkRegressor(alpha=-1), "alpha must be a number of at least 0, not -1"),
        (RadialBasisNetworkRegressor(centres=np.zeros((2, 5))), r"must have the shape \(n_centres, 2\), not"),
        (GeneralisedRegression(0), "width must be a number above 0, not 0"),
        (GeneralisedRegression("best"), "width must be one of 'leave_one_out', not 'best'"),
    ],
)
def test_bad_parameters(estimator: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        estimator.fit(np.zeros((10, 2)), np.zeros(10))
