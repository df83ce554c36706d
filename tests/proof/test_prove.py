"""Certificates: right engines are proved, and what stands in the way of a proof is said."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crosstrain.engines import registry
from crosstrain.engines.registry import EngineRow
from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import import import_loss
from crosstrain.proof import BOUNDS, Proof
from crosstrain.proof.ahead import in_order
from crosstrain.proof.arrays import read_arrays, write_arrays
from crosstrain.proof.prove import prove
from crosstrain.proof.prover import Prover
from crosstrain.runs.definition import Definition, define
from crosstrain.runs.process import Outcome, run_job
from crosstrain.runs.spares import Spares
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss, Recipe
from crosstrain.training.schedules import Schedule
from tests.proof.conftest import INSTALLED, NETWORKS, RECIPE
from tests.proof.faults import Fault

RIGHT = Fault()


@pytest.mark.parametrize("engine", INSTALLED)
@pytest.mark.parametrize("network", ["pictures", "gru"])
def test_right_engines_are_proved(network: str, engine: str, prover: Callable[..., Prover]) -> None:
    for certificate in prover(network, RIGHT).certificates(engine, ["float64", "float32"]):
        assert certificate.status == "proved", certificate
        bounds = BOUNDS[certificate.precision]
        assert certificate.outputs is not None
        assert certificate.outputs <= bounds.values
        assert certificate.gradients is not None
        assert 0 < certificate.gradients <= bounds.values
        assert certificate.weights_after_steps is not None
        assert certificate.weights_after_steps <= bounds.weights
        assert certificate.first_departure is None


@pytest.mark.parametrize("engine", INSTALLED)
@pytest.mark.parametrize("network", ["tagger", "masked_series"])
def test_masks_that_reach_the_loss_are_proved(
    network: str, engine: str, prover: Callable[..., Prover]
) -> None:
    made = prover(network, RIGHT)
    assert [name for name in made.definition.loss.outputs if name.startswith("mask/")]
    (certificate,) = made.certificates(engine, ["float64"])
    assert certificate.status == "proved", certificate


def test_a_loss_that_counts_masked_steps_is_caught(
    tmp_path: Path, work: Path, prover: Callable[..., Prover]
) -> None:
    """Keras itself is the judge: it leaves them out."""
    shutil.copytree(prover("tagger", RIGHT).definition.folder, tmp_path / "tagger")
    definition = Definition.load(tmp_path / "tagger")
    losses = {name: Loss(**loss) for name, loss in definition.data["losses"].items()}
    import_loss(losses, definition.graph, None)[0].save(definition.folder / "loss.json")
    own = Prover(
        Definition.load(definition.folder), RECIPE, work, 2, 8, 0, launch=prover("lstm", RIGHT).launch
    )
    (certificate,) = own.certificates(INSTALLED[0], ["float64"])
    assert certificate.status == "cannot"
    assert "loss" in certificate.reason


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [
        (Optimizer("adamw", learning_rate=0.01, global_clipnorm=0.5), Schedule("cosine", {"decay_steps": 8})),
        (
            Optimizer("rmsprop", momentum=0.9, centered=True),
            Schedule("step", {"boundaries": [2], "factors": [0.5]}),
        ),
    ],
    ids=["adamw", "rmsprop"],
)
def test_optimizers_and_schedules_are_proved(
    optimizer: Optimizer, schedule: Schedule, prover: Callable[..., Prover]
) -> None:
    recipe = Recipe(optimizer=optimizer, schedule=schedule)
    (certificate,) = prover("lstm", RIGHT, recipe).certificates(INSTALLED[0], ["float64"])
    assert certificate.status == "proved", certificate


def test_own_layer_own_loss_several_inputs_and_outputs(
    tmp_path: Path, work: Path, prover: Callable[..., Prover]
) -> None:
    losses = {
        "size": Loss(f"{NETWORKS}:own_loss", weight=0.3),
        "topic": Loss("sparse_categorical_crossentropy", {"from_logits": True}),
    }
    recipe = replace(RECIPE, losses=losses)
    definition = define(f"{NETWORKS}:several", folder=tmp_path, losses=recipe.to_json()["losses"])
    own = Prover(definition, recipe, work, 10, 8, 0, launch=prover("lstm", RIGHT).launch)
    (certificate,) = own.certificates(INSTALLED[0], ["float64"])
    assert certificate.status == "proved", certificate


def test_the_public_way_through_real_workers(tmp_path: Path, defined: Callable[[str], Definition]) -> None:
    events: list[dict[str, Any]] = []
    proof = prove(
        defined("gru"),
        INSTALLED[:1],
        recipe=RECIPE,
        work=tmp_path,
        on_event=events.append,
        threads=1,
        timeout=300,
    )
    assert proof.proved
    assert [c.precision for c in proof] == ["float64", "float32"]
    assert [e["status"] for e in events if e["event"] == "certificate"] == ["proved", "proved"]
    assert any(e.get("name") == "truth" for e in events)
    record = json.loads(json.dumps(proof.to_json()))
    assert record["network"] == "gru"
    first = record["engines"][0]
    numbers = ("outputs", "loss", "gradients", "weights_after_steps")
    assert {"engine", "precision", "status", *numbers, "first_departure"} <= set(first)
    assert all(isinstance(first[k], float) for k in numbers)
    assert first["basis"]["truth"]["agreement"]["finite_differences"] < 1e-5


def test_workers_that_start_ahead_change_no_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    took: list[bool] = []

    def take(*arguments: Any) -> Any:
        took.append((process := real(*arguments)) is not None)
        return process

    real = Spares.take
    monkeypatch.setattr(Spares, "take", take)
    records = []
    for ahead in (True, False):
        proof = prove(
            f"{NETWORKS}:gru", INSTALLED[:1], ["float64"], recipe=RECIPE, work=tmp_path / str(ahead), steps=2,
            threads=1, start_ahead=ahead,
        )  # fmt: skip
        assert proof.proved
        records.append([replace(certificate, seconds=0.0).to_json() for certificate in proof])
        assert not list((tmp_path / str(ahead)).rglob("spare*"))
    assert took == [True, True, False, False]  # the truth's and the engine's, of either proof
    assert records[0] == records[1]


def test_dropout_is_told(prover: Callable[..., Prover]) -> None:
    (certificate,) = prover("pictures", RIGHT).certificates(INSTALLED[0], ["float64"])
    assert any("dropout" in note and "dropout1/dropout" in note for note in certificate.notes)


def test_what_a_layer_of_the_user_calls_its_rate_is_its_own(prover: Callable[..., Prover]) -> None:
    """A proof turns Keras's dropout off; in a user's layer it holds what is drawn, and no more."""
    (certificate,) = prover("stochastic_depth", RIGHT).certificates(INSTALLED[0], ["float64"])
    assert certificate.proved, certificate


def test_a_fault_shows_in_float32_too(prover: Callable[..., Prover]) -> None:
    from tests.proof import faults

    fault = Fault(graph=faults.another_op("relu1/relu", "linear"))
    (certificate,) = prover("pictures", fault).certificates(INSTALLED[0], ["float32"])
    departure = certificate.first_departure
    assert departure is not None
    assert (departure.node, departure.explained) == ("relu1/relu", True)
    assert departure.expected is not None
    assert departure.got is not None
    assert departure.expected.norm < departure.got.norm
    assert "relu1/relu" in str(departure)
    json.dumps(certificate.to_json(), allow_nan=False)


# -- no certificate ---------------------------------------------------------------------------------------
def test_a_missing_engine_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, defined: Callable[[str], Definition], tmp_path: Path
) -> None:
    row = EngineRow("phantom", "nowhere", ("no_such_framework_here",), "no-such-framework")
    monkeypatch.setattr(registry, "BUILT_IN", (*registry.BUILT_IN, row))
    (certificate,) = prove(defined("lstm"), ["phantom"], ["float64"], work=tmp_path)
    assert certificate.status == "cannot"
    assert "phantom is not installed; install it with: pip install no-such-framework" in certificate.reason


def test_a_crash_costs_its_engine_only(prover: Callable[..., Prover]) -> None:
    lstm = prover("lstm", RIGHT)
    real = lstm.launch

    def crashing(job: dict[str, Any], **options: Any) -> Outcome:
        if job["task"] == "evidence" and job["engine"] == "crashing":
            return Outcome("crashed", None, "killed by SIGABRT", Path("x.log"), 0.0, None)
        return real(job, **options)

    lstm.launch = crashing
    with pytest.MonkeyPatch.context() as patch:
        row = EngineRow("crashing", "nowhere", ("numpy",), "numpy")
        patch.setattr(registry, "BUILT_IN", (*registry.BUILT_IN, row))
        fallen = lstm.certificates("crashing", ["float64", "float32"])
        (standing,) = lstm.certificates(INSTALLED[0], ["float64"])
    assert [c.status for c in fallen] == ["cannot", "cannot"]
    assert all("SIGABRT" in c.reason for c in fallen)
    assert standing.status == "proved"


def test_a_precision_that_fails_costs_itself_only(prover: Callable[..., Prover]) -> None:
    lstm = prover("lstm", RIGHT)
    real = lstm.launch

    def narrow(job: dict[str, Any], **options: Any) -> Outcome:
        outcome = real(job, **options)
        if job["task"] == "evidence" and outcome.result:
            outcome.result["errors"]["float64"] = "the engine has no float64"
        return outcome

    lstm.launch = narrow
    certificates = lstm.certificates(INSTALLED[0], ["float64", "float32"])
    assert [c.status for c in certificates] == ["cannot", "proved"]
    assert certificates[0].reason == "the engine has no float64"


def test_truths_that_disagree_are_told(prover: Callable[..., Prover], tmp_path: Path) -> None:
    """Keras computing something else than the graph says: no engine can be right about both."""
    lstm = prover("lstm", RIGHT)
    lstm.folder = tmp_path

    def lying(job: dict[str, Any], **options: Any) -> Outcome:
        outcome = run_job(job, **options)
        evidence = read_arrays(Path(job["out"]))
        write_arrays(
            Path(job["out"]), {k: v * 1.001 if k.startswith("inference/") else v for k, v in evidence.items()}
        )
        return outcome

    lstm.launch = lying
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crosstrain.proof.truths.gather.BACKENDS", tuple(INSTALLED[:1]))
        (certificate,) = lstm.certificates(INSTALLED[0], ["float64"])
    assert certificate.status == "cannot"
    assert f"Keras on {INSTALLED[0]}" in certificate.reason
    assert "inference is 0.001 off the NumPy meaning" in certificate.reason


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"engines": ["abacus"]}, "no engine 'abacus'"),
        ({"precisions": ["float16"]}, "no proof in 'float16'"),
        ({"batch_size": 1}, "at least 2"),
        ({"steps": -1}, "steps of 0 or more"),
    ],
)
def test_wrong_use_is_a_sentence(
    wrong: dict[str, Any], words: str, defined: Callable[[str], Definition]
) -> None:
    with pytest.raises(CrosstrainError, match=words):
        prove(defined("lstm"), **wrong)


def test_an_empty_proof_proves_nothing() -> None:
    assert not Proof("n", ()).proved


def test_the_truths_of_two_engines_are_asked_for_at_once(
    defined: Callable[..., Definition], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine is held against another framework's truth; which of two is computed first does not matter."""
    monkeypatch.setattr("crosstrain.proof.prove.slots", lambda tasks, **_: tasks)
    both = threading.Barrier(2)
    asked: list[str] = []

    def launch(job: Mapping[str, Any], *, folder: Path, **_: Any) -> Outcome:
        if job["task"] == "truth" and len(asked) < 2:
            asked.append(job["keras_backend"])
            both.wait(timeout=60)
        return Outcome("crashed", None, "ended by the test", folder / "log", 0.0, None)

    engines = ["tensorflow", "torch"]
    proof = prove(defined("pictures"), engines, ["float64"], work=tmp_path, launch=launch, start_ahead=False)
    assert sorted(asked) == sorted(engines)
    assert {c.status for c in proof} == {"cannot"}


def test_engines_that_take_longest_begin_then_those_with_a_truth_of_their_own() -> None:
    assert in_order(["torch", "tensorflow", "jax"]) == ["jax", "tensorflow", "torch"]
    assert in_order(["torch", "tensorflow"]) == ["torch", "tensorflow"]
    assert in_order([]) == []
