"""Graphs written as ONNX: valid, without needless transposes, and ONNX Runtime agrees with NumPy."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from crosstrain.conformance.cases import NOISE, NOT_IN_GRAPHS, OP_CASES
from crosstrain.exchange.onnx.writing import export as onnx_export
from crosstrain.exchange.onnx.writing.export import save, to_onnx
from crosstrain.graph.evaluate import UnsupportedOp
from crosstrain.graph.graph import Graph, GraphError, Node, TensorSpec
from crosstrain.graph.ops import VOCABULARY
from tests.exchange.conftest import Foreign
from tests.exchange.networks import NETWORKS, Sample, distance, network, op_samples

BOUND = 2e-6


def model_of(sample: Sample) -> onnx.ModelProto:
    return to_onnx(sample.graph, sample.weights)


def ops_of(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def agree(outputs: Any, sample: Sample) -> None:
    assert not isinstance(outputs, str), outputs
    for name, expected in sample.expected.items():
        assert outputs[name].dtype.kind == expected.dtype.kind
        assert distance(outputs[name], expected) < BOUND


# -- every op -----------------------------------------------------------------------------------
@pytest.fixture(scope="module", params=["weights", "inputs"])
def ran(request: pytest.FixtureRequest, foreign: Foreign) -> dict[str, Any]:
    """All op cases in ONNX Runtime, their further inputs as weights or as inputs."""
    samples = dict(op_samples(request.param == "weights"))
    outputs = foreign({name: (model_of(s), s.single()) for name, s in samples.items()})
    return {name: (outputs[name], samples[name]) for name in samples}


@pytest.mark.parametrize("name", [n for n, case in OP_CASES.items() if case.op not in NOISE])
def test_onnx_runtime_agrees_on_every_op(name: str, ran: dict[str, Any]) -> None:
    if name not in ran:
        pytest.skip("has no inputs, so all of it is computed when it is written")
    agree(*ran[name])


def test_every_op_of_the_vocabulary_can_be_written() -> None:
    covered = {case.op for case in OP_CASES.values()}
    assert set(VOCABULARY) - NOISE - NOT_IN_GRAPHS <= covered
    for _, sample in op_samples(False):
        model_of(sample)


# -- networks -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", NETWORKS)
def test_onnx_runtime_agrees_on_networks_for_batches_of_any_length(name: str, foreign: Foreign) -> None:
    sample = network(name)
    model, inputs = model_of(sample), sample.single()
    alone = {k: v[:1] for k, v in inputs.items()}
    outputs = foreign({"all": (model, inputs), "one": (model, alone)})
    agree(outputs["all"], sample)
    one = outputs["one"]
    assert not isinstance(one, str), one
    for key, expected in sample.expected.items():
        assert distance(one[key], expected[:1]) < BOUND


def test_a_residual_network_has_one_transpose_and_native_nodes() -> None:
    model = model_of(network("resnet20"))
    counts = ops_of(model)
    assert counts["Transpose"] == 1
    assert counts["Conv"] == counts["BatchNormalization"] == 19
    assert set(counts) == {
        "Transpose", "Conv", "BatchNormalization", "Relu", "Add", "Slice", "Pad", "GlobalAveragePool",
        "Flatten", "Gemm",
    }  # fmt: skip
    assert not any(a.name == "auto_pad" for n in model.graph.node for a in n.attribute)


def test_weights_keep_their_names_and_inputs_keras_shapes() -> None:
    sample = network("lenet5")
    model = model_of(sample)
    named = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    assert set(sample.weights) <= set(named)
    kernel = sample.weights["lenet5/c1/kernel"]
    assert np.array_equal(named["lenet5/c1/kernel"], kernel.transpose(3, 2, 0, 1).astype("float32"))
    (graph_input,) = model.graph.input
    lengths = graph_input.type.tensor_type.shape.dim
    assert lengths[0].dim_param == "batch"
    assert [d.dim_value for d in lengths[1:]] == [32, 32, 1]
    assert [o.version for o in model.opset_import] == [onnx_export.OPSET]


def test_recurrent_layers_are_native() -> None:
    counts = ops_of(model_of(network("recurrent")))
    assert counts["LSTM"] == counts["GRU"] == counts["RNN"] == 1


def test_noise_outside_of_training_is_refused() -> None:
    node = Node("noise", "random_uniform", ("%x", "%seed"), {"salt": 1}, (TensorSpec((None, 2)),))
    inputs = {"x": TensorSpec((None, 2)), "seed": TensorSpec((), "int32")}
    graph = Graph("noisy", inputs, {"y": "%noise"}, (node,)).check()
    with pytest.raises(UnsupportedOp, match=r"ONNX cannot run the op 'random_uniform': .*seed"):
        to_onnx(graph, {})


def test_a_missing_weight_is_named() -> None:
    sample = network("perceptron")
    weights = {k: v for k, v in sample.weights.items() if k != "hidden/bias"}
    with pytest.raises(GraphError, match="needs the weight 'hidden/bias'"):
        to_onnx(sample.graph, weights)


def test_weights_too_large_for_one_file_lie_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = network("mlp")
    model = model_of(sample)
    whole = save(model, tmp_path / "one.onnx")
    monkeypatch.setattr(onnx_export, "LARGEST_MESSAGE", 1000)
    both = save(model_of(sample), tmp_path / "two.onnx")
    assert abs(both - whole) < 10_000
    assert (tmp_path / "two.onnx").stat().st_size < 20_000
    again = onnx.load(tmp_path / "two.onnx")
    first = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    assert all(np.array_equal(first[i.name], numpy_helper.to_array(i)) for i in again.graph.initializer)
