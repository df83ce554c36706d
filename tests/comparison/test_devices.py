"""Where a comparison runs: what auto chooses, and what is said of a device that an engine does not have."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import crosstrain
from crosstrain.cli import app
from crosstrain.comparison import devices
from crosstrain.comparison.fitting import batch_that_fits
from crosstrain.comparison.settings import Settings, settings
from crosstrain.comparison.subjects import Subject, Workshop
from crosstrain.errors import CrosstrainError
from crosstrain.runs.process import Outcome, run_job
from crosstrain.studies.comparison import run
from crosstrain.system import gpus
from tests.comparison.fakes import Prover, Workers
from tests.fake_nvml import GIB, Card, FakeNvml, Memory

Describe = Callable[..., None]
BOTH = ("cpu", "cuda:0")


def cards(monkeypatch: pytest.MonkeyPatch, *present: Card, **driver: Any) -> None:
    """A machine with these GPUs, and no others."""
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(*present, **driver))
    monkeypatch.setattr(gpus, "_DEVICE_FILES", ())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.fixture
def describe(monkeypatch: pytest.MonkeyPatch, workers: Workers) -> Describe:
    """Says what each engine answers when it is asked what it can do; the others have ``cpu`` alone."""
    known: dict[str, dict[str, Any]] = {}

    def answer(engine: str) -> dict[str, Any]:
        plain = {"version": "1.0", "devices": ["cpu"], "cuda": "13.0", "options": {}}
        return {**plain, "precisions": ["float32", "float64"], **known.get(engine, {})}

    def say(engine: str, names: Sequence[str], **more: Any) -> None:
        known[engine] = {"devices": list(names), **more}

    monkeypatch.setattr(devices, "describe", lambda row, here: {"status": "ready", **answer(row.name)})
    monkeypatch.setattr("crosstrain.comparison.engines._described", lambda name, *rest: answer(name))
    return say


H200 = Card("NVIDIA H200", memory=Memory(139 * GIB))


def quick_settings(engines: str, **changes: Any) -> Settings:
    return settings("mlp", "digits", engines=engines.split(","), epochs=1, **changes)


def test_auto_is_the_default_and_takes_the_gpu_that_all_share(
    monkeypatch: pytest.MonkeyPatch, describe: Describe
) -> None:
    cards(monkeypatch, H200)
    describe("torch", BOTH)
    describe("jax", BOTH)
    heard: list[str] = []
    chosen = devices.settled(quick_settings("torch,jax@wide"), heard.append)
    assert chosen.device == "cuda:0"
    assert heard == ["Device: cuda:0 (NVIDIA H200, 139 GiB), which torch and jax share."]


def test_auto_says_which_engines_cannot_and_what_would(
    monkeypatch: pytest.MonkeyPatch, describe: Describe
) -> None:
    cards(monkeypatch, H200)
    describe("torch", BOTH)
    describe("jax", ["cpu"], cuda="")
    choice = devices.choose(["torch", "jax"])
    assert choice.device == "cpu"
    assert "jax 1.0 is built without CUDA" in choice.note
    assert "crosstrain engines install --cuda jax" in choice.note
    assert "--device cuda:0 compares torch on cuda:0 (NVIDIA H200, 139 GiB)" in choice.note


def test_auto_passes_by_a_gpu_that_only_some_share(
    monkeypatch: pytest.MonkeyPatch, describe: Describe
) -> None:
    cards(monkeypatch, H200, Card("second"))
    describe("torch", ("cpu", "cuda:0", "cuda:1"))
    describe("jax", ("cpu", "cuda:1"))
    assert devices.choose(["torch", "jax"]).device == "cuda:1"


def test_without_a_gpu_no_engine_is_asked_and_all_is_as_with_cpu(
    monkeypatch: pytest.MonkeyPatch, workers: Workers, prover: Prover, tmp_path: Path
) -> None:
    cards(monkeypatch, fault="NVML Shared Library Not Found")
    described: list[str] = []
    monkeypatch.setattr(devices, "describe", lambda row, here: described.append(row.name))
    auto, cpu = quick_settings("torch"), quick_settings("torch", device="cpu")
    heard: list[str] = []
    assert auto.device == "auto"
    assert devices.settled(auto, heard.append).identity() == cpu.identity()
    assert not described
    assert not heard
    first = run(auto, tmp_path / "out")
    assert first.settings["device"] == "cpu"
    before = list(workers.cells)
    again = run(cpu, tmp_path / "out")  # the same comparison: nothing is measured again
    assert workers.cells == before
    assert [cell.id for cell in again.cells] == [cell.id for cell in first.cells]


def test_apples_gpu_is_not_taken_unasked(monkeypatch: pytest.MonkeyPatch, describe: Describe) -> None:
    cards(monkeypatch, H200)
    describe("torch", ("cpu", "mps"))
    assert devices.choose(["torch"]).device == "cpu"


REASONS = [
    pytest.param([], {"fault": "Driver Not Loaded"}, "cuda:0", {}, "there is no GPU (", id="no GPU"),
    pytest.param(
        [H200], {}, "cuda:7", {"devices": BOTH}, "there is only cuda:0 (NVIDIA H200", id="one GPU"
    ),
    pytest.param([H200], {}, "cuda:0", {"cuda": ""}, "is built without CUDA", id="no CUDA build"),
    pytest.param(
        [H200], {"cuda": 12020}, "cuda:0", {"cuda": "13.0"},
        "is built with CUDA 13.0, and the driver 580.95.05 runs CUDA 12.2 at most", id="old driver",
    ),
    pytest.param([H200], {}, "cuda:0", {"cuda": "13.0"}, "finds only cpu", id="otherwise"),
    pytest.param([H200], {}, "tpu", {}, "it has cpu", id="unknown kind"),
]  # fmt: skip


@pytest.mark.parametrize(("there", "driver", "device", "description", "reason"), REASONS)
def test_a_device_that_an_engine_lacks_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    describe: Describe,
    tmp_path: Path,
    there: list[Card],
    driver: dict[str, Any],
    device: str,
    description: dict[str, Any],
    reason: str,
) -> None:
    cards(monkeypatch, *there, **driver)
    describe("torch", description.get("devices", ["cpu"]), cuda=description.get("cuda", "13.0"))
    with pytest.raises(CrosstrainError) as caught:
        run(quick_settings("torch", device=device), tmp_path / "out")
    sentence = str(caught.value)
    assert reason in sentence
    assert f"torch has no device {device!r} here" in sentence
    assert "\n" not in sentence
    assert not (tmp_path / "out").exists()


def test_in_a_comparison_it_costs_only_the_cells_of_that_engine(
    monkeypatch: pytest.MonkeyPatch, describe: Describe, workers: Workers, prover: Prover, tmp_path: Path
) -> None:
    cards(monkeypatch, H200)
    describe("torch", BOTH)
    describe("jax", ["cpu"], cuda="")
    result = run(quick_settings("torch,jax", device="cuda:0"), tmp_path / "out")
    by_engine = {cell.engine: cell for cell in result.cells}
    assert by_engine["torch"].status == "done"
    assert by_engine["jax"].status == "missing"
    assert "is built without CUDA" in str(by_engine["jax"].error)
    assert {job["device"] for job in workers.jobs if job["task"] == "train"} == {"cuda:0"}


@pytest.mark.parametrize(
    "command", ["compare mlp --data digits --epochs 1 --engines torch", "prove mlp --engines torch"]
)
def test_wrong_devices_end_the_commands_with_2(
    command: str, monkeypatch: pytest.MonkeyPatch, describe: Describe, tmp_path: Path
) -> None:
    cards(monkeypatch, fault="Driver Not Loaded")
    result = CliRunner().invoke(app, [*command.split(), "--device", "cuda:0", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert "torch has no device 'cuda:0' here: there is no GPU" in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_a_proof_runs_where_a_comparison_would(
    monkeypatch: pytest.MonkeyPatch, describe: Describe, workers: Workers
) -> None:
    cards(monkeypatch, H200)
    describe("torch", BOTH)
    arguments: dict[str, Any] = {}

    def prove(*args: Any, **kwargs: Any) -> Any:
        arguments.update(kwargs)
        raise CrosstrainError("far enough")

    monkeypatch.setattr(importlib.import_module("crosstrain.proof.prove"), "prove", prove)
    with pytest.raises(CrosstrainError, match="far enough"):
        crosstrain.prove("mlp", engines="torch", progress=False)
    assert arguments["device"] == "cuda:0"


@pytest.mark.parametrize(
    ("holds", "sentence", "size"), [(16, "; a batch of 16 fits", 16), (0, "; not even a batch of 1 fits", 0)]
)
def test_out_of_memory_on_a_gpu_says_which_batch_fits(
    holds: int,
    sentence: str,
    size: int,
    monkeypatch: pytest.MonkeyPatch,
    describe: Describe,
    workers: Workers,
    prover: Prover,
    tmp_path: Path,
) -> None:
    """It costs its cells, of which one tries smaller batches for all."""
    cards(monkeypatch, H200)
    describe("torch", BOTH)
    describe("jax", BOTH)

    def memory(job: Any) -> Outcome | None:
        batch = job.get("recipe", {}).get("batch_size", 0)
        if job.get("engine") != "torch" or job["task"] == "describe":
            return None
        if batch > holds:
            return Outcome("memory", None, "not enough memory", tmp_path / "log", 1.0, None, kind="memory")
        return Outcome("done", {"batch_size": batch}, None, tmp_path / "log", 1.0, None)

    workers.fail = memory
    result = run(quick_settings("torch,jax", repeats=2), tmp_path / "out")
    failed = [cell for cell in result.cells if cell.engine == "torch"]
    assert [cell.status for cell in failed] == ["memory", "memory"]
    assert {cell.error for cell in failed} == {f"not enough memory{sentence}"}
    assert {cell.model_dump()["fitting_batch_size"] for cell in failed} == {size}
    assert all(cell.status == "done" for cell in result.cells if cell.engine == "jax")
    batch_sizes = [
        j["recipe"]["batch_size"] for j in workers.jobs if j["task"] == "crosstrain.runs.tasks.fitting:run"
    ]
    assert batch_sizes == ([32, 16] if size else [32, 16, 8, 4, 2, 1])


def test_a_batch_is_tried_without_training(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, defined: Path
) -> None:
    """The real task: it builds, warms up and leaves the result."""
    pytest.importorskip("torch")
    wanted = settings("mlp", "digits", engines=["torch"], epochs=1, sizes=8, threads=1, device="cpu")
    subject = next(iter(Workshop(wanted, tmp_path, lambda words: None).subjects()))
    assert isinstance(subject, Subject)
    job = {
        "id": "cell", "engine": "torch", "device": "cpu", "threads": 1, "options": {},
        "network_folder": str(subject.definitions[0].folder.resolve()),
        "data_folder": str(subject.data.folder), "recipe": wanted.recipe.to_json(),
    }  # fmt: skip
    assert batch_that_fits(job, run_job, tmp_path / "logs") == 32
