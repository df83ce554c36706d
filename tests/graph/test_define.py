"""The define task: sources, their errors, and safety of .keras files."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl

from crosstrain.errors import CrosstrainError
from crosstrain.graph.define import build_model, name_of, run
from crosstrain.graph.graph import Graph

INT_TARGET = {"": {"shape": [], "dtype": "int64", "classes": 10}}


@pytest.fixture(autouse=True)
def default_precision() -> Any:
    """``build_model`` sets Keras's global precision."""
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def job(source: str, folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "task": "define", "source": source, "input_shapes": {"": [8, 8, 1]}, "classes": 10,
        "targets": INT_TARGET,
        "losses": None, "seed": 0, "trust": False, "floatx": "float32", "folder": str(folder), **changes,
    }  # fmt: skip


def define(source: str, folder: Path, **changes: Any) -> dict[str, Any]:
    return run(job(source, folder, **changes), lambda event: None)


def user_file(folder: Path, body: str) -> str:
    path = folder / "mine.py"
    path.write_text("import keras\nfrom keras import layers, ops\n" + body)
    return str(path)


PLAIN = """
def net(input_shape, classes):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, layers.Dense(classes)(layers.Flatten()(inputs)))
"""


def test_writes_everything(tmp_path: Path) -> None:
    data = define("lenet5", tmp_path / "out", input_shapes={"": [32, 32, 1]})
    assert json.loads((tmp_path / "out" / "definition.json").read_text()) == data
    graph, weights = Graph.load(tmp_path / "out" / "network.json")
    assert graph.hash == data["graph_hash"]
    assert list(weights) == list(graph.weights)
    assert data["weights"] == [name for name in graph.weights if not name.startswith("constant/")]
    assert data["parameters"] == 61_706
    (loss,) = data["losses"].values()
    assert loss["name"] == "sparse_categorical_crossentropy"
    assert "loss" in Graph.load(tmp_path / "out" / "loss.json")[0].outputs


def test_seed_decides_weights(tmp_path: Path) -> None:
    weights = [
        build_model(job("lenet5", tmp_path, input_shapes=None, seed=seed)).get_weights() for seed in (1, 1, 2)
    ]
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(weights[0], weights[2], strict=True))


def test_double_precision(tmp_path: Path) -> None:
    model = build_model(job("lenet5", tmp_path, input_shapes=None), floatx="float64")
    assert {w.dtype for w in model.weights} == {"float64"}


def test_function_of_a_file(tmp_path: Path) -> None:
    data = define(f"{user_file(tmp_path, PLAIN)}:net", tmp_path / "out")
    assert data["inputs"]["input_layer"]["shape"] == [8, 8, 1]
    assert list(data["outputs"].values()) == [[10]]


# Keras cannot build it and says so; the data can.
@pytest.mark.filterwarnings("ignore:Layer 'net' looks like it has unbuilt state")
def test_subclassed_model_is_built_from_the_data(tmp_path: Path) -> None:
    body = """
class Net(keras.Model):
    def __init__(self, classes):
        super().__init__()
        self.dense = layers.Dense(classes)
    def call(self, x):
        return self.dense(ops.reshape(x, (ops.shape(x)[0], -1)))

def net(classes):
    return Net(classes)
"""
    data = define(f"{user_file(tmp_path, body)}:net", tmp_path / "out")
    assert data["outputs"] == {"output": [10]}
    assert data["parameters"] == 650


def saved(folder: Path, model: keras.Model) -> Path:
    path = folder / "model.keras"
    model.save(path)
    return path


def small() -> keras.Model:
    inputs = keras.Input((8, 8, 1))
    x = kl.BatchNormalization()(kl.Conv2D(3, 3)(inputs))
    return keras.Model(inputs, kl.Dense(10)(kl.Flatten()(x)))


@pytest.mark.parametrize("floatx", ["float32", "float64"])
def test_keras_file(tmp_path: Path, floatx: str) -> None:
    model = small()
    path = saved(tmp_path, model)
    again = build_model(job(str(path), tmp_path), floatx=floatx)
    assert {w.dtype for w in again.weights} == {floatx}
    assert again.layers[1].compute_dtype == floatx
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b.astype("float32"))
    assert define(str(path), tmp_path / "out")["parameters"] == model.count_params() - 6


def test_truncated_keras_file(tmp_path: Path) -> None:
    path = saved(tmp_path, small())
    whole = path.read_bytes()
    for length in (0, 20, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:length])
        with pytest.raises(CrosstrainError, match="is not a complete"):
            define(str(path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_lambda_is_not_run_without_trust(tmp_path: Path) -> None:
    inputs = keras.Input((8, 8, 1))
    outputs = kl.Dense(10)(kl.Flatten()(kl.Lambda(lambda x: x * 2, output_shape=(8, 8, 1))(inputs)))
    path = saved(tmp_path, keras.Model(inputs, outputs))
    with pytest.raises(CrosstrainError, match=r"bytecode.*--trust"):
        define(str(path), tmp_path / "out")
    assert define(str(path), tmp_path / "out", trust=True)["parameters"] == 650


def test_foreign_modules_are_not_imported_without_trust(tmp_path: Path) -> None:
    """A configuration that names a module of its own: the module must not run."""
    path = saved(tmp_path, small())
    marker = tmp_path / "ran"
    (tmp_path / "evil.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass Layer: pass\n")
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    config["config"]["layers"][1].update(module="evil", class_name="Layer", registered_name="evil>Layer")
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else content)
    with pytest.raises(CrosstrainError, match="'Layer' from the module evil"):
        define(str(path), tmp_path / "out")
    assert not marker.exists()


REFUSED = [
    ("no_such_network", {}, "no network 'no_such_network'"),
    ("lenet5", {"input_shapes": {"a": [32, 32, 1], "b": [3]}}, "has one input"),
    ("nowhere.py:net", {}, "there is no file nowhere.py"),
    ("nowhere.keras", {}, "there is no file"),
]


@pytest.mark.parametrize(("source", "changes", "says"), REFUSED)
def test_refused(source: str, changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match=says):
        define(source, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


OTHER_SIZE = """
def net():
    inputs = keras.Input((4, 4, 1))
    return keras.Model(inputs, layers.Flatten()(inputs))
"""

BODIES = [
    ("def net():\n    return 3\n", {}, "has to return a keras.Model"),
    ("def net(depth):\n    return None\n", {}, "needs depth"),
    ("def other():\n    return 3\n", {}, "has no 'net'; it has other"),
    ("def net():\n    raise KeyError('no such thing')\n", {}, "failed: KeyError: 'no such thing'"),
    ("def net(:\n", {}, "failed: SyntaxError"),
    (PLAIN, {"classes": 7}, "7 scores, but the data has 10 classes"),
    (
        "def net():\n    x = keras.Input((4, 4, 1))\n    return keras.Model(x, layers.Flatten()(x))\n",
        {},
        "takes 4×4×1, the data is 8×8×1",
    ),
]


@pytest.mark.parametrize(("body", "changes", "says"), BODIES)
def test_bad_files(body: str, changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match=says):
        define(f"{user_file(tmp_path, body)}:net", tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "source", "called"),
    [
        ("functional_3", "nets/digits.py:small", "small"),
        ("sequential", "nets/digits.keras", "digits"),
        ("functional", "mlp", "functional"),
        ("my_network", "nets/digits.py:small", "my_network"),
    ],
)
def test_a_network_without_a_name_is_called_by_its_function_or_file(
    name: str, source: str, called: str
) -> None:
    inputs = keras.Input((2,))
    assert name_of(keras.Model(inputs, keras.layers.Dense(1)(inputs), name=name), source) == called
