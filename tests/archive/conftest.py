"""A comparison by pretended workers, with one real definition, and its bundle."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crosstrain.archive.packing import bundle
from crosstrain.comparison.settings import settings
from crosstrain.studies.comparison import run
from tests.comparison.conftest import defined, quick_definitions
from tests.comparison.fakes import Prover, Workers, prover, workers

__all__ = ["defined", "prover", "quick_definitions", "workers"]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test that needs them leaves a comparison and its bundle for the others."""
    return tmp_path_factory.mktemp("bundle")


@pytest.fixture
def made(once: Path, quick_definitions: object, workers: Workers, prover: Prover) -> Path:
    """A comparison of mlp on digits, two engines, two seeds, and its bundle."""
    if not (once / "run.zip").exists():
        request = settings("mlp", "digits", engines=["torch", "jax"], sizes=[8], epochs=2, threads=1, seeds=2)
        run(request, once / "digits-run")
        bundle(once / "digits-run", once / "run.zip")
    return once


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the comparison's folder."""
    shutil.copytree(made / "digits-run", tmp_path / "digits-run")
    return tmp_path / "digits-run"


@pytest.fixture
def packed(made: Path, tmp_path: Path) -> Path:
    """A copy of its bundle."""
    shutil.copyfile(made / "run.zip", tmp_path / "run.zip")
    return tmp_path / "run.zip"
