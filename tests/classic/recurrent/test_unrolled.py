"""Derivatives through time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from crosstrain.classic.arrays import namespace
from crosstrain.classic.multilayer.errors import ERRORS, BoundError
from crosstrain.classic.multilayer.network import Network
from crosstrain.classic.multilayer.transfer import TRANSFERS, BoundTransfer
from crosstrain.classic.recurrent.unrolled import Feedback, UnrolledObjective

RANDOM = np.random.RandomState(0)
X, Y = RANDOM.uniform(-1, 1, (12, 2)), RANDOM.uniform(-1, 1, (12, 2))


@pytest.mark.parametrize("feedback", [Feedback(of_output=False), Feedback(of_output=True, memory=0.4)])
def test_backward_and_forward_in_time_agree_with_differences(feedback: Feedback) -> None:
    xp = namespace()
    network = Network(
        (2 + feedback.size(3, 2), 3, 2),
        [BoundTransfer(TRANSFERS[name], xp) for name in ("tanh", "logistic")],
        xp,
    )
    function = UnrolledObjective(network, feedback, BoundError(ERRORS["mse"], xp), X, Y, through_time=True)
    weights = RANDOM.uniform(-1, 1, network.n_weights)
    loss, gradient = function(weights)
    np.testing.assert_allclose(gradient, approx_fprime(weights, function.loss, 1e-7), atol=1e-6)
    residuals, jacobian = function.residuals(weights)
    assert loss == pytest.approx(0.5 * function.scale * residuals @ residuals)
    np.testing.assert_allclose(function.scale * (jacobian.T @ residuals), gradient, atol=1e-12)
