"""Packages that an import does without."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from crosstrain.runs.process import run_job
from crosstrain.system.hidden import hidden


def test_a_hidden_package_is_missing_and_then_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    with hidden(["wave", "no_such_package"]), pytest.raises(ModuleNotFoundError):
        importlib.import_module("wave")
    assert importlib.import_module("wave").__name__ == "wave"
    assert "no_such_package" not in sys.modules


def test_what_is_there_is_not_hidden() -> None:
    with hidden(["json"]):
        assert importlib.import_module("json") is sys.modules["json"]


def test_an_error_inside_hides_nothing_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    with pytest.raises(RuntimeError), hidden(["wave"]):
        raise RuntimeError
    importlib.import_module("wave")


def test_a_worker_defines_without_what_networks_do_not_need(tmp_path: Path) -> None:
    """Keras imports these where they are installed; the task's module has Keras in it."""
    job = {
        "task": "define", "keras_backend": "jax", "device": "cpu", "source": "no such network",
        "unneeded": ["pandas", "sklearn"], "environment": {"PYTHONPROFILEIMPORTTIME": "1"},
    }  # fmt: skip
    pytest.importorskip("jax")
    log = run_job(job, folder=tmp_path).log.read_text()
    imported = {line.rpartition("|")[2].strip() for line in log.splitlines()}
    assert "keras" in imported
    # A package that is not found is listed too; parts of one are not.
    assert not {"pandas.core", "sklearn.base"} & imported
