"""Training with products in float16 and a scaled loss, on the engines that have it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from crosstrain.engines.contract import Engine, Network, Setting, State
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.scaling import FIRST
from tests.engines.networks import Case, Net, convolutional, distance, perceptron, squared_error


@pytest.fixture(autouse=True)
def has_float16(engine: Engine) -> None:
    option = engine.describe().options.get("arithmetic")
    if option is None or "float16" not in option.choices:
        pytest.skip(f"{engine.name} has no arithmetic float16")
    assert option.division == "open"


def built(engine: Engine, case: Case, **options: Any) -> Network:
    return engine.build(case.program, case.weights, Setting(options={"arithmetic": "float16", **options}))


def overflowing(size: float = 2.0**8) -> Case:
    """A regression whose gradients overflow float16 for as long as the loss is scaled by 2¹⁵."""
    net = Net("overflowing")
    hidden = net.op("tanh", net.dense("hidden", net.feature("x", 4), 8))
    y = net.dense("y", hidden, 2)
    x = np.random.default_rng(0).standard_normal((6, 4))
    return net.case({"y": y}, squared_error, {"x": x, "target/y": np.full((6, 2), size)})


@pytest.mark.parametrize("make", [perceptron, convolutional], ids=lambda make: make.__name__)
def test_it_is_near_float32_and_state_keeps_its_precision(engine: Engine, make: Any) -> None:
    case = make().with_optimizer(Optimizer("adam"))
    network, exact = built(engine, case), engine.build(case.program, case.weights, Setting())
    loss, gradients = network.gradients(case.batch)
    right_loss, right = exact.gradients(case.batch)
    assert 1e-7 < abs(loss - right_loss) / right_loss < 0.02, "float16 has 11 bits of mantissa"
    for name, gradient in gradients.items():
        assert distance(gradient, right[name]) < 0.05, name
    for value in network.predict(case.batch).values():
        assert value.dtype == np.float32
    for _ in range(3):
        loss = float(network.train(case.batch, 0.01))
        assert loss == pytest.approx(float(exact.train(case.batch, 0.01)), rel=0.02)
    state = network.read()
    assert {value.dtype for value in state.weights.values()} == {np.dtype("float32")}
    assert state.scaling is not None
    assert state.scaling["scale"] == FIRST
    assert exact.read().scaling is None


def test_what_overflows_is_left_out_and_the_scale_halved(engine: Engine) -> None:
    case = overflowing().with_optimizer(Optimizer("adam"))
    network = built(engine, case)
    scale, before = FIRST, network.read()
    for _ in range(12):
        assert np.isfinite(float(network.train(case.batch, 0.01))), "the loss itself is no float16"
        state = network.read()
        assert state.scaling is not None
        if state.scaling["scale"] == scale:
            break
        scale /= 2
        assert state.scaling["scale"] == scale
        for name, value in before.weights.items():
            np.testing.assert_array_equal(state.weights[name], value)
    assert FIRST / 2**10 < scale < FIRST
    # The first step that is taken is Adam's first: its correction does not count those left out.
    fresh = engine.build(case.program, case.weights, Setting())
    fresh.train(case.batch, 0.01)
    for name, value in fresh.read().weights.items():
        assert distance(network.read().weights[name], value) < 0.01, name


def test_a_training_is_taken_up_with_its_scale(engine: Engine) -> None:
    case = overflowing().with_optimizer(Optimizer("adam"))
    first = built(engine, case)
    for _ in range(9):
        first.train(case.batch, 0.01)
    state = first.read()
    second = built(engine, case)
    second.load(state)
    for network in (first, second):
        network.train(case.batch, 0.01)
    one, other = first.read(), second.read()
    assert one.scaling == other.scaling
    assert one.scaling is not None
    assert one.scaling["scale"] < FIRST
    for name, value in one.weights.items():
        np.testing.assert_array_equal(other.weights[name], value)
    first.load(State(case.weights))
    assert first.read().scaling == {"scale": FIRST, "good": 0.0, "skipped": 0.0}


def test_after_enough_good_steps_the_scale_doubles(engine: Engine) -> None:
    case = perceptron()
    network = built(engine, case)
    state = network.read()
    assert state.scaling is not None
    network.load(replace(state, scaling={**state.scaling, "good": 1999.0}))
    network.train(case.batch, 0.01)
    scaling = network.read().scaling
    assert scaling is not None
    assert (scaling["scale"], scaling["good"]) == (2 * FIRST, 0.0)
