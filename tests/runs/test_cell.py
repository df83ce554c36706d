"""The training loop, in this process, on NumPy alone where that is enough and on PyTorch where it is not."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstrain.data.prepared import Prepared
from crosstrain.engines.contract import Description, Option, State
from crosstrain.errors import CrosstrainError
from crosstrain.runs.process import run_job
from crosstrain.runs.tasks import cell
from crosstrain.system.files import read_arrays
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Recipe, batches
from crosstrain.training.schedules import Schedule
from tests.runs import sample

Job = dict[str, Any]


class Recorder:
    """An engine that computes nothing and notes every call; its loss is what ``losses`` says."""

    name = "recorder"

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.losses: list[float] = []
        self.state = State({})
        self.wait_seconds = 0.0
        self.events: list[dict] = []

    def describe(self) -> Description:
        options = {"cheat": Option(False, (False, True), "other arithmetic", "open")}
        return Description("1.0", ("cpu",), ("float32", "float64", "bfloat16"), options)

    def build(self, program: Any, weights: Mapping[str, np.ndarray], setting: Any) -> Recorder:
        self.state = State(dict(weights))
        self.calls.append(("build", setting))
        return self

    def train(self, inputs: Mapping[str, np.ndarray], learning_rate: float) -> float:
        self.calls.append(("train", (dict(inputs), learning_rate)))
        self.state = State(self.state.weights, self.state.slots, self.state.step + 1)
        return self.losses.pop(0) if self.losses else 1.0

    def predict(self, inputs: Mapping[str, np.ndarray], training: bool = False) -> dict[str, np.ndarray]:
        self.calls.append(("predict", len(inputs["features"])))
        return {"scores": np.asarray(inputs["features"][:, : sample.CLASSES])}

    def read(self) -> State:
        return self.state

    def load(self, state: State) -> None:
        self.calls.append(("load", state.step))
        self.state = state

    def wait(self) -> None:
        self.calls.append(("wait", None))
        time.sleep(self.wait_seconds)

    def done(self, kind: str) -> list[Any]:
        return [what for name, what in self.calls if name == kind]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    engine = Recorder()
    monkeypatch.setattr(cell, "load_engine", lambda name: engine)
    return engine


def job(folder: Path, recipe: Recipe, engine: str = "recorder", noisy: bool = False, **more: Any) -> Job:
    if not (folder / "data").exists():
        sample.write_data(folder / "data")
    if not (folder / "network").exists():
        sample.write_definition(folder / "network", noisy)
    fields = {
        "task": "train", "engine": engine, "device": "cpu", "precision": "float32", "threads": 1,
        "options": {},
        "network_folder": str(folder / "network"), "data_folder": str(folder / "data"),
        "recipe": recipe.to_json(), "division": "closed", "evaluate": True, **more,
    }  # fmt: skip
    copied: Job = json.loads(json.dumps(fields))
    return copied


def recipe(**settings: Any) -> Recipe:
    return Recipe(
        **{"optimizer": Optimizer("sgd", 0.5, momentum=0.9), "batch_size": sample.BATCH, **settings}
    )


def run(job: Job) -> tuple[dict[str, Any], list[dict]]:
    events: list[dict] = []
    return json.loads(json.dumps(cell.run(job, events.append))), events


def test_the_answers_on_the_test_set_are_kept(tmp_path: Path, recorder: Recorder) -> None:
    out = tmp_path / "answers.test.npz"
    record, _ = run(
        job(tmp_path, recipe(epochs=1, metrics=("accuracy", "confusion")), predictions_out=str(out))
    )
    predictions = read_arrays(out)
    data = Prepared.load(tmp_path / "data")
    inputs, targets = (next(iter(arrays.values())) for arrays in data.arrays("test"))
    scores = np.asarray(inputs)[:, : sample.CLASSES].astype(np.float64)  # what the recorder predicts
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert np.array_equal(predictions["true"], targets)
    assert np.array_equal(predictions["predicted"], scores.argmax(axis=1))
    np.testing.assert_allclose(predictions["probability"], chances.max(axis=1), rtol=1e-6)
    assert np.mean(predictions["predicted"] == predictions["true"]) == pytest.approx(record["test_accuracy"])
    table = np.zeros((sample.CLASSES, sample.CLASSES), int)
    np.add.at(table, (predictions["true"], predictions["predicted"]), 1)
    assert table.tolist() == record["test_metrics"]["confusion"]
    # No pass more than without: warming up apart, each test example is asked for once.
    assert sum(recorder.done("predict")[-2:]) == sample.EXAMPLES["test"]


def test_a_worker_needs_numpy_alone() -> None:
    code = (
        "import sys, crosstrain.runs.tasks.cell, crosstrain.runs.worker\n"
        "tops = {m.partition('.')[0] for m in sys.modules}\n"
        "print(*tops - set(sys.stdlib_module_names) - {'crosstrain', '__main__'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    strangers = {name for name in done.stdout.split() if not name.startswith("_")}
    assert strangers == {"numpy"}


# -- what the engine is given ---------------------------------------------------------------------
def test_the_engine_sees_every_batch_in_the_recipes_order(recorder: Recorder, tmp_path: Path) -> None:
    run(job(tmp_path, recipe(epochs=2), seed=5))
    x, y = sample.examples("train")
    calls = recorder.done("train")[-10:]
    expected = [index for epoch in (0, 1) for index in batches(len(x), sample.BATCH, 5, epoch)]
    for (inputs, rate), index in zip(calls, expected, strict=True):
        assert set(inputs) == {"features", "target/scores"}
        assert np.array_equal(inputs["features"], x[index])
        assert np.array_equal(inputs["target/scores"], y[index])
        assert type(inputs["features"]) is np.ndarray
        assert rate == 0.5


def test_without_augmentation_no_process_makes_batches(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = tmp_path / "logs"
    plain, changed = job(tmp_path, recipe()), job(tmp_path, recipe(augmentation={"flip": True}))
    for name, work in (("plain", plain), ("changed", changed)):
        # No such engine: what is of interest is the job that the worker gets.
        run_job({**work, "id": name, "engine": "nothing"}, folder=logs)
    written = {name: json.loads((logs / f"{name}.job.json").read_text()) for name in ("plain", "changed")}
    assert written["plain"].keys() == {*plain, "id"}
    assert written["changed"].keys() == {*plain, "id", "feeder"}

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    run(plain)
    sample.as_pictures(tmp_path / "network", tmp_path / "data", (2, 4, 1))
    with pytest.raises(AssertionError, match="a process was started"):
        run(changed)


def test_warm_up_meets_every_shape_and_leaves_no_trace(recorder: Recorder, tmp_path: Path) -> None:
    run(job(tmp_path, recipe(epochs=1)))
    kinds = [kind for kind, _ in recorder.calls]
    before = kinds[: kinds.index("load")]
    warmed = [len(inputs["features"]) for inputs, _ in recorder.done("train")[: before.count("train")]]
    assert warmed == [32, 32, 22, 22]
    assert recorder.done("load") == [0]
    predicted = recorder.done("predict")
    assert {40, 64, 6} == set(predicted[:3])
    assert set(predicted[3:]) <= {40, 64, 6}


def test_one_batch_holds_all_where_there_are_few_examples(recorder: Recorder, tmp_path: Path) -> None:
    result, _ = run(job(tmp_path, recipe(epochs=1, batch_size=500)))
    assert {len(inputs["features"]) for inputs, _ in recorder.done("train")} == {150}
    assert result["steps"] == 1


def test_noise_gets_a_seed_of_its_own_every_step(recorder: Recorder, tmp_path: Path) -> None:
    run(job(tmp_path, recipe(epochs=2), noisy=True, evaluate=False))
    seeds = [int(inputs["seed"]) for inputs, _ in recorder.done("train")[-10:]]
    assert len(set(seeds)) == 10
    assert recorder.done("train")[-1][0]["seed"].dtype == np.int32


def test_the_schedule_counts_steps_over_all_epochs(recorder: Recorder, tmp_path: Path) -> None:
    schedule = Schedule("step", {"boundaries": [6], "factors": [0.1]})
    run(job(tmp_path, recipe(epochs=2, schedule=schedule), evaluate=False))
    assert [r for _, r in recorder.done("train")[-10:]] == pytest.approx([0.5] * 7 + [0.05] * 3)


def test_the_plateau_divides_when_nothing_improves(recorder: Recorder, tmp_path: Path) -> None:
    schedule = Schedule("plateau", {"patience": 2, "factor": 0.1})
    result, _ = run(job(tmp_path, recipe(epochs=6, schedule=schedule)))
    rates = [epoch["learning_rate"] for epoch in result["epochs"]]
    assert rates == pytest.approx([0.5, 0.5, 0.5, 0.05, 0.05, 0.005])


def test_the_augmentation_reaches_the_batches(recorder: Recorder, tmp_path: Path) -> None:
    """The examples as pictures of 2 × 4 pixels: half are mirrored, the same ones every time."""
    plain = job(tmp_path, recipe(epochs=2, augmentation={"flip": True}), evaluate=False)
    sample.as_pictures(tmp_path / "network", tmp_path / "data", (2, 4, 1))
    run(plain)
    x, y = sample.examples("train")
    pictures = x.reshape(-1, 2, 4, 1)
    calls = [inputs for inputs, _ in recorder.done("train")]
    assert np.array_equal(calls[0]["features"], pictures[: sample.BATCH])
    mirrored = []
    order = [index for epoch in (0, 1) for index in batches(len(x), sample.BATCH, 0, epoch)]
    for inputs, index in zip(calls[-10:], order, strict=True):
        assert np.array_equal(inputs["target/scores"], y[index])
        for got, picture in zip(inputs["features"], pictures[index], strict=True):
            same, turned = np.array_equal(got, picture), np.array_equal(got, picture[:, ::-1])
            assert same != turned
            mirrored.append(turned)
    assert 0.4 < np.mean(mirrored) < 0.6
    run(plain)
    again = [inputs for inputs, _ in recorder.done("train")][-10:]
    assert all(np.array_equal(a["features"], b["features"]) for a, b in zip(again, calls[-10:], strict=True))


# -- clocks and events ----------------------------------------------------------------------------
def test_the_wait_at_the_end_of_an_epoch_is_on_the_clock(recorder: Recorder, tmp_path: Path) -> None:
    recorder.wait_seconds = 0.2
    result, _ = run(job(tmp_path, recipe(epochs=2)))
    for epoch in result["epochs"]:
        assert 0.2 <= epoch["train_seconds"] < 0.35
        assert epoch["images_per_second"] == pytest.approx(150 / epoch["train_seconds"])
    assert result["compile_seconds"] >= 0.2
    assert result["train_seconds"] >= sum(epoch["train_seconds"] for epoch in result["epochs"])


def test_progress_is_reported_at_most_four_times_a_second(recorder: Recorder, tmp_path: Path) -> None:
    slow = recorder.train
    recorder.train = lambda *a: (time.sleep(0.03), slow(*a))[1]  # type: ignore[assignment,method-assign]
    started = time.perf_counter()
    _, events = run(job(tmp_path, recipe(epochs=2, batch_size=6), evaluate=False))
    progress = [event for event in events if event["event"] == "progress"]
    assert 2 <= len(progress) <= 1 + 4 * (time.perf_counter() - started)
    assert progress[0]["steps"] == 25
    assert progress[0]["epoch"] == 1
    assert progress[0]["images_per_second"] == pytest.approx(6 / 0.03, rel=0.4)


def test_phases_and_epochs_are_reported(recorder: Recorder, tmp_path: Path) -> None:
    result, events = run(job(tmp_path, recipe(epochs=2), weights_out=str(tmp_path / "w.npz")))
    phases = [event["name"] for event in events if event["event"] == "phase"]
    assert phases == [
        "import",
        "prepare",
        "compile",
        "train",
        "evaluate",
        "train",
        "evaluate",
        "evaluate",
        "save",
    ]
    epochs = [e for e in events if e["event"] == "epoch"]
    assert [e["epoch"] for e in epochs] == [1, 2]
    assert {k: epochs[1][k] for k in result["epochs"][1]} == result["epochs"][1]
    assert result["parameters"] == 8 * 16 + 16 + 16 * 3 + 3
    assert result["peak_memory_bytes"] > 0


def test_nothing_is_evaluated_where_nothing_is_to_be(recorder: Recorder, tmp_path: Path) -> None:
    result, _ = run(job(tmp_path, recipe(epochs=1), evaluate=False))
    assert recorder.done("predict") == []
    assert result["test_accuracy"] is None
    assert "validation_accuracy" not in result["epochs"][0]


# -- what comes of it -----------------------------------------------------------------------------
def test_loss_and_accuracy_are_of_the_whole_sets(recorder: Recorder, tmp_path: Path) -> None:
    recorder.losses = [0.0] * 4 + [1.0, 2.0, 3.0, 4.0, 5.0]
    result, _ = run(job(tmp_path, recipe(epochs=1, metrics=("accuracy", "top_k:2", "confusion"))))
    assert result["epochs"][0]["train_loss"] == pytest.approx((32 * (1 + 2 + 3 + 4) + 22 * 5) / 150)
    for split, accuracy in (
        ("validation", result["epochs"][0]["validation_accuracy"]),
        ("test", result["test_accuracy"]),
    ):
        x, y = sample.examples(split)
        assert accuracy == pytest.approx(np.mean(x[:, :3].argmax(1) == y))
    x, y = sample.examples("test")
    logits = x[:, :3].astype(float)
    expected = np.mean(np.log(np.exp(logits).sum(1)) - logits[np.arange(len(y)), y])
    assert result["test_metrics"]["loss"] == pytest.approx(expected)
    assert np.sum(result["test_metrics"]["confusion"]) == 70
    assert "validation_confusion" not in result["epochs"][0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_training_that_diverges_is_reported_and_stopped(
    recorder: Recorder, tmp_path: Path, bad: float
) -> None:
    recorder.losses = [1.0] * 4 + [1.0] * 5 + [1.0, 1.0, bad, bad, bad]
    result, _ = run(job(tmp_path, recipe(epochs=9), checkpoint=str(tmp_path / "c.npz")))
    assert "step 3 of epoch 2" in result["diverged"]
    assert [epoch["train_loss"] for epoch in result["epochs"]] == [1.0, None]


def test_float64_gets_float64_weights(recorder: Recorder, tmp_path: Path) -> None:
    run(job(tmp_path, recipe(epochs=1), precision="float64"))
    assert {value.dtype for value in recorder.state.weights.values()} == {np.dtype("float64")}


# -- what is refused ------------------------------------------------------------------------------
@pytest.mark.parametrize("stray", [{"options": {"cheat": True}}, {"precision": "bfloat16"}])
def test_the_closed_division_is_kept_closed(recorder: Recorder, tmp_path: Path, stray: Job) -> None:
    with pytest.raises(CrosstrainError, match="open division"):
        run(job(tmp_path, recipe(), **stray))
    run(job(tmp_path, recipe(), **{**stray, "division": "open"}))


def test_data_that_does_not_fit_the_network(recorder: Recorder, tmp_path: Path) -> None:
    sample.write_data(tmp_path / "data", features=5)
    with pytest.raises(CrosstrainError, match="has shape 8, the data's 5"):
        run(job(tmp_path, recipe()))


def test_what_an_engine_lacks_is_a_sentence(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: Any) -> None:
        raise ValueError("no device 'tpu'")

    monkeypatch.setattr(recorder, "build", build)
    with pytest.raises(CrosstrainError, match="recorder cannot build this network: no device 'tpu'"):
        run(job(tmp_path, recipe()))


def test_an_engine_that_is_not_there() -> None:
    with pytest.raises(CrosstrainError, match="there is no engine 'abacus'"):
        cell.load_engine("abacus")


# -- on a real framework --------------------------------------------------------------------------
@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


def test_training_learns_and_its_weights_are_kept(torch: Any, tmp_path: Path) -> None:
    last, best = tmp_path / "last.npz", tmp_path / "best.npz"
    training = recipe(epochs=8, optimizer=Optimizer("sgd", 0.1, momentum=0.9))
    result, _ = run(job(tmp_path, training, "torch", weights_out=str(last), best_out=str(best)))
    assert result["epochs"][-1]["train_loss"] < 0.5 * result["epochs"][0]["train_loss"]
    assert result["test_accuracy"] > 0.7
    weights = read_arrays(last)
    assert set(weights) == set(sample.initial())
    x, y = sample.examples("test")
    hidden = np.maximum(x @ weights["one/kernel"] + weights["one/bias"], 0)
    answers = np.argmax(hidden @ weights["two/kernel"] + weights["two/bias"], axis=1)
    assert np.mean(answers == y) == pytest.approx(result["test_accuracy"])
    accuracies = [epoch["validation_accuracy"] for epoch in result["epochs"]]
    assert result["best_epoch"] == 1 + int(np.argmax(accuracies))
    if result["best_epoch"] < 8:
        assert not np.array_equal(read_arrays(best)["one/kernel"], weights["one/kernel"])


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": Optimizer("adam", 0.01, amsgrad=True)},
        {"optimizer": Optimizer("nadam", 0.01)},
        {"schedule": Schedule("plateau", {"patience": 1, "factor": 0.3, "min_delta": 0.05})},
        {"schedule": Schedule("cosine", {"decay_steps": 30})},
    ],
    ids=["adam", "nadam", "plateau", "cosine"],
)
@pytest.mark.parametrize("noisy", [False, True], ids=["plain", "noisy"])
def test_a_resumed_training_is_the_same_training(
    torch: Any, tmp_path: Path, settings: dict[str, Any], noisy: bool
) -> None:
    whole = job(
        tmp_path, recipe(epochs=5, **settings), "torch", noisy, weights_out=str(tmp_path / "whole.npz")
    )
    expected, _ = run(whole)
    parts = {
        "checkpoint": str(tmp_path / "c.npz"),
        "resume": True,
        "weights_out": str(tmp_path / "parts.npz"),
    }
    for epochs in (2, 3, 5):
        result, events = run(job(tmp_path, recipe(epochs=epochs, **settings), "torch", noisy, **parts))
        assert len(result["epochs"]) == epochs
    assert [e["epoch"] for e in events if e["event"] == "epoch"] == [4, 5]
    for key in ("train_loss", "validation_accuracy", "validation_loss", "learning_rate"):
        assert [e[key] for e in result["epochs"]] == [e[key] for e in expected["epochs"]], key
    for name, value in read_arrays(tmp_path / "whole.npz").items():
        assert np.array_equal(value, read_arrays(tmp_path / "parts.npz")[name]), name
    assert (result["best_epoch"], result["steps"]) == (expected["best_epoch"], expected["steps"])


def test_a_checkpoint_of_another_training_is_refused(recorder: Recorder, tmp_path: Path) -> None:
    checkpoint = {"checkpoint": str(tmp_path / "c.npz"), "resume": True}
    run(job(tmp_path, recipe(epochs=1), **checkpoint))
    with pytest.raises(CrosstrainError, match="of another recipe"):
        run(job(tmp_path, recipe(epochs=2, batch_size=16), **checkpoint))
    run(job(tmp_path, recipe(epochs=2, batch_size=16), **{**checkpoint, "resume": False}))


def test_a_damaged_checkpoint_is_reported(recorder: Recorder, tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    checkpoint = {"checkpoint": str(path), "resume": True}
    run(job(tmp_path, recipe(epochs=1), **checkpoint))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CrosstrainError, match="is damaged"):
        run(job(tmp_path, recipe(epochs=2), **checkpoint))


@pytest.mark.parametrize("engine", ["torch", "tensorflow", "jax"])
def test_every_engine_takes_up_its_training_in_a_new_process(engine: str, tmp_path: Path) -> None:
    settings = {"optimizer": Optimizer("nadam", 0.01, weight_decay=1e-3), "metrics": ("accuracy", "top_k:2")}

    def trained(epochs: int, name: str, **more: Any) -> dict[str, Any]:
        weights = str(tmp_path / f"{name}.npz")
        wanted = job(
            tmp_path, recipe(epochs=epochs, **settings), engine, noisy=True, weights_out=weights, **more
        )
        outcome = run_job(wanted, folder=tmp_path / "logs")
        if outcome.kind == "cannot":
            pytest.skip(outcome.error or "")
        assert outcome.result is not None, outcome.log.read_text()
        return outcome.result

    expected = trained(4, "whole")
    checkpoint = {"checkpoint": str(tmp_path / "c.npz"), "resume": True}
    trained(2, "parts", **checkpoint)
    resumed = trained(4, "parts", **checkpoint)
    assert [e["train_loss"] for e in resumed["epochs"]] == [e["train_loss"] for e in expected["epochs"]]
    assert resumed["test_metrics"] == expected["test_metrics"]
    for name, value in read_arrays(tmp_path / "whole.npz").items():
        assert np.array_equal(value, read_arrays(tmp_path / "parts.npz")[name]), name


# -- what other processes have compiled -----------------------------------------------------------
def test_a_network_is_warmed_up_for_as_long_as_it_says(tmp_path: Path, recorder: Recorder) -> None:
    recorder.warm_up_steps = 5  # type: ignore[attr-defined]
    run(job(tmp_path, recipe(epochs=1)))
    sizes = [len(inputs["features"]) for inputs, _ in recorder.done("train")]
    assert sizes[:5] == [sample.BATCH] * 5
    assert sizes[5] != sample.BATCH


def test_compilations_that_were_read_are_counted(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    variables = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    request = job(tmp_path, recipe(epochs=1), "jax", environment=variables)
    first, again = (run_job(request, folder=tmp_path / "logs").result for _ in range(2))
    assert first is not None
    assert again is not None
    assert first["compilations_reused"] == 0
    assert again["compilations_reused"] > 0
    assert again["epochs"][-1]["train_loss"] == first["epochs"][-1]["train_loss"]
