"""Gradients, Jacobians and training rules, against finite differences and SciPy."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from scipy.linalg import eigvalsh

from crosstrain.classic.arrays import namespace
from crosstrain.classic.multilayer.errors import ERRORS, BoundError
from crosstrain.classic.multilayer.network import Network
from crosstrain.classic.multilayer.objective import NetworkObjective
from crosstrain.classic.multilayer.rules import BFGS, RULES
from crosstrain.classic.multilayer.rules.bfgs import updated
from crosstrain.classic.multilayer.transfer import TRANSFERS, BoundTransfer

XP = namespace()
RANDOM = np.random.RandomState(0)
X, Y = RANDOM.uniform(-1, 1, (30, 3)), RANDOM.uniform(0.1, 0.9, (30, 2))


def objective(
    hidden: str = "tanh", output: str = "identity", error: str = "mse"
) -> tuple[NetworkObjective, np.ndarray]:
    network = Network((3, 4, 2), [BoundTransfer(TRANSFERS[name], XP) for name in (hidden, output)], XP)
    targets = Y / Y.sum(axis=1, keepdims=True)
    return (
        NetworkObjective(network, BoundError(ERRORS[error], XP), X, targets),
        np.random.RandomState(1).uniform(-1, 1, network.n_weights),
    )


class Rosenbrock:
    """Counts its evaluations."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        self.n += 1
        return float(optimize.rosen(x)), optimize.rosen_der(x)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    ("hidden", "output"), [("tanh", "logistic"), ("logistic", "softmax"), ("radial", "logistic")]
)
def test_the_gradient_is_that_of_the_error(hidden: str, output: str, error: str) -> None:
    function, weights = objective(hidden, output, error)
    loss, gradient = function(weights)
    assert loss == pytest.approx(function.loss(weights), abs=1e-14)
    np.testing.assert_allclose(
        gradient, optimize.approx_fprime(weights, function.loss, 1e-7), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("output", ["identity", "softmax"])
@pytest.mark.parametrize("error", ["sse", "mse"])
def test_residuals_and_jacobian_give_the_gradient(output: str, error: str) -> None:
    function, weights = objective(output=output, error=error)
    residuals, jacobian = function.residuals(weights)
    assert function.loss(weights) == pytest.approx(0.5 * function.scale * residuals @ residuals)
    np.testing.assert_allclose(function.scale * (jacobian.T @ residuals), function(weights)[1], atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_lowers_the_error(rule: str) -> None:
    function, weights = objective(error="sse")
    losses = [loss for _, (_, loss) in zip(range(40), RULES[rule].minimise(function, weights), strict=False)]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("rule", ["bfgs", "lbfgs", "cg", "ncg"])
def test_rosenbrock_s_minimum_is_reached(rule: str) -> None:
    weights, loss = deque(RULES[rule].minimise(Rosenbrock(), np.array([-1.2, 1.0])), maxlen=1).pop()
    assert loss < 1e-8
    np.testing.assert_allclose(weights, 1.0, atol=1e-3)


@pytest.mark.parametrize("start", [[-1.2, 1.0], [1.3, 0.7, 0.8, 1.9, 1.2], [-0.5, 1.5, 0.3]])
def test_bfgs_needs_no_more_evaluations_than_scipy(start: list[float]) -> None:
    theirs, ours = Rosenbrock(), Rosenbrock()
    optimize.minimize(theirs, start, jac=True, method="BFGS")
    deque(BFGS().minimise(ours, np.array(start)), maxlen=0)
    assert ours.n <= theirs.n


def test_bfgs_s_matrix_stays_positive_definite_in_training() -> None:
    function, weights = objective("tanh", "logistic")
    for number, (_, _, inverse) in zip(range(60), BFGS().trace(function, weights), strict=False):
        assert eigvalsh(inverse).min() > 0, number


@settings(max_examples=50)
@given(st.integers(1, 5), st.integers(0, 10**6))
def test_an_update_keeps_the_matrix_positive_definite(size: int, seed: int) -> None:
    random = np.random.RandomState(seed)
    root = random.normal(size=(size, size))
    inverse = root @ root.T + np.eye(size)
    step, change = random.normal(size=size), random.normal(size=size)
    after = updated(inverse, step, change)
    assert eigvalsh(after).min() > 0
    if step @ change > 1e-3:
        np.testing.assert_allclose(after @ change, step, atol=1e-6)  # the secant equation
    elif step @ change <= 0:
        assert after is inverse


def resilient(rule: str, gradients: list[float]) -> list[Any]:
    """The weights under a rule whose objective has these gradients, one after the other; the loss rises."""

    class Line:
        def __init__(self) -> None:
            self.step = -1

        def __call__(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
            self.step += 1
            return float(self.step), np.array([gradients[self.step]])

    steps = RULES[rule].minimise(Line(), np.zeros(1))
    return [float(weights[0]) for _, (weights, _) in zip(gradients, steps, strict=False)]


def test_resilient_steps_by_hand() -> None:
    first, grown = 0.07, 0.07 * 1.2
    shrunk = grown / 2
    before = -(first + grown)
    # Same sign: the rate grows; another sign: it halves and rprop steps back by that, iRprop- waits, and
    # iRprop+ takes the last step back.
    assert resilient("rprop", [1, 1, -1, -1]) == pytest.approx([0, -first, before, before + shrunk])
    assert resilient("irprop-", [1, 1, -1, -1]) == pytest.approx([0, -first, before, before])
    assert resilient("irprop+", [1, 1, -1, -1]) == pytest.approx([0, -first, before, before + grown])
