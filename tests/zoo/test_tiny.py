"""Engines compute and learn the networks of the catalogue: their tiny variants, against NumPy in float64."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from tests.engines.networks import distance

import crosstrain
from crosstrain import zoo
from crosstrain.engines.contract import Setting
from crosstrain.engines.registry import engines
from crosstrain.environments.environments import ready
from crosstrain.graph.define import WITHOUT_DATA
from crosstrain.graph.evaluate import Ops, compiled
from crosstrain.graph.graph import Graph, Weights
from crosstrain.graph.keras_import import import_loss, import_model
from crosstrain.graph.ops import NUMPY
from crosstrain.graph.program import Program
from crosstrain.graph.reference import run_numpy
from crosstrain.proof.batch import targets as targets_of_boxes
from crosstrain.proof.holding.frozen import FrozenGraph
from crosstrain.proof.holding.noise import without_noise
from crosstrain.proof.truths.by_numpy import values
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss
from crosstrain.zoo.catalogue.sequences import TRANSCRIPTION

BATCH = 4
STEP = 1e-7
QUICK = (
    "lenet5", "idsia", "alexnet", "vgg11", "nin", "googlenet-bn", "resnet50", "resnet20-b", "resnet20-preact",
    "vit-tiny", "convnext-femto", "mlp-mixer", "segnet-basic", "segnet", "unet", "fcn8s", "bilstm", "gru",
    "seq2seq", "tcn", "gpt-nano", "rnn-lm", "crnn-ctc", "captioner", "yolo", "yolo-tiny", "faster-rcnn-small",
    "ssd-lite",
)  # fmt: skip
"""One of each family."""


def unlike() -> list[Any]:
    """One row for each tiny variant: ``resnet20`` and ``resnet110`` have the same."""
    rows = {
        json.dumps([row.function, {**row.arguments, **row.tiny}], default=str): row
        for row in reversed(zoo.networks().values())
    }
    names = dict.fromkeys([*QUICK, *(row.name for row in reversed(rows.values()))])
    slow = pytest.mark.slow("the quick tests take one network of each family")
    return [pytest.param(name, marks=() if name in QUICK else slow) for name in names]


@dataclass(frozen=True)
class Tried:
    """A tiny variant as a program, with weights and a batch. Its noise is off: every engine draws its own."""

    program: Program
    weights: Weights
    batch: dict[str, np.ndarray]

    @classmethod
    def of(cls, name: str) -> Tried:
        graph, drawn = import_model(zoo.build(f"{name}:tiny"), None)
        graph, _ = without_noise(graph)
        row = zoo.network_row(name)
        losses = {"": WITHOUT_DATA[row.task]} if row.task in WITHOUT_DATA else None
        loss, constants, chosen, targets = import_loss(losses, graph, None, loss_weights=row.loss_weights)
        random = np.random.default_rng(5)
        # The reference computes in the type of its weights. Biases of 0 would leave ReLUs at their kinks.
        weights = {key: np.asarray(value, "float64") for key, value in drawn.items()}
        for key, value in weights.items():
            if graph.weights[key].trainable:
                weights[key] = value + 0.05 * random.standard_normal(value.shape)
        batch: dict[str, np.ndarray] = {}
        for key, spec in graph.inputs.items():
            shape = (BATCH, *spec.shape[1:])
            batch[key] = np.int32(3) if key == "seed" else random.normal(size=shape)  # type: ignore[assignment]
            if spec.dtype == "int32" and key != "seed":  # tokens
                batch[key] = random.integers(0, 5, shape, dtype=np.int32)  # type: ignore[arg-type]
        drawn_for = {key: each.name for key, each in chosen.items()}
        for key, target in targets.items():
            if target.get("boxes"):
                batch |= targets_of_boxes(graph, loss, drawn_for, BATCH, seed=5)
                continue
            shape = (BATCH, *target["shape"])
            is_class = "int" in target["dtype"]
            lowest = 1 if row.task == TRANSCRIPTION else 0  # 0 is CTC's blank
            batch[f"target/{key}"] = (
                random.integers(lowest, 5, shape) if is_class else random.normal(size=shape)
            )
        return cls(Program(graph, loss, Optimizer()), {**weights, **constants}, batch)

    def reference(self, graph: Graph) -> dict[str, Any]:
        run = compiled(graph, Ops(NUMPY, "NumPy"), "float64")
        return dict(run(dict(self.weights), self.batch)[0])

    def loss(self) -> float:
        return float(self.reference(self.program.training)["loss"])

    @cached_property
    def frozen(self) -> FrozenGraph:
        """The training graph with its branches held: no gradient flows through what only selects."""
        graph = self.program.training
        known = {f"@{name}": value for name, value in self.weights.items()}
        known |= values(graph, self.weights, self.batch)
        return FrozenGraph(graph.nodes, known, graph.outputs["loss"])

    def loss_at(self, moved: Weights) -> float:
        """The loss where weights are so far from their own."""
        return self.frozen.result_with({f"@{k}": self.weights[k] + v for k, v in moved.items()})


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
    ends = [tried.loss_at({k: s * STEP / length * v for k, v in direction.items()}) for s in (1, -1)]
    slope = sum(float((np.asarray(gradients[k]) * v).sum()) for k, v in direction.items()) / length
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * STEP), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("name", unlike())
def test_on_pytorch(name: str) -> None:
    pytest.importorskip("torch")
    check(name, "torch")


def test_places_of_maxima_survive_a_compiler_that_computes_them_anew() -> None:
    """XLA fuses what leads to a maximum into all that reads it, and rounds each time in its own way: compared
    with the maximum itself, a place was found for none."""
    pytest.importorskip("jax")
    check("segnet-basic", "jax")


@pytest.mark.slow("every network on every installed engine, each proved in processes of its own")
@pytest.mark.parametrize("name", [p.values[0] for p in unlike()])
def test_every_engine_is_proved_on_the_tiny_variant(name: str) -> None:
    proof = crosstrain.prove(f"{name}:tiny", engines=list(ready(training=True)), progress=False)
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


def test_googlenet_s_heads_learn_one_target_and_the_auxiliary_ones_count_less() -> None:
    """Szegedy et al. 2014, section 5: their losses are added with a weight of 0.3."""
    graph, _ = import_model(zoo.build("googlenet:tiny"), None)
    target = {"": {"shape": [], "dtype": "int64", "classes": 5}}
    weights = zoo.network_row("googlenet").loss_weights
    loss, constants, chosen, targets = import_loss(None, graph, target, loss_weights=weights)
    assert {name: part.weight for name, part in chosen.items()} == {
        "logits": 1.0, "auxiliary1": 0.3, "auxiliary2": 0.3,
    }  # fmt: skip
    random = np.random.default_rng(0)
    outputs = {name: random.normal(size=(BATCH, 5)) for name in chosen}
    labels = random.integers(0, 5, BATCH)
    feed = {f"output/{name}": value for name, value in outputs.items()}
    feed |= {f"target/{name}": labels for name in targets}
    found = float(run_numpy(loss, constants, feed)[0]["loss"])
    parts = {
        name: float(np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(BATCH), labels]))
        for name, z in outputs.items()
    }
    assert found == pytest.approx(parts["logits"] + 0.3 * (parts["auxiliary1"] + parts["auxiliary2"]))
    named, *_ = import_loss(
        {"logits": Loss("sparse_categorical_crossentropy")}, graph, target, loss_weights=weights
    )
    assert list(named.inputs) == ["output/logits", "target/logits"], "named losses replace the network's own"


@pytest.mark.slow("1,797 pictures of 80×80 pixels through GoogLeNet, in a process of its own")
def test_googlenet_is_trained_on_one_target() -> None:
    trained = crosstrain.train("googlenet:tiny", "digits", engine="torch", epochs=1, progress=False)
    assert trained.result.status == "done"
