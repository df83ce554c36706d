"""Elman's and Jordan's networks as estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

from crosstrain.classic import Elman, Jordan, arrays

RANDOM = np.random.RandomState(0)
BITS = RANDOM.randint(0, 2, (60, 1)).astype(float)
CHANGED = np.abs(np.diff(BITS[:, 0], prepend=0.0))
"""Whether a bit differs from the one before: no network without a memory can tell."""
PULSES = (np.arange(30) % 10 == 0).astype(float)[:, None]
FADING = 0.6 ** (np.arange(30) % 10)
ORDER = {
    "check_methods_sample_order_invariance": "the rows are the steps of one series: their order matters",
    "check_methods_subset_invariance": "an answer depends on all steps before it, which a subset leaves out",
}


@parametrize_with_checks(
    [Elman(max_iter=30), Jordan(max_iter=30)], expected_failed_checks=lambda estimator: ORDER
)
def test_conventions(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("rule", ["lbfgs", "levenberg-marquardt"])
@pytest.mark.parametrize(
    ("network", "inputs", "answers"), [(Elman(8), BITS, CHANGED), (Jordan(6), PULSES, FADING)]
)
def test_a_series_that_needs_the_past(network: Any, inputs: Any, answers: Any, rule: str) -> None:
    network = clone(network).set_params(rule=rule, random_state=0).fit(inputs, answers)
    without_past = np.linalg.lstsq(np.column_stack([inputs, np.ones(len(inputs))]), answers, rcond=None)[1][0]
    assert network.loss_ < 0.1 * without_past / len(inputs)
    assert np.mean((network.predict(inputs) - answers) ** 2) == pytest.approx(network.loss_)


@pytest.mark.parametrize("rule", ["gdx", "irprop+"])
@pytest.mark.parametrize(
    ("network", "inputs", "answers"), [(Elman(8), BITS, CHANGED), (Jordan(6), PULSES, FADING)]
)
def test_the_context_as_an_input(network: Any, inputs: Any, answers: Any, rule: str) -> None:
    network = clone(network).set_params(rule=rule, through_time=False, max_iter=300, random_state=0)
    network.fit(inputs, answers)
    assert network.loss_ < 0.5 * network.loss_curve_[0]


@pytest.mark.parametrize("network", [Elman(4, random_state=0), Jordan(4, random_state=0)])
def test_no_answer_depends_on_later_steps(network: Any) -> None:
    network.fit(PULSES, FADING)
    np.testing.assert_allclose(network.predict(PULSES[:7]), network.predict(PULSES)[:7], atol=1e-12)


@pytest.mark.parametrize("library", ["torch", "jax"])
@pytest.mark.parametrize("network", [Elman(4, max_iter=5), Jordan(4, max_iter=5)])
def test_arrays_of_others(network: Any, library: str) -> None:
    module = pytest.importorskip(library)
    inputs = module.tensor(PULSES) if library == "torch" else module.numpy.asarray(PULSES)
    network = clone(network).set_params(random_state=0)
    answers = clone(network).fit(inputs, FADING).predict(inputs)
    assert type(answers) is type(inputs)
    np.testing.assert_allclose(
        arrays.to_numpy(answers), network.fit(PULSES, FADING).predict(PULSES), atol=1e-6
    )


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Jordan(memory=2.0), "memory must be a number of at least 0 and at most 1"),
        (Elman(0), "hidden must be a whole number"),
        (Elman(output="softmax"), "output must be one of"),
        (Elman(rule="levenberg-marquardt", error="mae"), "lowers a sum of squares"),
    ],
)
def test_wrong_parameters_get_a_sentence(network: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        network.fit(PULSES, FADING)
