"""Networks defined in a process of their own: what comes back, and sentences for what cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstrain.environments import environments
from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.runs import definition
from crosstrain.runs.definition import Definition, define
from crosstrain.runs.process import run_job
from crosstrain.training.optimizers import Optimizer

MODEL = """
import keras

def small(input_shape=(6,), classes=3):
    image = keras.Input(input_shape)
    return keras.Model(image, keras.layers.Dense(classes)(keras.layers.Dense(4, "relu")(image)))

def loud():
    print("printed by the user's code")
    raise RuntimeError("no good")
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Definition:
    folder = tmp_path_factory.mktemp("definition")
    (folder / "mine.py").write_text(MODEL)
    return define(f"{folder / 'mine.py'}:small", folder=folder / "network", input_shapes={"": [5]}, classes=2)


def test_a_definition_is_whole(small: Definition) -> None:
    assert small.graph.parameters == 5 * 4 + 4 + 4 * 2 + 2 == small.data["parameters"]
    assert small.data["graph_hash"] == small.graph.hash
    assert set(small.weights()) >= set(small.graph.weights)
    program = small.program(Optimizer("adam"))
    assert "loss" in program.training.outputs
    assert program.optimizer.name == "adam"
    assert any(name.startswith("target/") for name in program.training.inputs)


def test_a_definition_is_found_again(small: Definition) -> None:
    again = Definition.load(small.folder)
    assert again.data == small.data
    assert again.network == small.folder / "network.json"
    for name, value in small.weights().items():
        assert np.array_equal(again.weights()[name], value)


def test_the_seed_decides_the_weights(small: Definition, tmp_path: Path) -> None:
    def kernel(seed: int) -> Any:
        again = define(
            str(small.data["source"]),
            folder=tmp_path / str(seed),
            input_shapes={"": [5]},
            classes=2,
            seed=seed,
        )
        assert again.graph.hash == small.graph.hash
        return next(v for k, v in again.weights().items() if k.endswith("kernel"))

    same = next(v for k, v in small.weights().items() if k.endswith("kernel"))
    assert np.array_equal(kernel(0), same)
    assert not np.array_equal(kernel(1), same)


def test_the_supervisor_imports_no_framework(small: Definition) -> None:
    code = (
        "import sys; from pathlib import Path; from crosstrain.runs.definition import Definition\n"
        f"Definition.load(Path({str(small.folder)!r})).program\n"
        "import crosstrain.runs.process, crosstrain.runs.store\n"
        "sys.exit(str({'keras', 'torch', 'tensorflow', 'jax'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("lenet55", "there is no network 'lenet55'"),
        ("nowhere.py:net", "nowhere.py"),
        ("nowhere.keras", "nowhere.keras"),
        ("{mine}:loud", "failed: RuntimeError: no good"),
        ("{mine}:missing", "has no 'missing'"),
    ],
)
def test_what_cannot_be_defined_is_a_sentence(tmp_path: Path, source: str, words: str) -> None:
    (tmp_path / "mine.py").write_text(MODEL)
    with pytest.raises(CrosstrainError) as caught:
        define(source.format(mine=tmp_path / "mine.py"), folder=tmp_path / "network")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "network" / "definition.json").exists()
    if "loud" in source:
        assert "printed by the user's code" in (tmp_path / "network" / "logs" / "define.log").read_text()


@pytest.mark.parametrize(("content", "words"), [(None, "there is no definition"), ("{", "is damaged")])
def test_no_definition_to_load(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "definition.json").write_text(content)
    with pytest.raises(CrosstrainError, match=words):
        Definition.load(tmp_path)


def test_a_hanging_definition_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(600)\n")
    with pytest.raises(CrosstrainError, match="stopped after 3 s"):
        define(f"{tmp_path / 'slow.py'}:net", folder=tmp_path / "network", timeout=3)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="not a folder"):
        define("lenet5", folder=tmp_path / "file" / "network")


@pytest.mark.parametrize(
    ("installed", "backend"),
    [
        ({"keras", "jax", "torch"}, "jax"),
        ({"keras", "tensorflow", "torch"}, "tensorflow"),
        ({"keras", "torch"}, "torch"),
    ],
)
def test_keras_runs_on_what_there_is(
    monkeypatch: pytest.MonkeyPatch, installed: set[str], backend: str
) -> None:
    monkeypatch.setattr(
        environments.importlib.util, "find_spec", lambda name: name if name in installed else None
    )
    assert definition.keras_home() == (backend, sys.executable)


def test_without_any_framework_there_is_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CrosstrainError, match=r"crosstrain engines install keras-jax.*pip install"):
        definition.keras_home()


def test_an_engine_describes_itself(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    outcome = run_job({"task": "describe", "engine": "torch", "device": "cpu"}, folder=tmp_path)
    assert outcome.result is not None
    assert outcome.result["devices"] == ["cpu"]
    assert "float64" in outcome.result["precisions"]
    assert all("default" in option for option in outcome.result["options"].values())


def test_a_missing_engine_is_a_line_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crosstrain.engines.registry import EngineRow
    from crosstrain.errors import EngineMissingError
    from crosstrain.runs.tasks import describe

    row = EngineRow("abacus", "abacus.engine", "abacus_that_is_not_there", "abacus")
    monkeypatch.setattr(describe, "engine_row", lambda name: row)
    with pytest.raises(EngineMissingError, match="install it with: pip install abacus"):
        describe.load_engine("abacus")


def test_a_module_of_a_package_of_the_user_s_is_known_by_what_comes_back(tmp_path: Path) -> None:
    """The file that is named does not import PyTorch itself."""
    pytest.importorskip("torch")
    package = tmp_path / "layers_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from torch import nn\n\n"
        "def perceptron(inputs, classes):\n"
        "    return nn.Sequential(nn.Linear(inputs, 4), nn.ReLU(), nn.Linear(4, classes))\n"
    )
    (tmp_path / "net.py").write_text(
        "import layers_of_mine\n\n"
        "def build(input_shape, classes):\n"
        "    return layers_of_mine.perceptron(input_shape[0], classes)\n"
    )
    found = define(f"{tmp_path / 'net.py'}:build", folder=tmp_path / "out", input_shapes={"": [6]}, classes=3)
    assert found.data["language"] == "torch"
    assert set(found.graph.weights) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert {node.op for node in found.graph.nodes} >= {"relu"}
