"""Graph → Keras model: what comes back by importing it again computes the same, and Keras's own layers are
used where the graph has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from crosstrain import zoo
from crosstrain.conformance.cases import OP_CASES
from crosstrain.errors import CrosstrainError
from crosstrain.graph.builder import Builder
from crosstrain.graph.graph import Graph, TensorSpec, Weights
from crosstrain.graph.keras_export import Export, export, keras_model
from crosstrain.graph.keras_import import import_model, weight_names
from crosstrain.graph.keras_import.keras_file import load_keras_file
from crosstrain.graph.keras_precision import precision
from crosstrain.graph.reference import run_numpy
from tests.engines.networks import CASES as SMALL
from tests.graph.agreement import drawn
from tests.graph.networks import CASES as NETWORKS

ZOO = {"mlp": (28, 28, 1), "lenet5": (32, 32, 1), "idsia": (48, 48, 3), "resnet20": (32, 32, 3)}


@pytest.fixture(autouse=True)
def in_float64() -> Iterator[None]:
    """Both sides in NumPy's float64, so that nothing but rounding may differ."""
    keras.backend.clear_session()
    with precision("float64"), np.errstate(all="ignore"):
        yield


def names_again(exported: Export) -> dict[str, str]:
    """The weight names of the imported model → those of the graph that it was made from."""
    known = {id(v): name for name, v in exported.variables.items()}
    pairs = zip(weight_names(exported.model), exported.model.weights, strict=True)
    return {name: known[id(v)] for name, v in pairs if id(v) in known}


def check(graph: Graph, weights: Weights, inputs: Mapping[str, Any], tolerance: float = 1e-10) -> Export:
    """The graph, and the graph of its Keras model, give the same in both phases."""
    exported = export(graph, weights)
    again, values = import_model(exported.model)
    names = names_again(exported)
    assert {names[name] for name in again.trainable} == set(graph.trainable)
    batch = {**inputs, "seed": np.int32(0)}
    noisy = "seed" in graph.inputs  # numbers come out in another order
    for training in (False,) if noisy else (False, True):
        expected, updates = run_numpy(graph, weights, batch, training=training)
        actual, updates_again = run_numpy(again, values, batch, training=training)
        assert list(actual) == list(expected)
        updates_again = {names[name]: value for name, value in updates_again.items()}
        assert set(updates_again) == set(updates)
        for what, left, right in (
            *((name, actual[name], value) for name, value in expected.items()),
            *((name, updates_again[name], value) for name, value in updates.items()),
        ):
            np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance, err_msg=what)
    expected_penalties, actual_penalties = (
        sum(float(penalty_of(g, p, w)) for p in g.penalties) for g, w in ((graph, weights), (again, values))
    )
    assert actual_penalties == pytest.approx(expected_penalties, rel=1e-6)
    return exported


def penalty_of(graph: Graph, penalty: str, weights: Weights) -> Any:
    """A penalty that depends on weights alone (others are compared with the outputs they are made of)."""
    inputs = {n: np.zeros([s or 1 for s in spec.shape], spec.dtype) for n, spec in graph.inputs.items()}
    alone = Graph(graph.name, graph.inputs, {"penalty": penalty}, graph.nodes, graph.weights)
    return run_numpy(alone, weights, inputs)[0]["penalty"]


@pytest.mark.parametrize("name", ZOO)
def test_the_zoo_comes_back(name: str) -> None:
    graph, weights = import_model(zoo.build(name, ZOO[name], 10))
    x = np.random.default_rng(0).standard_normal((2, *ZOO[name]))
    exported = check(graph, weights, {next(iter(graph.inputs)): x})
    assert all(type(layer).__module__.startswith("keras.") for layer in exported.model.layers)


@pytest.mark.parametrize("name", SMALL)
def test_networks_built_by_hand_come_back(name: str) -> None:
    case = SMALL[name]()
    features = {k: v for k, v in case.batch.items() if not k.startswith("target/")}
    check(case.program.network, case.weights, features)


# Keras says of a nested model that it drops the mask; that is the case.
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask")
@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_family_comes_back(name: str) -> None:
    case = NETWORKS[name]
    keras.utils.set_random_seed(0)
    model = case.build()
    inputs = drawn(model, case, np.random.default_rng(0))
    graph, weights = import_model(model)
    check(graph, weights, inputs, 1e-9)


def of_one_op(name: str) -> tuple[Graph, Weights, dict[str, np.ndarray]]:
    """A case's op on an input where that can be, and on weights otherwise."""
    case, builder = OP_CASES[name], Builder("one")
    refs: list[str | None] = [builder.add_input("x", TensorSpec((None, 1)))]
    arguments = [
        None if a is None else builder.add_weight(f"w{i}/value", np.asarray(a), case.differentiable(i))
        for i, a in enumerate(case.inputs)
    ]
    outputs = builder.emit(case.op, *arguments, name="result", **case.attributes)
    named = {f"y{i}": ref for i, ref in enumerate(outputs)}
    return builder.graph({**named, "x": str(refs[0])}), builder.arrays, {"x": np.ones((2, 1))}


@pytest.mark.parametrize("name", OP_CASES)
def test_every_op_comes_back(name: str) -> None:
    graph, weights, batch = of_one_op(name)
    exported = export(graph, weights)
    again, values = import_model(exported.model)
    statistics = OP_CASES[name].op == "batch_norm"  # its further outputs are there in training alone
    for training in (True,) if statistics else (False, True):
        expected, _ = run_numpy(graph, weights, batch, training=training)
        actual, _ = run_numpy(again, values, batch, training=training)
        for key, value in expected.items():
            assert actual[key].dtype.kind == value.dtype.kind
            np.testing.assert_allclose(actual[key], value, rtol=1e-9, atol=1e-9, err_msg=key)


@pytest.mark.parametrize("name", ["resnet20", "own ByPhase", "group norm", "subclassed"])
def test_a_saved_model_is_the_model(name: str, tmp_path: Path) -> None:
    """Also by the loader that runs no code of the file's."""
    if name in ZOO:
        model, inputs = zoo.build(name, ZOO[name], 10), None
    else:
        model = NETWORKS[name].build()
        inputs = drawn(model, NETWORKS[name], np.random.default_rng(0))
    graph, weights = import_model(model)
    if inputs is None:
        inputs = {next(iter(graph.inputs)): np.random.default_rng(0).standard_normal((2, *ZOO[name]))}
    exported = keras_model(graph, weights)
    file = tmp_path / "exported.keras"
    exported.save(file)
    again, values = import_model(load_keras_file(file, floatx="float64"))
    for training in (False, True):
        expected, _ = run_numpy(graph, weights, inputs, training=training)
        actual, _ = run_numpy(again, values, inputs, training=training)
        for key, value in expected.items():
            np.testing.assert_allclose(actual[key], value, rtol=1e-10, atol=1e-12)


def test_an_activation_is_the_layers_own_again() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="tanh", name="hidden")])
    exported = keras_model(*import_model(model))
    assert exported.get_layer("hidden").activation is keras.activations.tanh


def test_a_regularizer_is_the_layers_own_again() -> None:
    rule = keras.regularizers.L1L2(0.25, 0.5)
    layer = keras.layers.Dense(3, kernel_regularizer=rule, name="hidden")
    exported = keras_model(*import_model(keras.Sequential([keras.Input((4,)), layer])))
    again = exported.get_layer("hidden").kernel_regularizer
    assert (again.l1, again.l2) == (0.25, 0.5)


def test_a_shared_layer_is_one_layer() -> None:
    x, dense = keras.Input((4,)), keras.layers.Dense(4, name="shared")
    exported = keras_model(*import_model(keras.Model(x, dense(dense(x)))))
    assert len([layer for layer in exported.layers if isinstance(layer, keras.layers.Dense)]) == 1


def test_a_half_frozen_layer_keeps_its_halves() -> None:
    """Keras freezes whole layers; here the bias alone is frozen, so that both stand loose."""
    builder = Builder("halves")
    x = builder.add_input("x", TensorSpec((None, 2)))
    kernel = builder.add_weight("d/kernel", np.ones((2, 3)), True)
    (y,) = builder.emit("dense", x, kernel, builder.add_weight("d/bias", np.zeros(3), False))
    graph = builder.graph({"y": y})
    exported = check(graph, builder.arrays, {"x": np.ones((2, 2))})
    assert [v.path for v in exported.model.trainable_variables] == [exported.variables["d/kernel"].path]


def test_single_outputs_are_tensors_and_several_are_named() -> None:
    case = SMALL["branched"]()
    exported = keras_model(case.program.network, case.weights)
    assert set(exported.output) == {"a", "b"}
    assert [t._keras_history.operation.name for t in exported.inputs] == list(case.program.network.inputs)
    case = SMALL["perceptron"]()
    assert keras_model(case.program.network, case.weights).output.shape == (None, 3)


def test_a_graph_without_inputs_is_refused() -> None:
    builder = Builder("nothing")
    w = builder.add_weight("w", np.ones(3), True)
    with pytest.raises(CrosstrainError, match="no inputs"):
        keras_model(builder.graph({"y": w}), builder.arrays)
