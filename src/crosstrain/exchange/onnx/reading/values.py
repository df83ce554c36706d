"""The nodes of an ONNX graph that is being read, and the table of how each op is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from crosstrain.exchange.reading.values import Reader, Value
from crosstrain.exchange.tables import adds_to


class NodeView:
    """One node: its attributes as Python values, its inputs as ``Value`` (None: absent)."""

    def __init__(self, proto: onnx.NodeProto, inputs: Sequence[Value | None], opset: int) -> None:
        self.op, self.inputs, self.opset = proto.op_type, list(inputs), opset
        self.name = proto.name or (proto.output[0] if proto.output else "")
        self.outputs = tuple(proto.output)
        self.proto = proto
        self.attributes = {a.name: _plain(onnx.helper.get_attribute_value(a)) for a in proto.attribute}

    @property
    def where(self) -> str:
        return f"node {self.name!r}, opset {self.opset}"

    def get(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)

    def input(self, index: int) -> Value | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def constant(self, index: int, attribute: str = "") -> Any:
        """An input that has to be constant, or the attribute that it was in older opsets; None if absent."""
        value = self.input(index)
        if value is None:
            return self.get(attribute) if attribute else None
        if value.array is None:
            raise value.reader.refusal(
                f"computes its input {self.proto.input[index]!r} from data; it has to be constant"
            )
        return value.array

    def integers(self, index: int, attribute: str = "") -> list[int] | None:
        constant = self.constant(index, attribute)
        return None if constant is None else [int(n) for n in np.asarray(constant).reshape(-1)]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return [_plain(v) for v in value] if isinstance(value, list) else value


Handler = Callable[["Reader", NodeView], Any]
HANDLERS: dict[str, Handler] = {}
"""How each ONNX op is read: ``handler(reader, node)`` gives a value, or a tuple of them."""

reads = adds_to(HANDLERS)
"""Adds a handler under the names of its ops."""


def settings(node: NodeView, **defaults: Any) -> Mapping[str, Any]:
    """Attributes with their defaults."""
    return {name: node.get(name, default) for name, default in defaults.items()}
