"""Engines compute and learn the networks of the catalogue: their tiny variants, against NumPy in float64."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from tests.engines.networks import distance

import crosstrain
from crosstrain import zoo
from crosstrain.engines.contract import Setting
from crosstrain.engines.registry import engines
from crosstrain.environments.environments import default
from crosstrain.graph.evaluate import Ops, compiled
from crosstrain.graph.graph import Graph, Weights
from crosstrain.graph.keras_import import import_loss, import_model
from crosstrain.graph.ops import NUMPY
from crosstrain.graph.program import Program
from crosstrain.training.optimizers import Optimizer

BATCH = 4
STEP = 1e-6


def unlike() -> list[Any]:
    """One row for each tiny variant: ``resnet20`` and ``resnet110`` have the same."""
    rows = {
        json.dumps([row.function, {**row.arguments, **row.tiny}], default=str): row
        for row in reversed(zoo.networks().values())
    }
    slow = pytest.mark.slow("keras.applications: hundreds of layers each")
    return [
        pytest.param(row.name, marks=slow if row.function.startswith("applications") else ())
        for row in reversed(rows.values())
    ]


@dataclass(frozen=True)
class Tried:
    """A tiny variant as a program, with weights and a batch. Its dropout drops nothing: every engine draws
    noise of its own."""

    program: Program
    weights: Weights
    batch: dict[str, np.ndarray]

    @classmethod
    def of(cls, name: str) -> Tried:
        graph, drawn = import_model(zoo.build(f"{name}:tiny"), None)
        graph = replace(graph, nodes=tuple(_without_noise(node) for node in graph.nodes))
        loss, constants, _, targets = import_loss(None, graph, None, None, zoo.network_row(name).loss_weights)
        random = np.random.default_rng(5)
        # Biases of 0 would leave ReLUs at their kinks.
        weights = {
            k: v.astype("float64") + 0.05 * random.standard_normal(v.shape)
            if graph.weights[k].trainable
            else v
            for k, v in drawn.items()
        }
        batch: dict[str, np.ndarray] = {}
        for key, spec in graph.inputs.items():
            batch[key] = np.int32(3) if key == "seed" else random.normal(size=(BATCH, *spec.shape[1:]))  # type: ignore[assignment]
        labels = random.integers(0, 5, BATCH)
        batch |= {f"target/{key}": labels for key in targets}
        return cls(Program(graph, loss, Optimizer()), {**weights, **constants}, batch)

    def reference(self, graph: Graph, weights: Weights | None = None) -> dict[str, Any]:
        run = compiled(graph, Ops(NUMPY, "NumPy"), "float64")
        return dict(run(dict(weights or self.weights), self.batch)[0])

    def loss(self, weights: Weights | None = None) -> float:
        return float(self.reference(self.program.training, weights)["loss"])


def _without_noise(node: Any) -> Any:
    if node.op != "dropout":
        return node
    return replace(node, attributes={**node.attributes, "rate": 0.0})


def check(name: str, engine: str) -> None:
    """Outputs of both phases, the loss, and the gradient along a random direction."""
    tried = Tried.of(name)
    network = engines()[engine].load().build(tried.program, tried.weights, Setting(precision="float64"))
    for training in (False, True):
        expected = tried.reference(tried.program.network.phase(training))
        outputs = network.predict(tried.batch, training=training)
        assert set(outputs) == set(expected)
        for key, value in outputs.items():
            assert distance(value, expected[key]) < 1e-9, (key, training)
    loss, gradients = network.gradients(tried.batch)
    assert loss == pytest.approx(tried.loss(), rel=1e-10)
    random = np.random.default_rng(1)
    direction = {k: random.standard_normal(v.shape) for k, v in gradients.items()}
    length = np.sqrt(sum(float((v**2).sum()) for v in direction.values()))
    ends = [
        tried.loss(
            {**tried.weights, **{k: tried.weights[k] + s * STEP / length * v for k, v in direction.items()}}
        )
        for s in (1, -1)
    ]
    slope = sum(float((np.asarray(gradients[k]) * v).sum()) for k, v in direction.items()) / length
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * STEP), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("name", unlike())
def test_on_pytorch(name: str) -> None:
    pytest.importorskip("torch")
    check(name, "torch")


@pytest.mark.slow("every network on every installed engine, each proved in processes of its own")
@pytest.mark.parametrize("name", [p.values[0] for p in unlike()])
def test_every_engine_is_proved_on_the_tiny_variant(name: str) -> None:
    proof = crosstrain.prove(f"{name}:tiny", engines=list(default()), progress=False)
    assert proof.proved, [c.reason for c in proof if c.status != "proved"]


@pytest.mark.slow("the full sizes: gigabytes and minutes each")
@pytest.mark.parametrize(
    "name", [name for name in zoo.networks() if not name.startswith(("nasnet-l", "eff"))]
)
def test_the_full_size_is_proved(name: str) -> None:
    proof = crosstrain.prove(
        name, engines=["torch", "tensorflow", "jax"], precisions=["float64"], progress=False
    )
    assert proof.proved, [c.reason for c in proof if c.status != "proved"]
