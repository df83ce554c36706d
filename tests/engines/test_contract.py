"""What every engine must do, whatever its framework: the contract, on small networks, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crosstrain.engines.contract import Engine, Network, Setting, State
from crosstrain.engines.registry import engine_row
from crosstrain.engines.sharing import Sharing, numbers, sharing
from crosstrain.graph.evaluate import UnsupportedOp
from crosstrain.graph.graph import Node, TensorSpec
from crosstrain.graph.ops.row import VOCABULARY, Op
from crosstrain.graph.ops.shapes import same
from crosstrain.training.optimizers import Optimizer, apply
from tests.engines.networks import (
    BATCH,
    CASES,
    REFERENCE,
    Case,
    Net,
    bound,
    convolutional,
    cross_entropy,
    distance,
    finest,
    finite_differences,
    noisy,
    perceptron,
    squared_error,
)


def built(engine: Engine, case: Case, setting: Setting | None = None) -> Network:
    return engine.build(case.program, case.weights, setting or finest(engine))


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, engine: Engine) -> Case:
    """Each of the networks, but for those with an op that the engine declares it cannot run."""
    case, unsupported = CASES[request.param](), engine.describe().unsupported
    for node in case.program.training.nodes:
        if node.op in unsupported:
            pytest.skip(f"{engine.name} cannot run {node.op}: {unsupported[node.op]}")
    return case


# -- what it says of itself -------------------------------------------------------------------------
def test_description(engine: Engine) -> None:
    described = engine.describe()
    assert described.version.split("+")[0] == str(engine_row(engine.name).version).split("+")[0]
    assert "cpu" in described.devices
    assert "float32" in described.precisions
    for name, option in described.options.items():
        assert option.default in option.choices, f"the default of {name} is none of its choices"
        assert option.help


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        (Setting(options={"warp_speed": 9}), "warp_speed"),
        (Setting(device="abacus"), "abacus"),
        (Setting(device="cuda:77"), "cuda:77"),
        (Setting(precision="float7"), "float7"),
    ],
    ids=["option", "device", "second device", "precision"],
)
def test_unknown_settings_are_refused_by_name(engine: Engine, setting: Setting, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        built(engine, perceptron(), setting)


def test_unknown_choice_of_an_option_is_refused(engine: Engine) -> None:
    for name in engine.describe().options:
        with pytest.raises(ValueError, match=name):
            built(engine, perceptron(), Setting(options={name: "no such choice"}))


def test_op_without_a_form_is_refused_by_name(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VOCABULARY, "levitate", Op("levitate", np.array, None, same))
    net = Net("odd")
    y = net.op("levitate", net.dense("logits", net.feature("x", 4), 3))
    batch = {"x": np.ones((2, 4)), "target/y": np.zeros(2, "int64")}
    with pytest.raises(UnsupportedOp, match="levitate"):
        built(engine, net.case({"y": y}, cross_entropy, batch))


# -- outputs and gradients ---------------------------------------------------------------------------
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
def test_predict(engine: Engine, case: Case, training: bool) -> None:
    outputs = built(engine, case).predict(case.batch, training=training)
    expected, _ = case.reference(case.program.network.phase(training))
    assert set(outputs) == set(expected)
    for name, value in outputs.items():
        assert isinstance(value, np.ndarray)
        assert value.dtype == finest(engine).precision
        assert distance(value, expected[name]) < bound(engine, 1e-10)


def test_predict_needs_no_targets(engine: Engine, case: Case) -> None:
    features = {k: v for k, v in case.batch.items() if not k.startswith("target/")}
    network = built(engine, case)
    for training in (False, True):
        assert network.predict(features, training=training)


def test_float32(engine: Engine, case: Case) -> None:
    network = built(engine, case, Setting(precision="float32"))
    for training in (False, True):
        expected, _ = case.reference(case.program.network.phase(training))
        for name, value in network.predict(case.batch, training=training).items():
            assert value.dtype == np.float32
            assert distance(value, expected[name]) < 1e-4
    loss, _ = network.gradients(case.batch)
    assert loss == pytest.approx(case.loss(), rel=1e-4)


def test_loss_and_gradients(engine: Engine, case: Case) -> None:
    loss, gradients = built(engine, case).gradients(case.batch)
    assert loss == pytest.approx(case.loss(), rel=bound(engine, 1e-10))
    assert set(gradients) == set(case.program.training.trainable)
    for name, gradient in gradients.items():
        assert distance(gradient, finite_differences(case.loss, case.weights, name)) < bound(engine, 1e-6), (
            name
        )


def test_looking_changes_nothing(engine: Engine, case: Case) -> None:
    network = built(engine, case)
    network.predict(case.batch)
    network.predict(case.batch, training=True)
    network.gradients(case.batch)
    state = network.read()
    assert state.step == 0
    for name, weight in case.weights.items():
        np.testing.assert_array_equal(state.weights[name], weight)


def test_batches_of_any_length(engine: Engine) -> None:
    """The last batch of an epoch is shorter; whatever was compiled for the others must not show."""
    case = convolutional()
    network = built(engine, case)
    for rows in (BATCH, 4, BATCH, 2):
        part = case.rows(0, rows)
        expected, _ = case.reference(case.program.training, batch=part)
        assert network.gradients(part)[0] == pytest.approx(float(expected["loss"]), rel=bound(engine, 1e-10))
        expected, _ = case.reference(case.program.inference, batch=part)
        assert distance(network.predict(part)["y"], expected["y"]) < bound(engine, 1e-10)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "float16"])
def test_features_of_any_dtype(engine: Engine, dtype: str) -> None:
    case = perceptron()
    x = np.random.default_rng(1).integers(0, 4, (BATCH, 4))
    network = built(engine, case, Setting(precision="float32"))
    expected, _ = case.reference(case.program.inference, batch={"x": x.astype("float64")})
    value = network.predict({"x": x.astype(dtype)})["y"]
    assert value.dtype == np.float32
    assert distance(value, expected["y"]) < 1e-5


def test_features_that_must_not_be_written_to(engine: Engine) -> None:
    case = perceptron()
    x = np.broadcast_to(case.batch["x"][:1], (BATCH, 4))
    before = x.copy()
    network = built(engine, case)
    network.train({**case.batch, "x": x}, 0.1)
    network.wait()
    np.testing.assert_array_equal(x, before)


# -- training ------------------------------------------------------------------------------------------
OPTIMIZERS = {
    "sgd": Optimizer("sgd"),
    "momentum": Optimizer("sgd", momentum=0.9),
    "nesterov": Optimizer("sgd", momentum=0.9, nesterov=True),
    "sgd with decay": Optimizer("sgd", momentum=0.5, weight_decay=0.1),
    "clip by value": Optimizer("sgd", momentum=0.9, clipvalue=0.01),
    "clip by norm": Optimizer("sgd", momentum=0.9, clipnorm=0.05),
    "clip by global norm": Optimizer("sgd", momentum=0.9, global_clipnorm=0.05),
    "rmsprop": Optimizer("rmsprop"),
    "rmsprop centered": Optimizer("rmsprop", centered=True, momentum=0.5),
    "adagrad": Optimizer("adagrad"),
    "adadelta": Optimizer("adadelta", learning_rate=1.0),
    "adam": Optimizer("adam"),
    "adam with a large epsilon": Optimizer("adam", epsilon=0.1),
    "amsgrad": Optimizer("adam", amsgrad=True),
    "adam clipped by norm": Optimizer("adam", clipnorm=0.05),
    "adamw": Optimizer("adamw", weight_decay=0.2),
    "adamax": Optimizer("adamax"),
    "nadam": Optimizer("nadam"),
    "nadam clipped by norm": Optimizer("nadam", clipnorm=0.05),
    "torch.sgd": Optimizer("torch.sgd", momentum=0.9, dampening=0.3, weight_decay=0.1),
    "torch.sgd nesterov": Optimizer("torch.sgd", momentum=0.9, nesterov=True, weight_decay=0.1),
    "torch.adam": Optimizer("torch.adam", weight_decay=0.1, amsgrad=True, clipnorm=0.05),
    "torch.adamw": Optimizer("torch.adamw", weight_decay=0.2, accumulate=2),
    "torch.rmsprop": Optimizer("torch.rmsprop", momentum=0.5, centered=True, weight_decay=0.1),
    "torch.adagrad": Optimizer("torch.adagrad", lr_decay=0.1, initial_accumulator=0.1, ema=0.8),
    "l2": Optimizer("sgd", momentum=0.9, l2=0.1),
    "l2 clipped": Optimizer("adam", l2=0.5, global_clipnorm=0.05),
    "averaged": Optimizer("sgd", momentum=0.9, ema=0.8),
    "accumulated": Optimizer("adamw", accumulate=2, l2=0.1),
    "accumulated and averaged": Optimizer("sgd", momentum=0.9, accumulate=2, ema=0.8),
    "nadam accumulated, clipped by norm": Optimizer("nadam", accumulate=2, clipnorm=0.05),
}
RATES = (0.1, 0.1, 0.02, 0.0, 0.05)
"""Changing, since some momenta hold the rate of their time; and 0, which a schedule may reach."""


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers(engine: Engine, name: str) -> None:
    """Five steps against the rule in NumPy, which is fed the engine's own gradients (tried above)."""
    case = convolutional().with_optimizer(OPTIMIZERS[name])
    optimizer = case.program.optimizer
    trained, other = built(engine, case), built(engine, case)
    weights = dict(case.weights)
    trainable = case.program.training.trainable
    slots: dict[str, dict[str, Any]] = {
        w: {
            slot: np.full(() if s.scalar else weights[w].shape, s.initial, "float64")
            for slot, s in optimizer.slots().items()
        }
        for w in trainable
    }
    for step, rate in enumerate(RATES, start=1):
        batch = case.rows(step % 3, step % 3 + 3)
        other.load(State(weights))
        loss, gradients = other.gradients(batch)
        _, updates = case.reference(case.program.training, weights, batch)
        new, slots = apply(
            REFERENCE, optimizer, {w: weights[w] for w in trainable}, gradients, slots, rate, step
        )
        weights |= {**new, **updates}
        assert float(trained.train(batch, rate)) == pytest.approx(loss, rel=bound(engine, 1e-9))
    state = trained.read()
    assert state.step == len(RATES)
    for key, weight in weights.items():
        assert distance(state.weights[key], weight) < bound(engine, 1e-9), key
    assert state.slots is not None
    for key, expected in slots.items():
        assert set(state.slots[key]) == set(expected)
        for slot, value in expected.items():
            assert distance(state.slots[key][slot], value) < bound(engine, 1e-8), f"{slot} of {key}"


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_moving_statistics(engine: Engine, precision: str) -> None:
    """Keras's: the biased variance. The dense layer's few values make an unbiased one plain to see."""
    if precision not in engine.describe().precisions:
        pytest.skip(f"{engine.name} has no {precision}")
    case = convolutional()
    network = built(engine, case, Setting(precision=precision))
    expected = dict(case.weights)
    for step in range(3):
        batch = case.rows(step, step + 3)
        expected |= case.reference(case.program.training, expected, batch)[1]
        network.train(batch, 0.0)
    state = network.read()
    for name in case.program.training.updates:
        assert distance(state.weights[name], expected[name]) < (1e-10 if precision == "float64" else 1e-5), (
            name
        )


def test_moving_statistics_of_a_single_value(engine: Engine) -> None:
    """One example after a dense layer: the variance is 0, and nothing becomes NaN."""
    net = Net("single")
    y = net.dense("logits", net.batch_norm("norm", net.dense("hidden", net.feature("x", 4), 5)), 3)
    case = net.case({"y": y}, cross_entropy, {"x": np.ones((1, 4)), "target/y": np.zeros(1, "int64")})
    _, updates = case.reference(case.program.training)
    network = built(engine, case)
    network.train(case.batch, 0.1)
    state = network.read()
    for name, value in updates.items():
        np.testing.assert_allclose(state.weights[name], value, rtol=bound(engine, 1e-12))
    assert all(np.isfinite(w).all() for w in state.weights.values())


def test_moving_statistics_follow_tiny_variances(engine: Engine) -> None:
    """A variance far below epsilon is still the variance (not what is left of var + epsilon)."""
    net = Net("tiny")
    y = net.batch_norm("norm", net.feature("x", 3))
    x = 1e-5 * np.random.default_rng(0).standard_normal((64, 3))
    case = net.case({"y": y}, squared_error, {"x": x, "target/y": np.zeros((64, 3))})
    case.weights["norm/moving_variance"] = np.zeros(3)
    network = built(engine, case, Setting(precision="float32"))
    network.train(case.batch, 0.0)
    _, updates = case.reference(case.program.training)
    assert distance(network.read().weights["norm/moving_variance"], updates["norm/moving_variance"]) < 1e-3


def test_frozen_weights_stay(engine: Engine) -> None:
    case = CASES["branched"]().with_optimizer(Optimizer("sgd", weight_decay=0.1))
    network = built(engine, case)
    network.train(case.batch, 0.1)
    state = network.read()
    np.testing.assert_array_equal(state.weights["frozen/kernel"], case.weights["frozen/kernel"])
    assert distance(state.weights["first/kernel"], case.weights["first/kernel"]) > 1e-6


def test_loss_falls(engine: Engine, case: Case) -> None:
    network = built(engine, case.with_optimizer(Optimizer("sgd", momentum=0.9)), Setting())
    losses = [float(network.train(case.batch, 0.01)) for _ in range(30)]
    assert losses[-1] < 0.8 * losses[0]


# -- state ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["momentum", "adam", "nadam", "clip by norm"])
def test_resumed_training_is_the_same_training(engine: Engine, name: str) -> None:
    case = convolutional().with_optimizer(OPTIMIZERS[name])
    straight = built(engine, case, Setting())
    for _ in range(3):
        straight.train(case.batch, 0.05)
    saved = straight.read()
    resumed = built(engine, case, Setting())
    resumed.load(saved)
    for network in (straight, resumed):
        for _ in range(2):
            network.train(case.batch, 0.02)
    left, right = straight.read(), resumed.read()
    assert left.step == right.step == 5
    for key, weight in left.weights.items():
        np.testing.assert_array_equal(weight, right.weights[key], err_msg=key)
    assert left.slots is not None
    assert right.slots is not None
    for key, slots in left.slots.items():
        for slot, value in slots.items():
            np.testing.assert_array_equal(value, right.slots[key][slot], err_msg=f"{slot} of {key}")


def test_what_was_read_is_a_copy(engine: Engine) -> None:
    case = convolutional().with_optimizer(OPTIMIZERS["momentum"])
    network = built(engine, case)
    network.train(case.batch, 0.1)
    state = network.read()
    assert state.slots is not None
    weights = {k: v.copy() for k, v in state.weights.items()}
    slots = {k: {n: v.copy() for n, v in s.items()} for k, s in state.slots.items()}
    network.train(case.batch, 0.1)
    network.wait()
    for name, weight in weights.items():
        np.testing.assert_array_equal(state.weights[name], weight)
    for name, values in slots.items():
        for slot, value in values.items():
            np.testing.assert_array_equal(state.slots[name][slot], value)


def test_what_was_given_is_not_written_to(engine: Engine) -> None:
    case = convolutional().with_optimizer(OPTIMIZERS["momentum"])
    before = {k: v.copy() for k, v in case.weights.items()}
    network = built(engine, case)
    state = network.read()
    network.load(State(case.weights, state.slots, 0))
    for _ in range(2):
        network.train(case.batch, 0.1)
    network.wait()
    for name, weight in before.items():
        np.testing.assert_array_equal(case.weights[name], weight)


def test_load_without_slots_starts_afresh(engine: Engine) -> None:
    case = perceptron().with_optimizer(OPTIMIZERS["adam"])
    network = built(engine, case)
    first = float(network.train(case.batch, 0.1))
    after_one = network.read()
    network.train(case.batch, 0.1)
    network.load(State(case.weights))
    assert network.read().step == 0
    assert float(network.train(case.batch, 0.1)) == first
    again = network.read()
    for name, weight in after_one.weights.items():
        np.testing.assert_array_equal(again.weights[name], weight)


# -- noise ---------------------------------------------------------------------------------------------
@pytest.fixture
def drawing(engine: Engine) -> Engine:
    """An engine that can draw random numbers."""
    unsupported = engine.describe().unsupported
    for op in ("random_uniform", "random_normal"):
        if op in unsupported:
            pytest.skip(f"{engine.name} cannot run {op}: {unsupported[op]}")
    return engine


@pytest.mark.parametrize("rate", [0.25, 0.0])
def test_dropout(engine: Engine, drawing: Engine, rate: float) -> None:
    case = noisy(rate)
    network = built(engine, case)
    assert all((v == 1).all() for v in network.predict({"x": case.batch["x"]}).values())
    outputs = network.predict(case.batch, training=True)
    for name in "ab":
        values = outputs[name]
        np.testing.assert_allclose(
            np.unique(values), [1.0] if rate == 0 else [0.0, 1 / (1 - rate)], rtol=bound(engine, 1e-12)
        )
        assert np.mean(values == 0) == pytest.approx(rate, abs=0.03)
    if rate:
        assert 0.2 < np.mean(outputs["a"] != outputs["b"]) < 0.55, "two layers dropped alike"
        assert (outputs["a"][0] != outputs["a"][1]).any(), "two examples dropped alike"
    noise = outputs["noise"] - 1
    assert np.mean(noise) == pytest.approx(0, abs=0.03)
    assert np.std(noise) == pytest.approx(0.5, abs=0.03)


def test_noise_repeats_with_its_seed_and_changes_with_it(engine: Engine, drawing: Engine) -> None:
    case = noisy()
    network = built(engine, case)
    first = network.predict(case.batch, training=True)
    network.predict({**case.batch, "seed": np.int32(6)}, training=True)
    again = network.predict(case.batch, training=True)
    other = network.predict({**case.batch, "seed": np.int32(6)}, training=True)
    for name, value in first.items():
        np.testing.assert_array_equal(again[name], value)
        assert (other[name] != value).mean() > 0.1
    losses = [network.gradients({**case.batch, "seed": np.int32(s)})[0] for s in (5, 6, 5)]
    assert losses[0] == losses[2] != losses[1]


def test_dropout_drops_the_gradient_of_what_it_drops(engine: Engine, drawing: Engine) -> None:
    """Loss and gradient of one step see the same mask: sum of squares of kept cells, either way."""
    net = Net("dropped")
    x = net.op("multiply", net.feature("x", 500), net.add_weight("scale", np.ones(500), True))
    y = net.op("dropout", x, net.seed(), rate=0.5, salt=net.next_salt())
    case = net.case(
        {"y": y}, squared_error, {"x": np.ones((1, 500)), "target/y": np.zeros((1, 500)), "seed": np.int32(3)}
    )
    loss, gradients = built(engine, case).gradients(case.batch)
    mask = gradients["scale"] != 0
    assert 0.35 < mask.mean() < 0.65
    assert loss == pytest.approx(4 * mask.sum() / 500, rel=bound(engine, 1e-12))
    np.testing.assert_allclose(gradients["scale"][mask], 2 * 4 / 500, rtol=bound(engine, 1e-12))


# -- several at once -----------------------------------------------------------------------------------
def test_two_networks_do_not_disturb_each_other(engine: Engine) -> None:
    case = perceptron().with_optimizer(OPTIMIZERS["momentum"])
    alone = built(engine, case)
    expected = [float(alone.train(case.batch, 0.1)) for _ in range(3)]
    one, two = built(engine, case), built(engine, case, Setting(precision="float32"))
    seen = []
    for _ in range(3):
        seen.append(float(one.train(case.batch, 0.1)))
        two.train(case.batch, 0.3)
        two.predict(case.batch)
    assert seen == expected


def test_weight_that_nothing_reads(engine: Engine) -> None:
    """A layer off the path to the outputs keeps its weights and has gradient 0."""
    net = Net("unread")
    net.drawn("unread/kernel", 2, 2)
    y = net.dense("logits", net.feature("x", 4), 3)
    case = net.case({"y": y}, cross_entropy, {"x": np.ones((2, 4)), "target/y": np.zeros(2, "int64")})
    network = built(engine, case)
    _, gradients = network.gradients(case.batch)
    assert not gradients["unread/kernel"].any()
    network.train(case.batch, 0.1)
    np.testing.assert_array_equal(network.read().weights["unread/kernel"], case.weights["unread/kernel"])


def test_graph_of_one_node(engine: Engine) -> None:
    """An output that is an input's neighbour, and another that is a weight."""
    net = Net("short")
    x = net.feature("x", 3)
    net.nodes.append(Node("y", "add", (x, net.drawn("bias", 3)), {}, (TensorSpec((None, 3)),)))
    net.specs["%y"] = TensorSpec((None, 3))
    case = net.case({"y": "%y"}, squared_error, {"x": np.ones((2, 3)), "target/y": np.zeros((2, 3))})
    outputs = built(engine, case).predict(case.batch)
    np.testing.assert_allclose(
        outputs["y"], 1 + np.broadcast_to(case.weights["bias"], (2, 3)), rtol=bound(engine, 1e-12)
    )


# -- several workers ---------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", [perceptron, convolutional], ids=["plain", "with moving statistics"])
def test_a_contribution_taken_back_is_a_training_step(engine: Engine, kind: Callable[[], Case]) -> None:
    case = kind()
    alone, shared = built(engine, case), built(engine, case)
    if case.program.training.updates and not isinstance(shared, Sharing):
        pytest.skip(f"{engine.name} does not tell its next moving statistics")
    worker = sharing(shared, case.program)
    for _ in range(3):
        loss = float(alone.train(case.batch, 0.05))
        contribution = worker.contribution(case.batch)
        assert contribution.shape == (numbers(case.program),)
        assert float(contribution[0]) == pytest.approx(loss, rel=bound(engine, 1e-12))
        worker.update(contribution, 0.05)
    wanted, state = alone.read(), shared.read()
    assert state.step == wanted.step == 3
    for name, value in wanted.weights.items():
        assert distance(state.weights[name], value) < bound(engine, 1e-11), name
    for name, slots in (wanted.slots or {}).items():
        for slot, value in slots.items():
            assert distance((state.slots or {})[name][slot], value) < bound(engine, 1e-11), f"{slot} {name}"


@pytest.mark.parametrize(
    "optimizer",
    [
        Optimizer("adam"),
        Optimizer("sgd", momentum=0.9, clipnorm=0.1),
        Optimizer("sgd", accumulate=2, ema=0.9),
    ],
    ids=["adam", "clipnorm", "accumulate and ema"],
)
def test_parts_of_a_batch_weighted_are_the_batch(engine: Engine, optimizer: Optimizer) -> None:
    case = perceptron().with_optimizer(optimizer)
    alone, shared = built(engine, case), built(engine, case)
    worker = sharing(shared, case.program)
    for _ in range(4):
        alone.train(case.batch, 0.05)
        parts = [n * worker.contribution(case.rows(i, i + n)).astype("float64") for i, n in ((0, 4), (4, 2))]
        worker.update((sum(parts) / BATCH).astype(finest(engine).precision), 0.05)
    wanted, state = alone.read().weights, shared.read().weights
    for name, value in wanted.items():
        assert distance(state[name], value) < bound(engine, 1e-11), name
