"""Imported networks against Keras on TensorFlow in float64: outputs of both phases, updated state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.graph.loss_cases import CASES as LOSSES
from tests.graph.networks import CASES


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All cases, computed in one process (TensorFlow takes seconds to start)."""
    pytest.importorskip("tensorflow", reason="the comparison runs Keras on TensorFlow")
    out = tmp_path_factory.mktemp("agreement") / "errors.json"
    root = Path(__file__).parents[2]
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    command = [sys.executable, "-m", "tests.graph.agreement", str(out)]
    process = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert out.exists(), process.stderr[-2000:]
    return dict(json.loads(out.read_text()))


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_keras(name: str, results: dict[str, Any]) -> None:
    errors = results[name]
    assert isinstance(errors, dict), errors
    assert errors, "nothing was compared"
    departing = {what: error for what, error in errors.items() if not error <= CASES[name].tolerance}
    assert not departing


@pytest.mark.parametrize("name", [f"loss {i} {case[0]}" for i, case in enumerate(LOSSES)])
def test_losses_agree_with_keras(name: str, results: dict[str, Any]) -> None:
    errors = results[name]
    assert isinstance(errors, dict), errors
    assert errors["loss"] <= 1e-7 if "Focal" in name or "Huber" in name else errors["loss"] <= 1e-12


def test_state_was_compared(results: dict[str, Any]) -> None:
    """Networks that change state have it among what agrees."""
    for name in ("batch norm True", "own Counting", "own ByPhase", "subclassed", "nested and shared"):
        assert any(what.startswith("update/") for what in results[name]), name
