"""A BatchNorm that a network uses twice: the second use reads the statistics that the first has moved."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import layers as kl

from crosstrain.graph.keras_import import import_loss, import_model
from crosstrain.proof.case import Case
from crosstrain.proof.locating.forward import first_node
from crosstrain.proof.locating.surgery import watched
from crosstrain.proof.truths.by_differences import Landscape
from crosstrain.proof.truths.by_numpy import evaluate, loss
from crosstrain.training.recipe import Recipe


@pytest.fixture(scope="module")
def case() -> Case:
    left, right = keras.Input((5,), name="left"), keras.Input((5,), name="right")
    norm = kl.BatchNormalization(name="norm")
    y = kl.Activation("tanh")(norm(left)) * kl.Activation("tanh")(norm(right))
    graph, weights = import_model(keras.Model([left, right], kl.Dense(2)(y)))
    lost, _, chosen, _ = import_loss(None, graph, None)
    names = {output: each.name for output, each in chosen.items()}
    return Case.make(graph, lost, weights, Recipe(), names, steps=1, batch_size=8, seed=0)


def test_slopes_are_those_of_the_loss(case: Case) -> None:
    """The network is smooth, so that nothing has to be held: plain differences of the loss are the truth."""
    name = next(name for name in case.weights if name.endswith("gamma"))
    direction = np.arange(1.0, 6.0)
    ends = [
        loss(case, {**case.weights, name: case.weights[name] + h * direction}, case.first())
        for h in (1e-5, -1e-5)
    ]
    expected = (ends[0] - ends[1]) / 2e-5
    assert abs(expected) > 1e-3
    assert Landscape(case).slope({name: direction}, 1e-5) == pytest.approx(expected, rel=1e-8)


def test_a_fault_in_the_second_use_is_found_there(case: Case) -> None:
    graph = watched(case).program.network.phase(training=True)
    evidence = dict(evaluate(graph, case.weights, case.first())[0])
    second = [node for node in graph.nodes if node.op == "batch_norm"][1]
    evidence[second.references[0]] = evidence[second.references[0]] * 1.01
    departure = first_node("training", graph, case.weights, case.first(), evidence, "float64", case)
    assert departure is not None
    assert departure.node == second.name
