"""Relative errors: what counts as equal, and what nothing may hide behind."""

from __future__ import annotations

import math

import numpy as np
import pytest

from crosstrain.proof.compare import FLOOR, Errors, errors, group, relative, rms
from crosstrain.proof.verdict import COARSER, within


def test_relative_error_is_norm_wise() -> None:
    true = np.array([3.0, 4.0])
    assert relative(np.array([3.0, 4.05]), true) == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("got", "true"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.array([np.nan, 1.0]), np.array([1.0, 1.0])),
        (np.array([1.0, 1.0]), np.array([np.inf, 1.0])),
        (np.array([1, 2]), np.array([1, 3])),
    ],
    ids=["shape", "nan", "infinity", "integers"],
)
def test_what_cannot_be_equal_is_infinitely_wrong(got: np.ndarray, true: np.ndarray) -> None:
    assert relative(got, true) == math.inf


def test_equal_infinities_are_equal() -> None:
    assert relative(np.array([-np.inf, 1.0]), np.array([-np.inf, 1.0])) == 0


def test_a_gradient_that_is_zero_does_not_blow_up_but_a_fault_in_it_shows() -> None:
    """The bias in front of a BatchNorm: rounding passes in float64, a gradient that is there does not."""
    kernel = np.random.default_rng(0).normal(size=1000)
    true = {"kernel": kernel, "bias": np.zeros(10)}
    rounding = errors({"kernel": kernel, "bias": np.full(10, 1e-16)}, true, FLOOR)
    wrong = errors({"kernel": kernel, "bias": np.full(10, 1e-3)}, true, FLOOR)
    assert rounding.worst < 1e-12
    assert wrong.worst > 0.01
    assert wrong.where == "bias"


def test_a_tensor_of_one_side_only_is_infinitely_wrong() -> None:
    one = np.ones(2)
    assert errors({"a": one}, {"a": one, "b": one}).by_name["b"] == math.inf
    assert errors({"a": one, "b": one}, {"a": one}).by_name["b"] == math.inf


def test_nothing_compared() -> None:
    assert Errors({}).worst == 0
    assert Errors({}).where is None
    assert rms([]) == 0


def test_group_strips_its_prefix_only() -> None:
    arrays = {"weight/a/b": np.zeros(1), "weights/c": np.zeros(1), "loss": np.zeros(1)}
    assert list(group(arrays, "weight")) == ["a/b"]


@pytest.mark.parametrize(
    ("error", "in_float64", "fine"),
    [
        (9e-5, 0.0, True),
        (1.3e-4, 0.0, False),  # nothing in float64 that would explain it
        (1.3e-4, 2e-13, True),  # cancels in float64 as much as in float32
        (1.3e-4, 2e-14, False),
        (2e-3, 1e-9, False),  # whatever float64 says
    ],
)
def test_a_gradient_that_cancels_in_float64_may_do_so_in_float32(
    error: float, in_float64: float, fine: bool
) -> None:
    groups = {name: Errors({"w": 0.0}) for name in ("outputs", "loss", "weights_after_steps")}
    compared = {**groups, "gradients": Errors({"w": 1e-6, "beta": error})}
    assert within(compared, "float32", {"beta": COARSER * in_float64}) is fine
    assert within(compared, "float32") is (error <= 1e-4)
