"""What a user chooses beside the network: another output, initial weights from a file, a compiled model's own
loss as the default."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl
from onnx import TensorProto, helper, numpy_helper, save_model
from safetensors.numpy import save_file

from crosstrain.errors import CrosstrainError
from crosstrain.exchange import foreign as onnx_define
from crosstrain.graph.define import build_model
from crosstrain.graph.graph import Graph
from crosstrain.runs.definition import check_choice
from tests.graph.test_define import define, job

DOORS = Path(os.environ.get("CROSSTRAIN_DATA", "../shared/data")).parent / "doors"
LABELS = {"": {"shape": [], "dtype": "int64", "classes": 3}}
ONE_HOT = {"": {"shape": [3], "dtype": "float32", "classes": 3}}

NET = """
def net():
    x = keras.Input((4,))
    h = layers.Dense(5, activation="relu", name="hidden")(x)
    h = layers.BatchNormalization(name="norm")(h)
    y = layers.Dense(3, activation="softmax", name="probabilities")(h)
    return keras.Model(x, ops.mean(y), name="net")


def rows():
    whole = net()
    return keras.Model(whole.inputs, whole.get_layer("probabilities").output, name="net")
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text("import keras\nfrom keras import layers, ops\n" + NET)
    return str(path)


def defined(source: str, folder: Path, **changes: Any) -> tuple[dict[str, Any], Graph, dict[str, np.ndarray]]:
    data = define(source, folder, **{"input_shapes": None, "classes": None, "targets": LABELS, **changes})
    graph, weights = Graph.load(folder / "network.json")
    return data, graph, dict(weights)


# -- another output ---------------------------------------------------------------------------------
def test_another_output_of_a_keras_model(file: str, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match=r"whole batch.*--output: probabilities, norm, hidden"):
        defined(f"{file}:net", tmp_path / "whole")
    data, graph, _ = defined(f"{file}:net", tmp_path / "rows", output="probabilities")
    assert data["outputs"] == {"probabilities": [3]}
    assert data["losses"]["probabilities"]["name"] == "sparse_categorical_crossentropy"
    assert graph.hash == defined(f"{file}:rows", tmp_path / "same")[1].hash
    # What was written builds the same network again, as the truth of a proof and a trained model need it.
    assert build_model(data).output_shape == (None, 3)


def test_an_output_that_is_not_there(file: str, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match=r"net has no layer 'logits'.*probabilities"):
        defined(f"{file}:net", tmp_path, output="logits")


def onnx_with_an_accuracy(path: Path) -> Path:
    """The mean of a softmax's largest entries, behind a matrix product; with an op that nobody knows in front
    of the output."""
    kernel = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"], name="product"),
        helper.make_node("Softmax", ["z"], ["p"], name="softmax", axis=1),
        helper.make_node("ReduceMax", ["p"], ["best"], axes=[1], keepdims=0),
        helper.make_node("ReduceMean", ["best"], ["accuracy"], axes=[0], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("accuracy", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(kernel, "w")],
    )
    save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), str(path))
    return path


def onnx_defined(path: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    asked = {"input_shapes": None, "classes": None, "targets": LABELS, **changes}
    return onnx_define.run(job(str(path), folder, **asked), lambda event: None)


@pytest.mark.parametrize(("output", "name"), [("p", "p"), ("softmax", "p"), ("z", "z"), ("product", "z")])
def test_another_output_of_an_onnx_model(output: str, name: str, tmp_path: Path) -> None:
    path = onnx_with_an_accuracy(tmp_path / "accuracy.onnx")
    data = onnx_defined(path, tmp_path / "out", output=output)
    assert data["outputs"] == {name: [3]}
    assert data["losses"][name]["settings"] == {"from_logits": name == "z"}


def test_what_an_onnx_model_offers(tmp_path: Path) -> None:
    path = onnx_with_an_accuracy(tmp_path / "accuracy.onnx")
    with pytest.raises(
        CrosstrainError, match=r"'accuracy' is one number for the whole batch.*--output: p, z"
    ):
        onnx_defined(path, tmp_path / "out")
    with pytest.raises(CrosstrainError, match="no node or tensor 'q'; the last of them are p, z"):
        onnx_defined(path, tmp_path / "out", output="q")


@pytest.mark.skipif(not DOORS.is_dir(), reason="the small inputs are not here")
def test_the_accuracy_inside_of_the_small_inputs(tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match=r"--output: p, z"):
        onnx_defined(DOORS / "accuracy_inside.onnx", tmp_path, targets=None)
    data = onnx_defined(DOORS / "accuracy_inside.onnx", tmp_path, targets=None, output="p")
    assert (data["outputs"], list(data["inputs"])) == ({"p": [10]}, ["x"])


# -- initial weights ----------------------------------------------------------------------------------
def arrays_like(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    return {name: generator.normal(size=value.shape).astype("float32") for name, value in weights.items()}


def save_weights(path: Path, values: dict[str, np.ndarray], model: keras.Model) -> Path:
    """The values in the format that the ending says."""
    if path.suffix == ".npz":
        np.savez(path, **values)
    elif path.suffix == ".safetensors":
        save_file(values, path)
    else:
        for variable in model.weights:
            variable.assign(values[variable.path])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.save_weights(path) if path.name.endswith(".weights.h5") else model.save(path)
    return path


@pytest.mark.parametrize("ending", ["npz", "safetensors", "weights.h5", "h5", "keras"])
def test_weights_by_name(ending: str, file: str, tmp_path: Path) -> None:
    data, _, initial = defined(f"{file}:rows", tmp_path / "first")
    values = arrays_like(initial)
    path = save_weights(tmp_path / f"values.{ending}", values, build_model(data))
    _, _, loaded = defined(f"{file}:rows", tmp_path / "second", weights=str(path))
    assert list(loaded) == list(initial)
    for name, value in loaded.items():
        np.testing.assert_array_equal(value, values[name], err_msg=name)


def test_weights_by_order(file: str, tmp_path: Path) -> None:
    _, _, initial = defined(f"{file}:rows", tmp_path / "first")
    values = arrays_like(initial)
    np.savez(tmp_path / "list.npz", *values.values())  # model.get_weights(), as many save it
    _, _, loaded = defined(f"{file}:rows", tmp_path / "second", weights=str(tmp_path / "list.npz"))
    for name, value in loaded.items():
        np.testing.assert_array_equal(value, values[name], err_msg=name)


def test_weights_that_do_not_fit(file: str, tmp_path: Path) -> None:
    _, _, initial = defined(f"{file}:rows", tmp_path / "first")

    def refused(name: str, values: dict[str, Any], match: str) -> None:
        path = tmp_path / name
        save_file(values, path) if path.suffix == ".safetensors" else np.savez(path, **values)
        with pytest.raises(CrosstrainError, match=match):
            defined(f"{file}:rows", tmp_path / "second", weights=str(path))

    values = arrays_like(initial)
    wrong = {**values, "hidden/kernel": np.zeros((5, 4), "float32")}
    refused("wrong.npz", wrong, r"'hidden/kernel' is 4×5 in the network, 5×4 in .*entry 'hidden/kernel'")
    named = dict(zip("abcdefghijk", wrong.values(), strict=False))
    refused("order.npz", named, r"'hidden/kernel' is 4×5 in the network, 5×4 in .*entry 'a'")
    refused("few.npz", {"a": np.zeros(3)}, r"has 1 arrays.*the network 8 weights")
    refused("part.npz", {"hidden/kernel": values["hidden/kernel"]}, "no entry for the weight 'hidden/bias'")
    refused("text.npz", {"a": np.array(["b"])}, "entry 'a' does not consist of numbers")
    refused("pickle.npz", {"a": np.array([{}], dtype=object)}, "no whole file of arrays")
    sorted_names = dict(zip("abcdefghijk", values.values(), strict=False))
    refused("sorted.safetensors", sorted_names, "none of the network's names.*keep no order")
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(CrosstrainError, match="no whole file of arrays"):
        defined(f"{file}:rows", tmp_path / "second", weights=str(tmp_path / "damaged.npz"))


def test_weights_of_another_network(file: str, tmp_path: Path) -> None:
    other = keras.Sequential([keras.Input((7,)), kl.Dense(2, name="hidden")])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(CrosstrainError, match=r"other.weights.h5 do not fit net"):
        defined(f"{file}:rows", tmp_path / "out", weights=str(tmp_path / "other.weights.h5"))


def test_weights_for_an_onnx_model(tmp_path: Path) -> None:
    path = onnx_with_an_accuracy(tmp_path / "accuracy.onnx")
    np.savez(tmp_path / "own.npz", w=np.full((4, 3), 2.0))
    onnx_defined(path, tmp_path / "out", output="p", weights=str(tmp_path / "own.npz"))
    np.testing.assert_array_equal(Graph.load(tmp_path / "out" / "network.json")[1]["w"], np.full((4, 3), 2.0))
    with pytest.raises(CrosstrainError, match=r"takes weights from .npz or .safetensors"):
        onnx_defined(path, tmp_path / "out", output="p", weights=str(tmp_path / "own.h5"))


def test_choices_are_checked_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match="--output belongs to one network"):
        check_choice(["lenet5", "resnet20"], "dense", None)
    with pytest.raises(CrosstrainError, match=r"not a file of weights; there are \.h5"):
        check_choice(["lenet5"], "", tmp_path / "weights.pkl")
    with pytest.raises(CrosstrainError, match="there is no file of weights"):
        check_choice(["lenet5"], "", tmp_path / "weights.npz")
    assert check_choice(["lenet5", "resnet20"], "", None) == ""


# -- the loss of a compiled model ---------------------------------------------------------------------
OWN = {"": {"name": "CategoricalCrossentropy", "settings": {"label_smoothing": 0.1}, "weight": 1.0}}


def test_a_compiled_loss_is_the_default(file: str, tmp_path: Path) -> None:
    data, _, _ = defined(f"{file}:rows", tmp_path, own_losses=OWN, targets=ONE_HOT)
    assert data["losses"]["probabilities"] == OWN[""]
    assert not data["remarks"]
    asked = {"": {"name": "mean_squared_error", "settings": {}, "weight": 1.0}}
    data, _, _ = defined(f"{file}:rows", tmp_path, own_losses=OWN, losses=asked, targets=ONE_HOT)
    assert data["losses"]["probabilities"] == asked[""]


@pytest.mark.parametrize(
    ("own", "why"),
    [(OWN, "does not fit"), ({"": {"name": "my_loss", "settings": {}, "weight": 1.0}}, "there is no loss")],
)
def test_a_compiled_loss_that_does_not_fit_gives_way(own: Any, why: str, file: str, tmp_path: Path) -> None:
    data, _, _ = defined(f"{file}:rows", tmp_path, own_losses=own)
    assert data["losses"]["probabilities"]["name"] == "sparse_categorical_crossentropy"
    (remark,) = data["remarks"]
    assert "own loss is not taken but sparse_categorical_crossentropy" in remark
    assert why in remark
