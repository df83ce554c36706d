"""How a training ends: early, with averaged weights, with the best epoch tested too, and over-fitted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crosstrain.engines.registry import engines
from crosstrain.results.overfitting import over_fits
from crosstrain.results.schema import CellResult, Epoch
from crosstrain.runs.tasks import cell
from crosstrain.system.files import read_arrays
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.schedules import Schedule
from tests.runs import sample
from tests.runs.test_cell import Recorder, job, recipe, run

STEPS = -(-sample.EXAMPLES["train"] // sample.BATCH)
"""Of an epoch."""
NATIVE = [name for name, row in engines().items() if row.trains and row.native and row.importable]


class Scripted(Recorder):
    """Answers so many of the validation part right after each epoch."""

    def __init__(self, hits: list[int]) -> None:
        super().__init__()
        self.hits = hits

    def predict(self, inputs: Mapping[str, np.ndarray], training: bool = False) -> dict[str, np.ndarray]:
        features, truths = sample.examples("validation")
        if len(inputs["features"]) != len(features) or not self.state.step:
            return super().predict(inputs, training)
        right = np.arange(len(truths)) < self.hits[self.state.step // STEPS - 1]
        return {"scores": np.eye(sample.CLASSES)[np.where(right, truths, (truths + 1) % sample.CLASSES)]}


def keras_ends(hits: list[int], patience: int) -> int:
    """After how many epochs Keras's callback stops."""
    import keras

    callback = keras.callbacks.EarlyStopping("val_accuracy", patience=patience, mode="max")
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, hit in enumerate(hits):
        callback.on_epoch_end(epoch, {"val_accuracy": hit / sample.EXAMPLES["validation"]})
        if getattr(model, "stop_training", False):
            return epoch + 1
    return len(hits)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 6), min_size=2, max_size=9), st.integers(1, 3))
def test_an_early_end_is_keras_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hits: list[int], patience: int
) -> None:
    monkeypatch.setattr(cell, "load_engine", lambda name: Scripted(hits))
    record, _ = run(job(tmp_path, recipe(epochs=len(hits), early_stopping=patience)))
    assert len(record["epochs"]) == keras_ends(hits, patience)
    assert record["best_epoch"] == 1 + int(np.argmax(hits[: len(record["epochs"])]))
    ended = len(record["epochs"]) - record["best_epoch"] >= patience
    assert bool(record["stopped"]) == ended
    result = CellResult(**record, id="x", network="n", engine="recorder", status="done")
    assert result.complete(len(hits))


def test_an_early_end_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Resumed with more patience it goes on, with the same it does nothing."""
    monkeypatch.setattr(cell, "load_engine", lambda name: Scripted([5, 4, 3, 9, 9, 9]))
    kept = {"checkpoint": str(tmp_path / "checkpoint.npz"), "resume": True}
    first, _ = run(job(tmp_path, recipe(epochs=6, early_stopping=2), **kept))
    again, events = run(job(tmp_path, recipe(epochs=6, early_stopping=2), **kept))
    assert len(first["epochs"]) == len(again["epochs"]) == 3
    assert not [event for event in events if event["event"] == "epoch"]
    patient, _ = run(job(tmp_path, recipe(epochs=6, early_stopping=3), **kept))
    assert (len(patient["epochs"]), patient["best_epoch"], patient["stopped"]) == (6, 4, None)


def test_the_best_epoch_is_tested_too(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the loop is tried with a real engine")
    paths = {"weights_out": str(tmp_path / "last.npz"), "best_out": str(tmp_path / "best.npz")}
    record, _ = run(job(tmp_path, recipe(epochs=6, optimizer=Optimizer("sgd", 2.0)), "torch", **paths))
    assert record["best_epoch"] < 6
    evaluated = {}
    for name in ("last", "best"):
        weights = read_arrays(tmp_path / f"{name}.npz")
        features, truths = sample.examples("test")
        hidden = np.maximum(features @ weights["one/kernel"] + weights["one/bias"], 0)
        answers = (hidden @ weights["two/kernel"] + weights["two/bias"]).argmax(axis=1)
        evaluated[name] = float(np.mean(answers == truths))
    assert record["test_accuracy"] == pytest.approx(evaluated["last"])
    assert record["best_test_accuracy"] == pytest.approx(evaluated["best"])
    assert set(record["best_test_metrics"]) == set(record["test_metrics"])
    assert record["test_metrics"]["per_class"]["macro"]["f1"] > 0


@pytest.mark.parametrize("engine", NATIVE)
def test_averages_are_what_is_tested_and_kept(tmp_path: Path, engine: str) -> None:
    """Against the averages of the weights of every step, by Keras's formula, taken from runs without them."""
    asked = recipe(epochs=2, optimizer=Optimizer("sgd", 0.3, momentum=0.9, ema=0.8))
    kept = {"weights_out": str(tmp_path / "last.npz"), "checkpoint": str(tmp_path / "checkpoint.npz")}
    averaged, _ = run(job(tmp_path, asked, engine, precision="float64", threads=None, **kept))
    walked = stepwise(tmp_path, engine, 2 * STEPS)
    average = walked[0]
    for weights in walked[1:]:
        average = {name: 0.8 * average[name] + 0.2 * weights[name] for name in average}
    last, checkpoint = read_arrays(tmp_path / "last.npz"), read_arrays(tmp_path / "checkpoint.npz")
    for name, value in average.items():
        np.testing.assert_allclose(last[name], value, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(checkpoint[f"weight/{name}"], walked[-1][name], rtol=1e-9, atol=1e-12)
    resumed, _ = run(job(tmp_path, asked, engine, precision="float64", threads=None, resume=True, **kept))
    assert resumed["test_metrics"] == averaged["test_metrics"]


def stepwise(folder: Path, engine: str, steps: int) -> list[dict[str, np.ndarray]]:
    """The weights after each step of the same training without averages."""
    from crosstrain.engines.contract import Setting
    from crosstrain.runs.tasks.cell import built
    from crosstrain.runs.tasks.describe import load_engine
    from crosstrain.runs.tasks.material import Material

    plain = recipe(epochs=2, optimizer=Optimizer("sgd", 0.3, momentum=0.9))
    material = Material.load(folder / "network", folder / "data", plain, "float64")
    network = built(load_engine(engine), material, Setting(precision="float64"))
    weights: list[dict[str, Any]] = []
    for epoch in range(2):
        for _, batch in material.epoch(epoch, len(weights)):
            network.train(batch, 0.3)
            weights.append(dict(network.read().weights))
    assert len(weights) == steps
    return weights


def test_a_schedule_in_shares_spans_the_training(tmp_path: Path, recorder: Recorder) -> None:
    schedule = Schedule("step", {"boundary_shares": [0.5], "factors": [0.1]})
    record, _ = run(job(tmp_path, recipe(epochs=4, schedule=schedule)))
    assert [epoch["learning_rate"] for epoch in record["epochs"]] == pytest.approx([0.5, 0.5, 0.05, 0.05])


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    engine = Recorder()
    monkeypatch.setattr(cell, "load_engine", lambda name: engine)
    return engine


def cell_of(training: list[float], validation: list[float | None], **more: Any) -> CellResult:
    epochs = [
        {"train_seconds": 1.0, "images_per_second": 1.0, "train_loss": t, "validation_loss": v,
         "validation_accuracy": 0.8}
        for t, v in zip(training, validation, strict=True)
    ]  # fmt: skip
    return CellResult(id="x", network="n", engine="e", status="done", epochs=epochs, **more)


@pytest.mark.parametrize(
    ("training", "validation", "since"),
    [
        ([1.0, 0.5, 0.2, 0.1], [1.0, 0.6, 0.7, 0.8], 2),
        ([1.0, 0.5, 0.2, 0.1], [1.0, 0.6, 0.62, 0.65], None),  # rose by less than a tenth
        ([1.0, 0.5, 0.6, 0.7], [1.0, 0.6, 0.7, 0.8], None),  # it does not learn either
        ([1.0, 0.5, 0.2, 0.1], [1.0, 0.8, 0.6, 0.5], None),
        ([1.0, 0.5], [None, None], None),
        ([], [], None),
    ],
)
def test_over_fitting(training: list[float], validation: list[float | None], since: int | None) -> None:
    sentence = over_fits(cell_of(training, validation, train_accuracy=0.99))
    assert (sentence is None) == (since is None)
    if sentence:
        assert sentence.startswith(f"over-fits since epoch {since}: the validation loss rose from 0.6 to 0.8")
        assert "99.0% of the training part are right, 80.0% of the validation part" in sentence


@pytest.mark.parametrize(
    ("key", "values", "over"),
    [
        ("validation_rois/map_50", [0.01, 0.3, 0.5, 0.6], False),
        ("validation_rois/map_50", [0.01, 0.6, 0.5, 0.4], True),
        ("validation_map_50", [0.01, 0.3, 0.5, 0.6], False),
        ("validation_rpn/map", [0.01, 0.3, 0.5, 0.6], True),
    ],
)
def test_a_loss_that_rises_while_its_metric_does_is_no_over_fitting(
    key: str, values: list[float], over: bool
) -> None:
    """A two-stage detector's loss counts what it proposes itself: more of it, the better it proposes."""
    result = cell_of(
        [1.0, 0.5, 0.2, 0.1], [1.0, 0.6, 0.7, 0.8], measure={"name": "map_50", "title": "mAP@0.5"}
    )
    epochs = [
        Epoch(**{**vars(epoch), key: value}) for epoch, value in zip(result.epochs, values, strict=True)
    ]
    assert (over_fits(result.model_copy(update={"epochs": epochs})) is not None) == over
