"""Graphs as data: round trips, phases, merging with a loss, costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl

from crosstrain.graph.cost import cost, describe
from crosstrain.graph.graph import Graph, GraphError, Node, TensorSpec, merged
from crosstrain.graph.keras_import import import_loss, import_model
from crosstrain.graph.reference import run_numpy


def network() -> keras.Model:
    inputs = keras.Input((8, 8, 3), name="x")
    x = kl.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="conv")(inputs)
    x = kl.Activation("relu", name="act")(kl.BatchNormalization(name="bn")(x))
    x = kl.Dropout(0.5, name="drop")(kl.Flatten(name="flat")(x))
    return keras.Model(inputs, kl.Dense(5, kernel_regularizer="l2", name="scores")(x), name="net")


@pytest.fixture(scope="module")
def imported() -> Any:
    return import_model(network())


def test_round_trip(imported: Any, tmp_path: Path) -> None:
    graph, weights = imported
    graph.save(tmp_path / "g.json", weights)
    again, loaded = Graph.load(tmp_path / "g.json")
    assert again == graph
    assert again.hash == graph.hash
    assert all(np.array_equal(loaded[name], weights[name]) for name in weights)


def test_phases(imported: Any) -> None:
    graph, _ = imported
    training, inference = graph.phase(True), graph.phase(False)
    assert {n.op for n in training.nodes} >= {"batch_norm", "dropout"}
    assert {n.op for n in inference.nodes}.isdisjoint({"batch_norm", "dropout"})
    assert set(training.updates) == {"bn/moving_mean", "bn/moving_variance"}
    assert not inference.updates
    assert not inference.penalties
    assert "seed" in training.inputs
    assert "seed" not in inference.inputs
    assert training.check().phase(True) == training
    assert inference.check().phase(False) == inference


def test_merged_with_its_loss(imported: Any) -> None:
    graph, weights = imported
    loss, constants, _, _ = import_loss(None, graph, {"": {"shape": (), "dtype": "int64", "classes": 5}})
    whole = merged("all", graph.phase(True), loss)
    rng = np.random.default_rng(0)
    inputs = {"x": rng.random((6, 8, 8, 3)), "target/scores": rng.integers(0, 5, 6), "seed": np.asarray(1)}
    outputs, updates = run_numpy(whole, {**weights, **constants}, inputs, training=True)
    scores = outputs["output/scores"]
    log_p = scores - np.log(np.exp(scores).sum(-1, keepdims=True))
    expected = (
        -log_p[np.arange(6), inputs["target/scores"]].mean()
        + 0.01 * np.square(weights["scores/kernel"].astype("f8")).sum()
    )
    assert float(outputs["loss"]) == pytest.approx(expected, rel=1e-12)
    assert set(updates) == {"bn/moving_mean", "bn/moving_variance"}


def test_cost(imported: Any) -> None:
    graph, _ = imported
    costs = cost(graph)
    assert costs.parameters == 3 * 3 * 3 * 4 + 2 * 4 + 64 * 5 + 5
    assert costs.state == 8
    assert costs.macs == 4 * 4 * 3 * 3 * 3 * 4 + 64 * 5
    assert sum(row.parameters for row in costs.nodes) == costs.parameters
    assert costs.activation_bytes == 4 * (3 * 64 + 64 + 5)
    table = describe(graph)
    assert max(map(len, table.splitlines())) <= 100 + 20
    assert "441 parameters" in table


def test_a_graph_that_does_not_hold_together_is_refused() -> None:
    spec = TensorSpec((None, 3))
    loose = Graph("g", {"x": spec}, {"y": "%y"}, (Node("y", "relu", ("%z",), {}, (spec,)),))
    with pytest.raises(GraphError, match="'y' reads %z"):
        loose.check()
    unknown = Graph("g", {"x": spec}, {"y": "%y"}, (Node("y", "frobnicate", ("%x",), {}, (spec,)),))
    with pytest.raises(GraphError, match="unknown op 'frobnicate'"):
        unknown.check()
