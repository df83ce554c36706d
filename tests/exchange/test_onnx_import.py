"""ONNX models read as graphs: what was exported comes back, other exporters' files give their frameworks'
outputs, and what cannot be read is told in a sentence."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.onnx.reading.importer import from_onnx, imported, read
from crosstrain.exchange.onnx.writing.export import to_onnx
from crosstrain.graph.graph import SEED
from crosstrain.graph.reference import run_numpy
from crosstrain.runs.definition import define
from tests.exchange import node_tests
from tests.exchange.networks import NETWORKS, distance, network, op_samples

FILES = Path(__file__).parent / "files"
CONVERTED = Path(onnx.__file__).parent / "backend" / "test" / "data" / "pytorch-converted"


def run(result: Any, x: np.ndarray) -> np.ndarray:
    """The only output for the only input; pictures are turned to the order that the graph takes."""
    (name,) = (k for k in result.graph.inputs if k != SEED)
    if x.ndim == 4 and any("is taken with its channels last" in note for note in result.notes):
        x = x.transpose(0, 2, 3, 1)
    outputs, _ = run_numpy(result.graph, result.weights, {name: x, SEED: np.int32(0)})
    (y,) = outputs.values()
    return np.asarray(y)


# -- round trips --------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_come_back_as_they_were(name: str) -> None:
    sample = network(name)
    result = imported(to_onnx(sample.graph, sample.weights), name)
    assert set(result.graph.outputs) == set(sample.graph.outputs)
    outputs, _ = run_numpy(result.graph, result.weights, sample.inputs)
    for key, expected in sample.expected.items():
        assert distance(outputs[key], expected) < 1e-6
    names = {k for k in sample.graph.weights if k != "frozen/kernel"}
    assert names <= set(result.graph.weights)
    for key in names:
        assert result.graph.weights[key].trainable == sample.graph.weights[key].trainable
        assert result.weights[key].shape == sample.weights[key].shape


def test_a_residual_network_comes_back_without_transposes() -> None:
    sample = network("resnet20")
    result = imported(to_onnx(sample.graph, sample.weights), "resnet20")
    before, after = (Counter(n.op for n in g.nodes) for g in (sample.graph, result.graph))
    assert after["transpose"] == 0
    assert {op: after[op] for op in ("conv", "batch_norm", "relu", "dense")} == {
        op: before[op] for op in ("conv", "batch_norm", "relu", "dense")
    }
    assert result.graph.parameters == sample.graph.parameters
    assert set(result.graph.updates) == set(sample.graph.updates)


@pytest.mark.parametrize("weights_in", [True, False], ids=["weights", "inputs"])
def test_every_op_comes_back(weights_in: bool) -> None:
    """In float64, but for attributes (alpha), which ONNX keeps in float32."""
    far = {}
    for name, sample in op_samples(weights_in):
        model = to_onnx(sample.graph, sample.weights, precision="float64")
        result = imported(model, name, free_batch=False)
        outputs, _ = run_numpy(result.graph, result.weights, sample.inputs)
        far |= {
            f"{name}/{k}": d for k, v in sample.expected.items() if not (d := distance(outputs[k], v)) < 1e-7
        }
    assert not far


# -- ONNX's own tests ---------------------------------------------------------------------------
def test_the_onnx_projects_node_tests() -> None:
    """None wrong. Those refused need dtypes, sequences, strings, loops or ops that the vocabulary lacks."""
    outcome = node_tests.run()
    print(f"{len(outcome.passed)} passed, {len(outcome.refused)} out of scope, {len(outcome.wrong)} wrong")
    assert not outcome.wrong
    assert len(outcome.passed) >= PASSED
    assert all(reason for reason in outcome.refused.values())


PASSED = 1209
"""Of onnx 1.23's 1858 cases of the default domain; another release has others."""


@pytest.mark.skipif(not CONVERTED.is_dir(), reason="this onnx does not ship PyTorch's converted models")
def test_what_pytorch_once_exported() -> None:
    """The models in onnx's own wheel that PyTorch 0.3 wrote in 2017."""
    passed, refused, wrong = [], {}, {}
    for folder in sorted(CONVERTED.iterdir()):
        try:
            result = imported(onnx.load(folder / "model.onnx"), folder.name, free_batch=False)
        except CrosstrainError as error:
            refused[folder.name] = str(error)
            continue
        read_in = lambda p: numpy_helper.to_array(TensorProto.FromString(p.read_bytes()))
        x, y = (read_in(folder / "test_data_set_0" / f"{k}_0.pb") for k in ("input", "output"))
        actual = run(result, x)
        if actual.shape != y.shape or not np.allclose(actual, y, rtol=1e-3, atol=1e-5):
            wrong[folder.name] = actual.shape
        else:
            passed.append(folder.name)
    print(f"{len(passed)} passed, {refused}")
    assert not wrong
    assert not refused
    assert len(passed) >= CONVERTED_PASSED


CONVERTED_PASSED = 82


# -- other exporters ----------------------------------------------------------------------------
@pytest.mark.parametrize("path", sorted(FILES.glob("*.onnx")), ids=lambda p: p.stem)
def test_files_of_other_exporters_give_their_frameworks_outputs(path: Path) -> None:
    stem = path.stem.removesuffix("_fixed").removesuffix("_new")
    with np.load(FILES / f"{stem}.npz") as stored:
        x, y = stored["x"], stored["y"]
    result = read(path)
    assert result.graph.trainable
    assert distance(run(result, x), y) < 1e-6
    assert distance(run(result, x[:1]), y[:1]) < 1e-6


def test_there_are_files_of_three_exporters() -> None:
    assert {p.stem.partition("_")[0] for p in FILES.glob("*.onnx")} >= {"torch", "mxnet", "keras"}


def test_batch_norm_and_dropout_train_again() -> None:
    result = read(FILES / "mxnet_residual.onnx")
    graph = result.graph
    statistics = [k for k, v in graph.weights.items() if not v.trainable]
    assert set(statistics) == set(graph.updates)
    assert len(statistics) == 4
    x = np.random.default_rng(0).standard_normal((3, 16, 16, 3))
    _, updates = run_numpy(graph, result.weights, {"data": x}, training=True)
    assert all(np.any(updates[k] != result.weights[k]) for k in statistics)
    assert not any(n.op == "transpose" for n in graph.nodes)
    assert result.notes == (
        "the input 'data' took batches of 1; now of any length",
        "the input 'data' is taken with its channels last",
    )


# -- as a definition ----------------------------------------------------------------------------
def test_a_model_becomes_a_definition(tmp_path: Path) -> None:
    path = FILES / "mxnet_lenet.onnx"
    definition = define(str(path), folder=tmp_path / "net", input_shapes={"": (18, 18, 1)})
    data = json.loads((tmp_path / "net" / "definition.json").read_text())
    assert data["file_hash"]
    assert data["opset"] == 19
    assert definition.graph.hash == data["graph_hash"] == from_onnx(path)[0].hash
    assert next(iter(data["losses"].values()))["settings"] == {"from_logits": True}
    assert data["weights"] == list(definition.graph.weights)
    probable = define(str(FILES / "keras_residual.onnx"), folder=tmp_path / "other")
    assert next(iter(probable.data["losses"].values()))["settings"] == {"from_logits": False}
    with pytest.raises(CrosstrainError, match="takes 18×18×1, the data is 20×20×1"):
        define(str(path), folder=tmp_path / "third", input_shapes={"": (20, 20, 1)})


# -- what is refused ----------------------------------------------------------------------------
def model(nodes: list[Any], x: tuple[Any, ...] = ("n", 4), **more: Any) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], more.pop("weights", []),
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, **more)


def sentence(error: pytest.ExceptionInfo[CrosstrainError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_an_op_out_of_scope_is_named_with_its_node_and_opset() -> None:
    nodes = [
        helper.make_node("NonZero", ["x"], ["i"], name="places"),
        helper.make_node("Cast", ["i"], ["y"], to=1),
    ]
    with pytest.raises(CrosstrainError) as error:
        imported(model(nodes), "m")
    assert sentence(error) == (
        "the ONNX op NonZero (node 'places', opset 17) cannot be read: it is not in crosstrain's vocabulary"
    )


def test_other_domains_are_refused() -> None:
    foreign = model([helper.make_node("FusedGelu", ["x"], ["y"], domain="com.microsoft")])
    foreign.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    with pytest.raises(CrosstrainError, match=r"domain 'com\.microsoft'"):
        imported(foreign, "m")


def test_a_constant_without_bounds_is_refused() -> None:
    huge = numpy_helper.from_array(np.array([2**40], "int64"), "shape")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["c"]),
        helper.make_node("Add", ["x", "c"], ["y"]),
    ]
    with pytest.raises(CrosstrainError, match="makes a constant of the shape"):
        imported(model(nodes, weights=[huge]), "m")


def test_mixing_the_batch_with_another_axis_is_refused() -> None:
    shape = numpy_helper.from_array(np.array([4, -1], "int64"), "shape")
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["y"])]
    with pytest.raises(CrosstrainError, match="mixes the batch with another axis"):
        imported(model(nodes, weights=[shape]), "m")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x08", bytes(range(256)) * 8])
def test_what_is_no_model_is_reported_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(CrosstrainError, match="is not an ONNX model") as error:
        read(tmp_path / "m.onnx")
    sentence(error)


def test_a_cut_file_is_reported_in_a_sentence(tmp_path: Path) -> None:
    whole = (FILES / "mxnet_lenet.onnx").read_bytes()
    for length in (10, 1000, len(whole) - 7):
        (tmp_path / "m.onnx").write_bytes(whole[:length])
        with pytest.raises(CrosstrainError) as error:
            read(tmp_path / "m.onnx")
        sentence(error)


@pytest.mark.parametrize("place", ["../secret.bin", "/etc/hostname", "link.bin"])
def test_data_outside_of_the_models_folder_is_not_read(tmp_path: Path, place: str) -> None:
    (tmp_path / "secret.bin").write_bytes(b"\0" * 16)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    weight = numpy_helper.from_array(np.zeros(4, "float32"), "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", place), ("length", "16")):
        entry = weight.external_data.add()
        entry.key, entry.value = key, value
    proto = model([helper.make_node("Add", ["x", "w"], ["y"])], weights=[weight])
    (folder / "m.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(CrosstrainError, match="only the model's own folder is read"):
        read(folder / "m.onnx")
