"""A mask that reaches an output leaves its steps out of the loss and of the metrics, with Keras's meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras.src.backend.common.masking import set_keras_mask

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph, merged
from crosstrain.graph.keras_import import import_loss
from crosstrain.graph.keras_import.network import import_with_masks
from crosstrain.graph.reference import run_numpy
from crosstrain.proof.batch import padding_of
from crosstrain.proof.case import Case
from crosstrain.runs.tasks.evaluation import Evaluation
from crosstrain.source.network import code
from crosstrain.training.metrics import Reading
from crosstrain.training.recipe import Loss, Recipe
from tests.graph.test_define import define

STEPS, CLASSES = 6, 3
RNG = np.random.default_rng(2)
WORDS = RNG.integers(0, 3, (4, STEPS))
LABELS = RNG.integers(0, CLASSES, (4, STEPS))


def tagger(activation: str | None = "softmax") -> keras.Model:
    words = keras.Input((STEPS,), dtype="int32", name="words")
    x = kl.GRU(4, return_sequences=True)(kl.Embedding(3, 4, mask_zero=True)(words))
    return keras.Model(words, kl.Dense(CLASSES, activation=activation, name="tags")(x))


def series() -> keras.Model:
    x = keras.Input((STEPS, 2), name="x")
    return keras.Model(x, kl.Dense(1, name="y")(kl.Masking(0.0)(x)))


def target(shape: list[int], dtype: str, classes: int | None = None) -> dict[str, Any]:
    return {"": {"shape": shape, "dtype": dtype, "classes": classes}}


TAGS = target([STEPS], "int64", CLASSES)
LOSSES = [
    ("SparseCategoricalCrossentropy", {}, TAGS, LABELS),
    ("SparseCategoricalCrossentropy", {"reduction": "sum"}, TAGS, LABELS),
    ("SparseCategoricalCrossentropy", {"reduction": "mean_with_sample_weight"}, TAGS, LABELS),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1, "from_logits": True}, TAGS, LABELS),
    (
        "CategoricalCrossentropy", {"label_smoothing": 0.1}, target([STEPS, CLASSES], "float32", CLASSES),
        np.eye(CLASSES)[LABELS],
    ),
    ("MeanSquaredError", {}, target([STEPS, CLASSES], "float32"), RNG.normal(size=(4, STEPS, CLASSES))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings", "targets", "values"), LOSSES)
def test_is_the_loss_of_keras(name: str, settings: dict[str, Any], targets: Any, values: np.ndarray) -> None:
    """On Keras's NumPy backend, which reduces in float32."""
    graph, weights, masks = import_with_masks(tagger())
    loss, constants, _, _ = import_loss({"": Loss(name, settings)}, graph, targets, None, masks)
    whole = merged("whole", graph.phase(training=True), loss)
    weights = {name: 9 * value for name, value in weights.items()}  # so that every step counts differently
    outputs, _ = run_numpy(whole, {**weights, **constants}, {"words": WORDS, "target/tags": values})
    predicted = outputs["output/tags"]
    set_keras_mask(made := keras.ops.convert_to_tensor(predicted), keras.ops.convert_to_tensor(WORDS != 0))
    wanted = getattr(keras.losses, name)(**settings)(values, made)
    assert float(outputs["loss"]) == pytest.approx(float(wanted), rel=2e-6)
    unmasked = getattr(keras.losses, name)(**settings)(values, predicted)
    assert float(outputs["loss"]) != pytest.approx(float(unmasked), rel=1e-3)


def test_the_mean_over_the_steps_that_are_there() -> None:
    graph, _, masks = import_with_masks(series())
    loss, _, _, _ = import_loss(None, graph, target([STEPS, 1], "float32"), None, masks)
    assert list(loss.inputs) == ["output/y", "target/y", "x"]
    x, y, truth = RNG.normal(size=(3, STEPS, 2)), *RNG.normal(size=(2, 3, STEPS, 1))
    x[0, 2:], x[1, :1] = 0.0, 0.0
    outputs, _ = run_numpy(loss, {}, {"x": x, "output/y": y, "target/y": truth})
    there = (x != 0).any(axis=-1)
    np.testing.assert_array_equal(outputs["mask/y"], there)
    assert float(outputs["loss"]) == pytest.approx(np.mean((y - truth)[there] ** 2), rel=1e-12)


def test_no_step_at_all_costs_nothing() -> None:
    graph, _, masks = import_with_masks(series())
    loss, _, _, _ = import_loss(None, graph, target([STEPS, 1], "float32"), None, masks)
    nothing = {"x": np.zeros((1, STEPS, 2)), "output/y": np.ones((1, STEPS, 1))}
    outputs, _ = run_numpy(loss, {}, {**nothing, "target/y": np.zeros((1, STEPS, 1))})
    assert float(outputs["loss"]) == 0.0


class Answers:
    """A network that always answers the same."""

    def __init__(self, outputs: np.ndarray) -> None:
        self.outputs = outputs

    def predict(self, inputs: Any, training: bool = False) -> dict[str, np.ndarray]:
        return {"tags": self.outputs[: len(inputs["words"])]}


def test_metrics_count_the_steps_that_are_there() -> None:
    graph, _, masks = import_with_masks(tagger())
    loss, constants, _, _ = import_loss(None, graph, TAGS, None, masks)
    scores = np.exp(RNG.normal(size=(4, STEPS, CLASSES)))
    scores /= scores.sum(axis=-1, keepdims=True)
    evaluation = Evaluation({"tags": Reading(CLASSES)}, ("accuracy", "confusion"), loss, constants, 64)
    network: Any = Answers(scores)
    results = evaluation.run(network, {"words": WORDS}, {"tags": LABELS})

    metric = keras.metrics.SparseCategoricalAccuracy()
    set_keras_mask(made := keras.ops.convert_to_tensor(scores), keras.ops.convert_to_tensor(WORDS != 0))
    metric.update_state(LABELS, made)
    assert results["accuracy"] == pytest.approx(float(metric.result()), rel=1e-6)
    assert np.sum(results["confusion"]) == np.count_nonzero(WORDS)
    wanted = keras.losses.SparseCategoricalCrossentropy()(LABELS, made)
    assert results["loss"] == pytest.approx(float(wanted), rel=2e-6)


def test_a_proof_leaves_steps_out() -> None:
    """No random input would be the padding of ``Masking``, and the noise on a data set's would undo it."""
    graph, weights, masks = import_with_masks(series())
    loss, constants, _, _ = import_loss(None, graph, target([STEPS, 1], "float32"), None, masks)
    assert padding_of(loss) == {"x": 0.0}
    for examples in (None, {"x": np.zeros((9, STEPS, 2))}):
        case = Case.make(graph, loss, {**weights, **constants}, Recipe(), {"y": "mean_squared_error"},
                         steps=2, batch_size=8, seed=0, examples_of=examples)  # fmt: skip
        absent = (case.data["x"] == 0).all(axis=-1)
        assert absent.mean() == 1 if examples else 0.1 < absent.mean() < 0.4


def test_a_definition_with_a_mask(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "import keras\nfrom keras import layers as kl\n"
        "def net():\n"
        "    x = keras.Input((6,), dtype='int32', name='words')\n"
        "    return keras.Model(x, kl.Dense(3, name='tags')(kl.Embedding(5, 4, mask_zero=True)(x)))\n"
    )
    targets = {"": {"shape": [6], "dtype": "int64", "classes": 3}}
    define(f"{path}:net", tmp_path / "out", input_shapes=None, classes=None, targets=targets)
    loss = Graph.load(tmp_path / "out" / "loss.json")[0]
    assert list(loss.outputs) == ["loss", "mask/tags"]
    assert "words" in json.loads((tmp_path / "out" / "loss.json").read_text())["inputs"]


class Weighted(kl.Layer):
    """A layer whose mask depends on what another has learned."""

    def call(self, x: Any) -> Any:
        return x

    def compute_mask(self, x: Any, mask: Any = None) -> Any:
        return keras.ops.any(keras.ops.greater(x, 0.0), axis=-1)


def test_a_mask_that_is_learned_is_refused() -> None:
    x = keras.Input((STEPS, 2), name="x")
    graph, _, masks = import_with_masks(keras.Model(x, Weighted()(kl.Dense(2)(x))))
    with pytest.raises(CrosstrainError, match="depends on weights or on noise"):
        import_loss(None, graph, target([STEPS, 2], "float32"), None, masks)


@pytest.mark.slow("defines a network in a process of its own")
def test_source_does_not_leave_a_mask_out(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "import keras\nfrom keras import layers as kl\n"
        "def net():\n"
        "    x = keras.Input((6,), dtype='int32', name='words')\n"
        "    return keras.Model(x, kl.Dense(3, name='tags')(kl.Embedding(5, 4, mask_zero=True)(x)))\n"
    )
    with pytest.raises(CrosstrainError, match="'tags' carries a mask"):
        code(f"{path}:net", "net", "torch", Recipe(), check=False)
