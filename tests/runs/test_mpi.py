"""Training under ``mpirun``: the weights of one process, and one sentence where a rank cannot go on."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crosstrain.engines.registry import engine_row
from crosstrain.runs.mpi import launched
from crosstrain.system.files import read_arrays
from tests.runs.test_workers import distance

TRAIN = [
    sys.executable, "-m", "crosstrain", "train", "mlp", "--data", "digits", "--size", "8", "--epochs", "1",
    "--engine", "torch", "--threads", "1", "--precision", "float64",
]  # fmt: skip


@pytest.fixture
def launcher() -> list[str]:
    """``mpirun`` with two ranks, on a machine of any number of cores and for any user."""
    if not engine_row("torch").importable:
        pytest.skip("torch is not installed here")
    if not shutil.which("mpirun"):
        pytest.skip("there is no mpirun here")
    if not importlib.util.find_spec("mpi4py"):
        pytest.skip("mpi4py is not installed here")
    own = ["--allow-run-as-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return ["mpirun", *own, "--oversubscribe", "-n", "2"]


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500, check=False)


def test_two_ranks_train_what_one_process_does(tmp_path: Path, launcher: list[str]) -> None:
    alone = run(tmp_path, *TRAIN, "--out", "one")
    together = run(tmp_path, *launcher, *TRAIN, "--out", "two")
    assert (alone.returncode, together.returncode) == (0, 0), together.stderr
    assert "2 workers: " in together.stdout
    again = run(tmp_path, *launcher, *TRAIN, "--out", "two")
    assert (again.returncode, "nothing left to do" in again.stdout + again.stderr) == (0, True)
    assert distance(read_arrays(tmp_path / "two/last.npz"), read_arrays(tmp_path / "one/last.npz")) < 1e-10


def test_ranks_of_the_launchers_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMI_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert launched() is None
    monkeypatch.setenv("PMI_RANK", "3")
    monkeypatch.setenv("PMI_SIZE", "4")
    assert launched() == (3, 4)
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "1")  # one rank is no team
    monkeypatch.setenv("PMI_SIZE", "1")
    assert launched() is None


def test_without_mpi4py_there_is_one_sentence(tmp_path: Path) -> None:
    """Rank 1 of a launch that never was; a package of this name hides mpi4py."""
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py" / "__init__.py").write_text("raise ImportError('hidden')\n")
    paths = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    variables = {
        **os.environ, "PYTHONPATH": paths, "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2",
    }  # fmt: skip
    done = subprocess.run(
        TRAIN, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    words = " ".join(done.stderr.split())
    assert "rank 1 of 2 workers: training under mpirun needs mpi4py in the engine's Python (hidden)" in words
    assert "pip install mpi4py" in words
