"""Cells, and workers that only pretend: the driver's real interfaces, without frameworks and in no time."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstrain.proof.certificate import Certificate, Proof
from crosstrain.results.schema import CellResult, Epoch
from crosstrain.runs.process import Outcome

SPEED = {"torch": 1.0, "tensorflow": 1.5, "jax": 2.0}
"""Seconds an epoch."""


def cell(engine: str = "torch", seconds: list[float] | None = None, **fields: Any) -> CellResult:
    """A finished cell."""
    times = [1.0, 1.02, 0.98] if seconds is None else seconds
    defaults: dict[str, Any] = {
        "id": f"net-32-{engine}-s{fields.get('seed', 0)}-r{fields.get('repeat', 0)}",
        "network": "net", "engine": engine, "input_size": 32, "status": "done", "certificate": "proved",
        "epochs": [Epoch(train_seconds=s, images_per_second=1000 / s) for s in times],
        "test_accuracy": 0.95, "test_examples": 10_000, "peak_memory_bytes": 500 * 2**20,
        "compile_seconds": 2.0, "wall_seconds": 10.0,
    }  # fmt: skip
    return CellResult(**{**defaults, **fields})


@dataclass
class Workers:
    """Stands in for ``run_job``: notes every job, writes what a worker would, and can be told to fail."""

    jobs: list[dict[str, Any]] = field(default_factory=list)
    fail: Callable[[Mapping[str, Any]], Outcome | BaseException | None] = lambda job: None

    def __call__(
        self, job: Mapping[str, Any], *, folder: Path, on_event: Any = None, **limits: Any
    ) -> Outcome:
        self.jobs.append({**job, "limits": limits})
        log = folder / f"{job.get('id', job['task'])}.log"
        failure = self.fail(job)
        if isinstance(failure, BaseException):
            raise failure
        if failure is not None:
            return failure
        if job["task"] == "describe":
            option = {"default": False, "choices": [False, True], "help": "", "division": "closed"}
            result: dict[str, Any] = {
                "version": "1", "devices": ["cpu"], "precisions": ["float32", "float64"],
                "options": {
                    "compile": option, "deterministic": option, "bfloat16": {**option, "division": "open"},
                },
            }  # fmt: skip
        else:
            result = self.trained(job, on_event)
        return Outcome("done", result, None, log, 3.0, 10**8)

    def trained(self, job: Mapping[str, Any], on_event: Any) -> dict[str, Any]:
        seconds = SPEED[job["engine"]]
        epochs = []
        for number in range(1, job["recipe"]["epochs"] + 1):
            record = {
                "train_seconds": seconds * (1 + 0.01 * (number % 3)), "images_per_second": 1000 / seconds,
                "train_loss": 1 / number, "validation_accuracy": 0.9,
            }  # fmt: skip
            epochs.append(record)
            on_event({"event": "progress", "epoch": number, "step": 1, "steps": 2, "images_per_second": 5.0})
            on_event({"event": "epoch", "epoch": number, **record})
        if job["weights_out"]:
            np.savez(job["weights_out"], w=np.zeros(1))
        return {
            "engine_version": "1.0", "epochs": epochs, "train_seconds": seconds * len(epochs),
            "import_seconds": 0.5, "compile_seconds": 0.25, "prepare_seconds": 0.125, "evaluate_seconds": 0.1,
            "test_accuracy": 0.95, "test_metrics": {"loss": 0.2, "accuracy": 0.95},
            "peak_memory_bytes": 2**28, "batch_size": job["recipe"]["batch_size"], "diverged": None,
        }  # fmt: skip

    @property
    def cells(self) -> list[str]:
        """The cells that were trained, in order."""
        return [job["id"] for job in self.jobs if job["task"] == "train"]


@dataclass
class Prover:
    """Stands in for ``prove``."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    status: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, definition: Any, engines: Any, precisions: Any, **rest: Any) -> Proof:
        self.calls += [(definition.graph.name, engine) for engine in engines]
        certificates = [
            Certificate(e, p, self.status.get(e, "proved"), 1e-12, 1e-12, 1e-12, 1e-11)
            for e in engines
            for p in precisions
        ]
        return Proof(definition.graph.name, tuple(certificates))


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    """Cells that take no time, on three engines that all seem to be installed."""
    from crosstrain.comparison import cells, engines, training
    from crosstrain.engines.registry import EngineRow

    fake = Workers()
    for module in (cells, engines, training):
        monkeypatch.setattr(module, "run_job", fake)
    monkeypatch.setattr(EngineRow, "importable", property(lambda row: True))
    monkeypatch.setattr(EngineRow, "version", property(lambda row: "1.0"))
    return fake


@pytest.fixture
def prover(monkeypatch: pytest.MonkeyPatch) -> Prover:
    fake = Prover()
    monkeypatch.setattr(importlib.import_module("crosstrain.proof.prove"), "prove", fake)
    return fake
