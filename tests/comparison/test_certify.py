"""Certificates of a comparison: proved side by side, kept as they come, and each cause told once."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any

import pytest

from crosstrain.comparison import certify
from crosstrain.comparison.certify import shortcomings
from crosstrain.comparison.settings import settings
from crosstrain.proof.certificate import Proof
from crosstrain.results.schema import CertificateResult
from crosstrain.studies.comparison import Interrupted, run
from tests.comparison.fakes import Prover, Workers

ENGINES = ["torch", "tensorflow", "jax"]


def quick_settings(**changes: Any) -> Any:
    return settings("mlp", "digits", epochs=1, engines=ENGINES, **changes)


def test_engines_are_proved_side_by_side(
    workers: Workers, prover: Prover, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    together = threading.Barrier(3, timeout=20)  # breaks where one proof waits for another to end

    def prove(definition: Any, engines: Any, *args: Any, **kwargs: Any) -> Proof:
        together.wait()
        return prover(definition, engines, *args, **kwargs)

    monkeypatch.setattr(importlib.import_module("crosstrain.proof.prove"), "prove", prove)
    monkeypatch.setattr(certify, "slots", lambda tasks, **limits: tasks)
    result = run(quick_settings(), tmp_path / "out")
    assert [(c.engine, c.precision) for c in result.certificates] == [
        (engine, precision) for engine in ENGINES for precision in ("float64", "float32")
    ]
    assert len(workers.cells) == 3  # timing begins once all is proved


def test_ctrl_c_keeps_the_proofs_that_are_finished(
    workers: Workers, prover: Prover, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Interrupts(Prover):
        def __call__(self, definition: Any, engines: Any, precisions: Any, **rest: Any) -> Proof:
            if "jax" in engines:
                raise KeyboardInterrupt
            return super().__call__(definition, engines, precisions, **rest)

    module, first = importlib.import_module("crosstrain.proof.prove"), Interrupts()
    monkeypatch.setattr(certify, "slots", lambda tasks, **limits: 1)
    monkeypatch.setattr(module, "prove", first)
    with pytest.raises(Interrupted):
        run(quick_settings(), tmp_path / "out")
    assert {engine for _, engine in first.calls} == {"torch", "tensorflow"}
    second = Prover()
    monkeypatch.setattr(module, "prove", second)
    assert len(run(quick_settings(), tmp_path / "out").certificates) == 6
    assert {engine for _, engine in second.calls} == {"jax"}


def certificate(engine: str, precision: str, network: str = "net", reason: str = "", **changes: Any) -> Any:
    fields = {"network": network, "input_size": 32, "engine": engine, "precision": precision}
    return CertificateResult(**{**fields, "status": "cannot", "reason": reason, **changes})


def test_one_cause_is_told_once_for_all_that_it_stops() -> None:
    cause = "there is no truth to hold the engine against"
    stopped = [
        certificate(engine, precision, network, cause)
        for network in ("lenet5", "resnet20")
        for engine in ("torch", "jax", "keras-jax")
        for precision in ("float64", "float32")
    ]
    assert shortcomings(stopped) == [
        f"lenet5 at 32 and resnet20 at 32 on torch, jax and keras-jax, float64 and float32: cannot, {cause}"
    ]


def test_causes_that_differ_stay_apart_and_proofs_are_not_told() -> None:
    sentences = shortcomings(
        [
            certificate("torch", "float64", reason="no float64"),
            certificate("torch", "float32", status="proved"),
            certificate("jax", "float32", reason="no float64"),
            certificate("tensorflow", "float32", reason="it crashed"),
        ]
    )
    assert sentences == [
        "net at 32 on torch, float64; jax, float32: cannot, no float64",
        "net at 32 on tensorflow, float32: cannot, it crashed",
    ]
