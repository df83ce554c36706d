"""Deep belief and deep stacking networks: gradients, exact solutions, training on engines."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge

from crosstrain.classic import DeepBeliefNetwork, DeepStackingNetwork
from crosstrain.classic.stochastic import backpropagation, stacking
from crosstrain.engines.registry import engine_row
from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_precision import precision


def digits() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_digits(return_X_y=True)
    return X / 16, y


# -- belief -----------------------------------------------------------------------------------------
def test_backpropagation_s_gradient_is_the_loss_s() -> None:
    random = np.random.default_rng(0)
    coefs = [random.normal(size=shape) for shape in ((5, 4), (4, 6), (6, 3))]
    intercepts = [random.normal(size=size) for size in (4, 6, 3)]
    X, targets = random.normal(size=(7, 5)), np.eye(3)[random.integers(3, size=7)]
    _, gradients = backpropagation._gradients(coefs, intercepts, X, targets)
    for parameter, gradient in zip([*coefs, *intercepts], gradients, strict=True):
        for index in np.ndindex(parameter.shape):
            losses = []
            for step in (1e-5, -2e-5):
                parameter[index] += step
                losses.append(backpropagation._gradients(coefs, intercepts, X, targets)[0] / 7)
            parameter[index] += 1e-5
            assert gradient[index] == pytest.approx((losses[0] - losses[1]) / 2e-5, abs=1e-8)


def test_a_belief_network_classifies_digits_and_its_layers_are_rbms() -> None:
    X, y = digits()
    network = DeepBeliefNetwork((64, 32), pretraining_iter=5, n_iter=100, random_state=0)
    network.fit(X[:1000], y[:1000])
    assert network.score(X[1000:], y[1000:]) > 0.88
    assert [len(errors) for errors in network.reconstruction_errors_] == [5, 5]
    assert network.loss_curve_[-1] < network.loss_curve_[0]
    assert network.transform(X[:3]).shape == (3, 32)
    np.testing.assert_allclose(network.predict_proba(X[:9]).sum(axis=1), 1)


def test_fine_tuning_starts_from_what_pretraining_left() -> None:
    X, y = digits()
    network = DeepBeliefNetwork((16,), pretraining_iter=2, n_iter=2, random_state=0).pretrain(X)
    features = network.transform(X[:5])
    first = network.fine_tune(X[:100], y[:100]).loss_curve_
    assert (network.transform(X[:5]) != features).any()
    assert network.fine_tune(X[:100], y[:100]).loss_curve_ == first


OTHERS = pytest.mark.slow("one engine fine-tunes in the quick tests; each needs a process of its own")


@pytest.mark.parametrize(
    "engine", ["torch", pytest.param("tensorflow", marks=OTHERS), pytest.param("jax", marks=OTHERS)]
)
def test_an_engine_fine_tunes_to_the_same_weights(engine: str) -> None:
    if not engine_row(engine).importable:
        pytest.skip(f"{engine} is not installed")
    X, y = digits()
    names = np.array([f"digit {number}" for number in y])
    network = DeepBeliefNetwork((16, 12), pretraining_iter=1, n_iter=2, batch_size=30, random_state=0)
    network.pretrain(X[:300])
    expected = network.fine_tune(X[:200], names[:200]).predict_proba(X[:50])
    losses = network.loss_curve_
    network.fine_tune(X[:200], names[:200], engine=engine)
    np.testing.assert_allclose(network.predict_proba(X[:50]), expected, atol=1e-9)
    np.testing.assert_allclose(network.loss_curve_, losses, rtol=1e-9)
    assert network.predict(X[:1])[0].startswith("digit ")


def test_the_keras_model_computes_the_same() -> None:
    X, y = digits()
    network = DeepBeliefNetwork((16, 12), pretraining_iter=1, n_iter=2, random_state=0).pretrain(X[:300])
    with pytest.raises(ValueError, match="for how many classes"):
        network.to_keras()
    assert network.to_keras(classes=10).output_shape == (None, 10)
    network.fine_tune(X[:200], y[:200])
    with precision("float64"):
        logits = np.asarray(network.to_keras()(X[:20]))
    assert logits.dtype == np.float64
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(network.predict_proba(X[:20]), expected, atol=1e-12)


def test_an_engine_that_cannot_train_is_a_sentence() -> None:
    X, y = digits()
    network = DeepBeliefNetwork((4,), pretraining_iter=1, n_iter=1).pretrain(X[:50])
    with pytest.raises(ValueError, match="there is no engine 'abacus'"):
        network.fine_tune(X[:50], y[:50], engine="abacus")
    with pytest.raises(CrosstrainError, match="serves trained networks; it does not train"):
        network.fine_tune(X[:50], y[:50], engine="onnxruntime")


# -- stacking ---------------------------------------------------------------------------------------
def test_the_upper_weights_are_the_ridge_solution() -> None:
    random = np.random.default_rng(0)
    X, targets = random.normal(size=(80, 6)), random.normal(size=(80, 3))
    lower, bias = random.normal(size=(6, 9)), random.normal(size=9)
    hidden = 1 / (1 + np.exp(-(X @ lower + bias)))
    expected = Ridge(alpha=0.3).fit(hidden, targets)
    upper = stacking.ridge_solution(X, targets, lower, bias, 0.3)
    np.testing.assert_allclose(upper[:-1], expected.coef_.T, atol=1e-6)
    np.testing.assert_allclose(upper[-1], expected.intercept_, atol=1e-6)


def test_the_lower_gradient_sees_through_the_upper_solution() -> None:
    """At the ridge solution the derivative of the whole objective, U being solved anew, is the lower
    one's."""
    random = np.random.default_rng(1)
    X, targets = random.normal(size=(40, 5)), random.normal(size=(40, 2))
    lower, bias = random.normal(size=(5, 4)), random.normal(size=4)

    def objective() -> float:
        upper = stacking.ridge_solution(X, targets, lower, bias, 0.5)
        hidden = stacking._hidden(X, lower, bias)
        return float(((hidden @ upper - targets) ** 2).sum() + 0.5 * (upper[:-1] ** 2).sum()) / (2 * len(X))

    upper = stacking.ridge_solution(X, targets, lower, bias, 0.5)
    gradients = stacking.lower_gradient(X, targets, lower, bias, upper)
    for parameter, gradient in zip((lower, bias), gradients, strict=True):
        for index in np.ndindex(parameter.shape):
            parameter[index] += 1e-5
            above = objective()
            parameter[index] -= 2e-5
            below = objective()
            parameter[index] += 1e-5
            assert gradient[index] == pytest.approx((above - below) / 2e-5, abs=1e-6)


@pytest.mark.parametrize("schedule", ["stacked", "together"])
def test_a_stacking_network_classifies_digits(schedule: str) -> None:
    X, y = digits()
    network = DeepStackingNetwork(3, 64, schedule=schedule, random_state=0).fit(X[:1000], y[:1000])
    assert network.score(X[1000:], y[1000:]) > 0.9
    assert [len(module.lower) for module in network.modules_] == [64, 74, 84]
    stages = network.staged_decision_function(X[:5])
    assert len(stages) == 3
    assert (stages[-1] == network.decision_function(X[:5])).all()


def test_modules_are_trained_in_processes_with_the_same_result() -> None:
    X, y = digits()
    alone, both = (
        DeepStackingNetwork(2, 16, n_iter=2, schedule="together", n_jobs=jobs, random_state=0)
        .fit(X[:200], y[:200])
        .decision_function(X[:9])
        for jobs in (1, 2)
    )
    np.testing.assert_allclose(alone, both, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"schedule": "later"}, "schedule must be one of 'stacked', 'together', not 'later'"),
        ({"ridge": 0}, "ridge must be a number above 0, not 0"),
        ({"n_modules": 0}, "n_modules must be a whole number of at least 1, not 0"),
    ],
)
def test_settings_that_do_not_exist(settings: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        DeepStackingNetwork(**settings).fit([[0.0], [1.0]], [0, 1])
