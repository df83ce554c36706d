"""What is MXNet's own: kernels for the update, weights as views, compiled shapes, asynchronous work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("mxnet")

from crosstrain.engines.contract import Setting, State
from crosstrain.engines.mxnet.engine import ENGINE, MxnetEngine, MxnetNetwork
from crosstrain.errors import CrosstrainError
from crosstrain.training.optimizers import Optimizer, apply
from tests.engines.networks import (
    REFERENCE,
    Case,
    Net,
    convolutional,
    cross_entropy,
    distance,
    squared_error,
)


def built(case: Case, precision: str = "float32", **options: Any) -> MxnetNetwork:
    return ENGINE.build(case.program, case.weights, Setting(precision=precision, options=options))


def wide() -> Case:
    """Enough channels that oneDNN gives images and kernels layouts of its own; a residual sum."""
    net = Net("wide")
    x = net.feature("image", 8, 8, 3)
    y = net.op("relu", net.batch_norm("norm", net.conv("first", x, 16, 3, bias=False)))
    z = net.batch_norm("second_norm", net.conv("second", y, 16, 3, bias=False))
    y = net.op("relu", net.op("add", y, z))
    y = net.conv("third", y, 16, 3, 2, ((0, 1), (0, 1)))
    y = net.dense("logits", net.op("mean", y, axis=(1, 2)), 3)
    images = net.random.standard_normal((6, 8, 8, 3))
    return net.case({"y": y}, cross_entropy, {"image": images, "target/y": net.random.integers(0, 3, 6)})


FAST = {
    "sgd": Optimizer("sgd"),
    "momentum": Optimizer("sgd", momentum=0.9),
    "decay": Optimizer("sgd", momentum=0.9, weight_decay=0.1),
    "adam": Optimizer("adam"),
    "adamw": Optimizer("adamw", weight_decay=0.2),
}


@pytest.mark.parametrize("name", FAST)
def test_optimizers_in_float32(name: str) -> None:
    """MXNet's kernels for the update serve float32 alone, and the common tests try optimizers in float64."""
    optimizer = FAST[name]
    case = convolutional().with_optimizer(optimizer)
    trained, other = built(case), built(case)
    trainable = case.program.training.trainable
    weights = {key: value.astype("float64") for key, value in case.weights.items()}
    slots = {
        key: {s: np.full(weights[key].shape, kind.initial) for s, kind in optimizer.slots().items()}
        for key in trainable
    }
    for step, rate in enumerate((0.1, 0.02, 0.0, 0.05), start=1):
        other.load(State(trained.read().weights))
        _, gradients = other.gradients(case.batch)
        old = {key: weights[key] for key in trainable}
        new, slots = apply(REFERENCE, optimizer, old, gradients, slots, rate, step)
        weights |= new
        trained.train(case.batch, rate)
    state = trained.read()
    assert state.slots is not None
    for key in trainable:
        assert distance(state.weights[key], weights[key]) < 1e-5, key
        for slot, value in slots[key].items():
            assert distance(state.slots[key][slot], value) < 2e-6, f"{slot} of {key}"


def test_inference_leaves_the_weights_of_training_alone() -> None:
    """In inference MXNet reorders kernels in place; those of training are views of one vector."""
    case = wide().with_optimizer(Optimizer("sgd", momentum=0.9))
    features = {"image": case.batch["image"]}
    straight, looked_at = built(case), built(case)
    for _ in range(4):
        straight.train(case.batch, 0.05)
        looked_at.predict(features)
        looked_at.train(case.batch, 0.05)
        for _ in range(2):
            shown = looked_at.predict(features)["y"]
    first, second = straight.read().weights, looked_at.read().weights
    for name, weight in first.items():
        assert distance(second[name], weight) < 1e-5, name
    expected, _ = case.reference(case.program.inference, second)
    assert distance(shown, expected["y"]) < 1e-4


def test_losses_can_be_read_later() -> None:
    case = wide()
    network, again = built(case), built(case)
    handles = [network.train(case.batch, 0.1) for _ in range(5)]
    at_once = [float(again.train(case.batch, 0.1)) for _ in range(5)]
    assert [float(h) for h in handles] == pytest.approx(at_once, rel=1e-6)
    assert len(set(at_once)) == 5


def test_closed_options_do_not_change_the_result() -> None:
    case = wide().with_optimizer(Optimizer("sgd", momentum=0.9))

    def trained(**options: Any) -> dict[str, np.ndarray]:
        network = built(case, "float64", **options)
        for _ in range(3):
            network.train(case.batch, 0.05)
        return dict(network.read().weights)

    expected = trained()
    for name, option in ENGINE.describe().options.items():
        assert option.division == "closed"
        for choice in set(option.choices) - {option.default}:
            for key, weight in trained(**{name: choice}).items():
                assert distance(weight, expected[key]) < 1e-12, f"{key} with {name}={choice}"


def test_a_step_is_compiled_once_for_each_batch_length() -> None:
    case = wide()
    network = built(case)
    for rows in (6, 4, 6, 4, 6):
        network.train(case.rows(0, rows), 0.1)
    assert len(network._compiled) == 2


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_moving_variance_of_images_is_as_exact_as_inference_reads_it(scale: float) -> None:
    """It is won from 1 / sqrt(variance + epsilon)."""
    net = Net("images")
    y = net.batch_norm("norm", net.feature("x", 8, 8, 16))
    x = scale * net.random.standard_normal((8, 8, 8, 16))
    case = net.case({"y": y}, squared_error, {"x": x, "target/y": np.zeros((8, 8, 8, 16))})
    case.weights["norm/moving_variance"] = np.zeros(16)
    network = built(case)
    network.train(case.batch, 0.0)
    (expected,) = (v for k, v in case.reference(case.program.training)[1].items() if k.endswith("variance"))
    actual = network.read().weights["norm/moving_variance"]
    assert (actual >= 0).all()
    assert np.abs(actual - expected).max() < 1e-6 * (expected + 1e-3).max()


def test_threads_are_fixed_when_mxnet_starts() -> None:
    engine, case = MxnetEngine(), convolutional()
    engine.build(case.program, case.weights, Setting(threads=1))
    engine.build(case.program, case.weights, Setting(threads=1))
    with pytest.raises(CrosstrainError, match="1 threads"):
        engine.build(case.program, case.weights, Setting(threads=2))
