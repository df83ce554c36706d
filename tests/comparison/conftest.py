"""Fixtures of the driver's tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from crosstrain.runs.definition import Definition, define
from tests.comparison.fakes import Prover, Workers, prover, workers

__all__ = ["Prover", "Workers", "prover", "workers"]


@pytest.fixture(autouse=True)
def without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What these tests pretend is done by the processor, also on a machine with a GPU; those about devices
    say what there is."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")


@pytest.fixture(scope="session")
def defined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One real definition, of an mlp on 8×8 digits."""
    folder = tmp_path_factory.mktemp("definition")
    targets = {"": {"shape": [], "dtype": "int64", "classes": 10}}
    define("mlp", folder=folder / "mlp", input_shapes={"": [8, 8, 1]}, classes=10, targets=targets)
    return folder / "mlp"


@pytest.fixture
def quick_definitions(monkeypatch: pytest.MonkeyPatch, defined: Path) -> list[dict[str, Any]]:
    """``define`` copies that one, whatever is asked for; the calls are noted."""
    calls: list[dict[str, Any]] = []

    def copy(source: str, *, folder: Path, **options: Any) -> Definition:
        calls.append({"source": source, **options})
        shutil.copytree(defined, folder, dirs_exist_ok=True)
        return Definition.load(folder)

    monkeypatch.setattr("crosstrain.comparison.subjects.define", copy)
    return calls
