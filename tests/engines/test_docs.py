"""The package in docs/adding-an-engine.md, word for word, trains ``lenet5`` and is certified."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the page's example wants PyTorch")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adding-an-engine.md").read_text(encoding="utf-8")
FILES: Mapping[str, str] = dict(
    re.findall(r"^`([\w./-]+)`[^\n]*\n```\w+\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
)
LINES = re.findall(r"^(crosstrain .*)", PAGE, flags=re.MULTILINE)
CONTRACT_TESTS = "description or refused or batches_of_any_length or nesterov"
"""What the contract asks that needs no other ops than the page's table has."""
COMMANDS = {words[1]: words for words in map(shlex.split, LINES)}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files, and beside them what pip would note of them when it installs the package."""
    folder = tmp_path_factory.mktemp("package")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    project = tomllib.loads(FILES["pyproject.toml"])["project"]
    points = project["entry-points"]["crosstrain.engines"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head)
    lines = "".join(f"{name} = {where}\n" for name, where in points.items())
    (info / "entry_points.txt").write_text(f"[crosstrain.engines]\n{lines}")
    return folder


def crosstrain(package: Path, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(package), str(ROOT / "src")])
    done = subprocess.run(
        [sys.executable, "-c", "from crosstrain.cli import main; main()", *arguments],
        cwd=package, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=400,
        check=False,
    )  # fmt: skip
    assert done.returncode == expect, done.stdout + done.stderr
    return done


def test_the_package_trains_lenet5_and_is_certified(package: Path) -> None:
    """It follows crosstrain's own engine for the same framework, which does the same work in other ways."""
    words = [*COMMANDS["compare"][1:], "--epochs", "1", "--threads", "1", "--json", "-"]
    cells = {c["engine"]: c for c in json.loads(crosstrain(package, *words).stdout)["cells"]}
    assert set(cells) == {"plain-torch", "torch"}
    for cell in cells.values():
        assert (cell["status"], cell["certificate"]) == ("done", "proved")
    plain, own = (cells[name]["epochs"][0]["train_loss"] for name in ("plain-torch", "torch"))
    assert plain == pytest.approx(own, rel=1e-3)


def test_the_contract_takes_engines_of_other_packages(package: Path) -> None:
    path = os.pathsep.join([str(package), str(ROOT / "src")])
    variables = {**os.environ, "PYTHONPATH": path, "CROSSTRAIN_TEST_ENGINE": "plain-torch"}
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-k",
        "description or refused or batches_of_any_length or nesterov",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "tests/engines/test_contract.py"],
        cwd=ROOT, env=variables, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
