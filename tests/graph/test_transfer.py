"""New heads, frozen layers, and what comes out of a layer: Keras's own meaning, in the graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl

from crosstrain.errors import CrosstrainError
from crosstrain.graph.define import build_model
from crosstrain.graph.graph import Graph
from crosstrain.graph.reference import run_numpy
from crosstrain.graph.tapping import layer_names, tapped
from tests.graph.test_define import define

LABELS = {"": {"shape": [], "dtype": "int64", "classes": 3}}
NET = """
import keras
from keras import layers


def net(classes=7):
    x = keras.Input((4,))
    h = layers.Dense(5, activation="relu", name="hidden", kernel_regularizer="l2")(x)
    h = layers.BatchNormalization(name="norm")(h)
    h = layers.Dense(6, name="middle")(h)
    h = layers.BatchNormalization(name="after")(h)
    y = layers.Dense(classes, name="head")(h)
    return keras.Model(x, layers.Activation("linear", name="end")(y), name="net")
"""


@pytest.fixture
def source(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(NET)
    return f"{tmp_path / 'mine.py'}:net"


def defined(source: str, folder: Path, **changes: Any) -> tuple[dict[str, Any], Graph, dict[str, np.ndarray]]:
    folder.mkdir(exist_ok=True)
    data = define(source, folder, **{"input_shapes": None, "classes": 3, "targets": LABELS, **changes})
    graph, weights = Graph.load(folder / "network.json")
    return data, graph, dict(weights)


# -- frozen layers ----------------------------------------------------------------------------------
def test_frozen_layers_are_not_trained_and_their_batch_norm_infers(source: str, tmp_path: Path) -> None:
    data, graph, _ = defined(source, tmp_path / "frozen", freeze_until="norm")
    assert {name.split("/")[0] for name in graph.trainable} == {"middle", "after", "head"}
    training = graph.phase(training=True)
    assert [node.op for node in training.nodes if node.layer == "norm"] == ["normalize"]
    assert "batch_norm" in [node.op for node in training.nodes if node.layer == "after"]
    assert {name.split("/")[0] for name in graph.updates} == {"after"}
    assert graph.penalties == ()  # the regulariser of a frozen kernel adds nothing, as in Keras
    (remark,) = [r for r in data["remarks"] if "frozen" in r]
    # hidden 4·5 + 5; norm 4·5; middle 5·6 + 6, after 2·6 (its statistics are not trained), head 6·3 + 3
    assert "frozen until 'norm': 2 layers" in remark
    assert f"{graph.parameters:,} are" in remark
    model = build_model(data)
    assert [layer.name for layer in model.layers if not layer.trainable][-2:] == ["hidden", "norm"]


def test_frozen_layers_that_are_not_there(source: str, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match="no layer 'nrom'; did you mean 'norm'"):
        defined(source, tmp_path / "a", freeze_until="nrom")
    with pytest.raises(CrosstrainError, match="nothing is left to train"):
        defined(source, tmp_path / "b", freeze_until="end")


# -- heads ------------------------------------------------------------------------------------------
def weights_of(source: str, folder: Path, name: str, **changes: Any) -> tuple[Path, dict[str, np.ndarray]]:
    """A file of weights of the network with seven classes."""
    _, _, weights = defined(source, folder / "seven", classes=7, targets=None, seed=5)
    path = folder / name
    if path.suffix == ".npz":
        np.savez(path, **weights)
    else:
        model = build_model({"source": source, "classes": 7, "seed": 5})
        model.save_weights(path) if name.endswith(".weights.h5") else model.save(path)
    return path, weights


@pytest.mark.parametrize("name", ["a.npz", "a.weights.h5", "a.keras", "a.h5"])
@pytest.mark.filterwarnings("ignore:.*HDF5.*")
def test_a_replaced_head_keeps_the_rest_of_the_file(source: str, tmp_path: Path, name: str) -> None:
    path, seven = weights_of(source, tmp_path, name)
    _, graph, weights = defined(source, tmp_path / "three", weights=str(path), replace_head=True)
    assert graph.weights["head/kernel"].shape == (6, 3)
    assert weights["head/kernel"].any()
    for key, array in seven.items():
        if not key.startswith("head/"):
            np.testing.assert_allclose(weights[key], array, rtol=1e-6)


def test_weights_whose_head_does_not_fit_name_the_way_out(source: str, tmp_path: Path) -> None:
    path, _ = weights_of(source, tmp_path, "a.npz")
    with pytest.raises(
        CrosstrainError, match=r"'head/kernel' is 6×3 in the network, 6×7 in .*--replace-head"
    ):
        defined(source, tmp_path / "three", weights=str(path))


def test_a_saved_model_gets_another_number_of_classes(tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((4,)), kl.Dense(5, name="hidden"), kl.Dense(7, name="head")], name="net"
    )
    model.save(tmp_path / "net.keras")
    data, graph, weights = defined(str(tmp_path / "net.keras"), tmp_path / "three", replace_head=True)
    assert graph.weights["net/head/kernel"].shape == (5, 3)
    np.testing.assert_array_equal(weights["net/hidden/kernel"], np.asarray(model.get_layer("hidden").kernel))
    again = build_model(data)
    assert again.output_shape == (None, 3)


# -- a layer's output -------------------------------------------------------------------------------
def test_the_output_of_a_layer_is_the_keras_model_s(source: str, tmp_path: Path) -> None:
    data, graph, weights = defined(source, tmp_path / "net")
    assert (
        layer_names(graph) == ["hidden", "norm", "middle", "after", "head", "end"][: len(layer_names(graph))]
    )
    model = build_model(data)
    for variable, name in zip(model.weights, data["weights"], strict=True):
        variable.assign(weights[name])
    x = np.random.default_rng(0).random((5, 4), np.float32)
    for name in ("hidden", "norm", "middle"):
        more, output = tapped(graph, name)
        outputs, _ = run_numpy(more, weights, {next(iter(graph.inputs)): x})
        expected = np.asarray(keras.Model(model.inputs, model.get_layer(name).output)(x))
        np.testing.assert_allclose(outputs[output], expected, atol=1e-6)
    with pytest.raises(CrosstrainError, match="did you mean 'hidden'"):
        tapped(graph, "hiden")
