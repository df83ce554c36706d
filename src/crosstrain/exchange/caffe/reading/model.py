"""An ONNX model under construction, for readers of formats whose layers ONNX has too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17


class Model:
    """Collects nodes, weights, inputs and outputs. ``scope`` is the layer at work, which names its nodes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.shapes: dict[str, int] = {}
        self.scope = ""
        self._names: set[str] = set()

    def unique(self, name: str) -> str:
        count, free = 1, name
        while free in self._names:
            count += 1
            free = f"{name}#{count}"
        self._names.add(free)
        return free

    def input(self, name: str, shape: Sequence[int]) -> None:
        self._names.add(name)
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))

    def weight(self, role: str, array: Any) -> str:
        """A weight of the layer at work."""
        name = self.unique(f"{self.scope}/{role}")
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def number(self, value: float) -> str:
        """A constant that is no weight."""
        return self.node("Constant", [], value=numpy_helper.from_array(np.asarray(value, "float32")))

    def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        """A node with one output; gives the output's name."""
        return self.several(op, inputs, 1, **attributes)[0]

    def several(self, op: str, inputs: Sequence[str], count: int, **attributes: Any) -> list[str]:
        outputs = [self.unique(f"{self.scope}:{op}") for _ in range(count)]
        name = self.scope if not any(n.name == self.scope for n in self.nodes) else outputs[0]
        self.nodes.append(helper.make_node(op, list(inputs), outputs, name=name, **attributes))
        return outputs

    def finished(self, outputs: dict[str, str], producer: str) -> onnx.ModelProto:
        """The model, whose ``outputs`` are called by their keys."""
        for name, value in outputs.items():
            self.nodes.append(helper.make_node("Identity", [value], [name], name=f"output {name}"))
        made = [onnx.ValueInfoProto(name=name) for name in outputs]
        for info in made:
            info.type.tensor_type.elem_type = TensorProto.FLOAT
        graph = helper.make_graph(self.nodes, self.name or "network", self.inputs, made, self.weights)
        opset = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, producer_name=producer, opset_imports=opset)
