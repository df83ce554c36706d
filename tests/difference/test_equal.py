"""Equal definitions in two languages: networks of the catalogue against their own ONNX files, of which none
may be called different."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest

from crosstrain import zoo
from crosstrain.difference.comparing import Comparison, Settings
from crosstrain.difference.recipes import training
from crosstrain.difference.sides import Side
from crosstrain.exchange import foreign
from crosstrain.exchange.onnx.writing.export import to_onnx
from crosstrain.graph import define
from crosstrain.graph.graph import Graph
from crosstrain.runs.defined import Definition
from tests.difference.conftest import by_an_engine

EQUAL_PAIRS = Path(__file__).resolve().parents[2] / "benchmarks" / "equal_pairs.py"
QUICK = ("lenet5", "resnet20", "unet", "gru", "transformer-encoder")
"""One of each family; the others take minutes together."""
NOT_READ = ("faster-rcnn", "faster-rcnn-small", "fast-rcnn", "ssd-lite")
"""ONNX files of these hold constants as long as the batch, which are not read."""
FOLDED = ("rbf", "vit-tiny")
"""ONNX files of these hold a parameter together with what is computed of it alone (a padded token, a width's
inverse square), and so train another one: ``diff`` says so, rightly."""


MORE = ("inception-v3", "inception-resnet-v2", "efficientnet-b0")
"""In ONNX files of these, normalisations without a scale get one, or constants become weights."""


def equal() -> list[Any]:
    """One row for each tiny variant of the catalogue."""
    rows = {
        json.dumps([row.function, {**row.arguments, **row.tiny}], default=str): row.name
        for row in reversed(zoo.networks().values())
    }
    without = (*QUICK, *NOT_READ, *FOLDED, *MORE)
    slow = pytest.mark.slow("one of each family is quick; all take minutes")
    rest = [pytest.param(name, marks=slow) for name in reversed(rows.values()) if name not in without]
    return [*QUICK, *rest]


def test_a_network_is_the_same_as_the_pytorch_that_is_written_for_it() -> None:
    """Of branches that run in another order, of an LSTM whose second bias is frozen, of a GRU whose kernel
    and biases have one shape, and of a module that gives its pictures with the channels last."""
    done = subprocess.run(
        [sys.executable, str(EQUAL_PAIRS), "conv1d", "lstm", "gru", "unet"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1:] == ["4 the same"], done.stdout + done.stderr


@pytest.mark.parametrize("name", equal())
def test_a_network_is_the_same_as_its_file(name: str, tmp_path: Path) -> None:
    job = {"source": f"{name}:tiny", "folder": str(tmp_path / "a"), "seed": 0}
    a = Definition(tmp_path / "a", define.run(job, lambda _: None))
    graph, weights = Graph.load(a.network)
    onnx.save(to_onnx(graph, weights), str(tmp_path / "net.onnx"))
    job = {"source": str(tmp_path / "net.onnx"), "folder": str(tmp_path / "b"), "seed": 0}
    b = Definition(tmp_path / "b", foreign.run(job, lambda _: None))
    sides = [Side(k, name, d, training(None, None)) for k, d in (("A", a), ("B", b))]
    found = Comparison(sides[0], sides[1], Settings()).run(by_an_engine)
    assert found.same, found.findings
    assert found.errors["gradients"] <= 1e-5
