"""benchmarks/gpu.py runs to its end, small and on the CPU, and says what it has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("jax")

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu.py"


def run(*arguments: str, seconds: float = 400) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=seconds
    )


def test_certificates_and_rates(tmp_path: Path) -> None:
    roles = ["hand captured", "crosstrain torch", "crosstrain jax"]
    done = run(
        "--dry-run", "--networks", "gru2,mlp", "--roles", ",".join(roles), "--minutes", "6",
        "--out", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "gpu.json").read_text())
    proved = {(c["engine"], c["precision"]): c["status"] for c in results["certificates"]}
    assert proved == {(e, p): "proved" for e in ("torch", "jax") for p in ("float64", "float32")}
    assert results["errors"] == {"mlp": {}}
    assert {role: len(rates) for role, rates in results["rates"]["mlp"].items()} == dict.fromkeys(roles, 1)
    assert all(rate > 0 for (rate,) in results["rates"]["mlp"].values())
    table = (tmp_path / "gpu.md").read_text()
    assert table in done.stdout + "\n"
    assert "| MLP 20-64-64-3 (64) |" in table


def test_an_unknown_network_is_refused() -> None:
    done = run("--networks", "lenet6")
    assert done.returncode == 2
    assert "there is no network 'lenet6'" in done.stderr
