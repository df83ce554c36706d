"""Writes a graph as an ONNX model: inference, dynamic batch, explicit pads, weights as initialisers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.onnx.writing import layers, ops, shaping  # noqa: F401  (importing adds the forms)
from crosstrain.exchange.onnx.writing.emit import ELEMENTS, Emitter, Tensor
from crosstrain.graph.graph import Graph, GraphError, TensorSpec, Weights, reference
from crosstrain.system.machine import own_version

OPSET = 17
"""The newest that ONNX Runtime, OpenVINO and OpenCV's DNN module all read in full."""
IR_VERSION = 8
"""The file format that came with it."""
LARGEST_MESSAGE = 2**31 - 2**20
"""Protocol buffers hold less than 2 GiB: weights of larger models go to a file of their own."""

RECURRENT = ("RNN", "LSTM", "GRU")

UNSUPPORTED = {
    "random_uniform": "ONNX's random ops have no seed that is an input; noise belongs to training",
    "random_normal": "ONNX's random ops have no seed that is an input; noise belongs to training",
}


def to_onnx(
    graph: Graph, weights: Weights, *, name: str | None = None, precision: str = "float32"
) -> onnx.ModelProto:
    """The inference phase of ``graph`` with ``weights`` as an ONNX model (opset 17), checked in full.

    Inputs and outputs keep their names and Keras's order of axes; the first axis, where it is the batch, is
    the symbol ``batch``. Initialisers are called after the weights that they hold. Raises ``GraphError``
    where the graph has an op that only training has, ``UnsupportedOp`` where ONNX has no form of one.
    """
    phase = graph.phase(training=False)
    missing = [key for key in phase.weights if key not in weights and _read(phase, key)]
    if missing:
        raise GraphError(f"{graph.name} needs the weight {missing[0]!r}, which is not among those given")
    emitter = Emitter(precision, UNSUPPORTED)
    values: dict[str | None, Tensor | None] = {None: None}
    for key, spec in phase.inputs.items():
        values[reference(key)] = emitter.as_tensor(emitter.unique(key), spec)
    for key, kind in phase.weights.items():
        if key in weights:
            dtype = precision if kind.dtype == "float32" else kind.dtype
            values[f"@{key}"] = emitter.constant(np.asarray(weights[key]).astype(dtype), label=key)
    for key in phase.outputs:
        emitter.unique(key)
    for node in phase.nodes:
        emitter.scope = node.name
        attributes = {
            k: precision if k == "dtype" and v == "float32" else v for k, v in node.attributes.items()
        }
        result = getattr(emitter.ops, node.op)(*[values[i] for i in node.inputs], **attributes)
        several = result if isinstance(result, tuple | list) else (result,)
        values.update(zip(node.references, several, strict=False))
    emitter.scope = ""
    for key, ref in phase.outputs.items():
        value = values[ref]
        assert value is not None
        emitter.nodes.append(helper.make_node("Identity", [value.last], [key], name=f"{key}/output"))
    model = _model(phase, emitter, name or graph.name)
    size = sum(len(i.raw_data) for i in model.graph.initializer)
    if size < LARGEST_MESSAGE:
        onnx.checker.check_model(model, full_check=True)
    return model


def save(model: onnx.ModelProto, path: Path) -> int:
    """Write a model; gives its bytes on disk. From 2 GiB on, weights go to ``NAME.onnx.data`` beside it."""
    size = sum(len(i.raw_data) for i in model.graph.initializer)
    if size < LARGEST_MESSAGE:
        onnx.save_model(model, str(path))
        return path.stat().st_size
    beside = path.with_name(path.name + ".data")
    if beside.exists():
        raise CrosstrainError(f"{beside} is in the way: the weights (over 2 GiB) need a file of their own")
    onnx.save_model(model, str(path), save_as_external_data=True, location=beside.name)
    onnx.checker.check_model(str(path), full_check=True)
    return path.stat().st_size + beside.stat().st_size


def _read(graph: Graph, weight: str) -> bool:
    ref = f"@{weight}"
    return ref in graph.outputs.values() or any(ref in node.inputs for node in graph.nodes)


def _model(graph: Graph, emitter: Emitter, name: str) -> onnx.ModelProto:
    nodes = _needed(
        _without_identities(emitter.nodes, set(graph.inputs), set(emitter.initialisers)), set(graph.outputs)
    )
    read = {i for node in nodes for i in node.input}
    whole = helper.make_graph(
        nodes,
        name,
        [_info(key, spec, emitter.precision) for key, spec in graph.inputs.items()],
        [_info(key, graph.spec(ref), emitter.precision) for key, ref in graph.outputs.items()],
        [tensor for key, tensor in emitter.initialisers.items() if key in read],
    )
    model = helper.make_model(
        whole,
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="crosstrain",
        producer_version=own_version(),
        ir_version=IR_VERSION,
    )
    helper.set_model_props(model, {"crosstrain.graph_hash": graph.hash})
    return model


def _without_identities(
    nodes: list[onnx.NodeProto], inputs: set[str], initialisers: set[str]
) -> list[onnx.NodeProto]:
    """Outputs named where they are made, instead of by an Identity behind."""
    makers = {name: node for node in nodes for name in node.output}
    remaining, renamed = [], {}
    for node in nodes:
        (source, target) = (node.input[0], node.output[0]) if node.op_type == "Identity" else ("", "")
        if source in makers and source not in renamed and makers[source].op_type != "Identity":
            renamed[source] = target
        else:
            remaining.append(node)
    for node in remaining:
        for names in (node.input, node.output):
            for i, each in enumerate(names):
                names[i] = renamed.get(each, each)
    return remaining


def _needed(nodes: list[onnx.NodeProto], needed: set[str]) -> list[onnx.NodeProto]:
    """Those that lead to an output; recurrent layers without the states that nothing reads."""
    needed, remaining = set(needed), []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            while node.op_type in RECURRENT and node.output[-1] not in needed:
                del node.output[-1]
            needed.update(node.input)
            remaining.append(node)
    return remaining[::-1]


def _info(name: str, spec: TensorSpec, precision: str) -> onnx.ValueInfoProto:
    shape = [
        size if size is not None else "batch" if axis == 0 else f"{name}_{axis}"
        for axis, size in enumerate(spec.shape)
    ]
    return helper.make_tensor_value_info(
        name, ELEMENTS[precision if spec.dtype == "float32" else spec.dtype], shape
    )
