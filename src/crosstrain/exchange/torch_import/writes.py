"""Tensors that ops write into: what a module does in place, as values that take each other's place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from crosstrain.exchange.reading.values import Value
from crosstrain.exchange.torch_import.values import TorchReader

Handled = Callable[[torch.fx.Node, Mapping[str, Any]], Any]
SAME = ("contiguous", "detach", "alias", "lift_fresh", "to")
"""Ops that may give the very tensor that they take."""
VIEWS = ("select", "slice", "view", "reshape", "permute", "transpose", "t", "expand", "squeeze", "unsqueeze",
         "flatten", "split", "chunk", "unbind", "narrow", "unflatten", "movedim", "swapaxes")  # fmt: skip


class Tensors:
    """The values of a program's nodes. An op that writes into its first argument gives that node, and all
    that stand for the same tensor, its result; a part of a tensor that is written into puts the tensor
    together anew."""

    def __init__(self, reader: TorchReader, handled: Handled) -> None:
        self._reader, self._handled = reader, handled
        self._values: dict[torch.fx.Node, Any] = {}
        self._owner: dict[torch.fx.Node, torch.fx.Node] = {}
        self._part_of: dict[torch.fx.Node, tuple[torch.fx.Node, str, Mapping[str, Any]]] = {}

    def set(self, node: torch.fx.Node, value: Any) -> None:
        self._values[node] = value

    def get(self, node: torch.fx.Node) -> Any:
        return self._values[self._owner.get(node, node)]

    def same(self, node: torch.fx.Node, other: torch.fx.Node) -> None:
        """Let a node stand for the tensor of another one."""
        self._owner[node] = self._owner.get(other, other)

    def run(self, node: torch.fx.Node, arguments: Mapping[str, Any], op: str) -> None:
        """Compute a node from its arguments, which may name other nodes."""
        values = {name: self._resolved(value) for name, value in arguments.items()}
        written = self._written(node)
        first = next(iter(arguments.values()), None)
        if written is None:
            self.set(node, self._handled(node, values))
            if isinstance(first, torch.fx.Node):
                if op in SAME and self.get(node) is self.get(first):
                    self._owner[node] = self._owner.get(first, first)
                elif op in VIEWS:
                    self._part_of[node] = (first, op, values)
            return
        value = values["src"] if op == "copy" else self._handled(node, values)
        target = values[next(iter(arguments))]
        if isinstance(value, Value) and isinstance(target, Value) and op == "copy":
            value = self._reader.number_or_value(value, target.dtype)
            value = self._as_long_as(value, target)
        owner = self._owner.get(written, written)
        self._write(owner, value)
        self._owner[node] = owner

    def _as_long_as(self, value: Value, target: Value) -> Value:
        if value.shape == target.shape:
            return value
        zero = self._reader.elementwise("multiply", target, self._reader.numbers(0, target))
        return self._reader.elementwise("add", zero, value)

    def _written(self, node: torch.fx.Node) -> torch.fx.Node | None:
        """The node that this one writes into."""
        schema: Any = getattr(node.target, "_schema", None)
        if schema is None or not schema.arguments or not node.args:
            return None
        info = schema.arguments[0].alias_info
        first = node.args[0]
        return first if info is not None and info.is_write and isinstance(first, torch.fx.Node) else None

    def _write(self, node: torch.fx.Node, value: Any) -> None:
        self._values[node] = value
        base = self._part_of.get(node)
        if base is not None:
            parent, op, arguments = base
            owner = self._owner.get(parent, parent)
            self._write(owner, self._put_back(owner, op, arguments, value))
        else:
            self._forget_parts(node)

    def _forget_parts(self, node: torch.fx.Node) -> None:
        """Parts of a tensor that was written into are read anew."""
        for part, (parent, _, arguments) in list(self._part_of.items()):
            owner = self._owner.get(parent, parent)
            if owner is node and part in self._values:
                first = next(iter(arguments))
                self._values[part] = self._handled(part, {**arguments, first: self._values[node]})
                self._forget_parts(part)

    def _put_back(self, parent: torch.fx.Node, op: str, arguments: Mapping[str, Any], value: Value) -> Value:
        """The whole tensor with one of its parts replaced."""
        r, whole = self._reader, self._values[parent]
        if op not in ("select", "slice"):
            if op in ("view", "reshape", "unsqueeze", "squeeze", "flatten", "unflatten"):
                from crosstrain.exchange.torch_import.ops.shaping import reshaped

                return reshaped(r, value, r.sizes(whole))
            raise r.refusal(f"writes into a part of a tensor that {op} made")
        axis = arguments["dim"] % whole.rank
        length = whole.shape[axis]
        if length is None:
            if op == "slice" and value.shape == whole.shape:
                return value
            raise r.refusal("writes into a part of the batch")
        if op == "select":
            start = int(arguments["index"]) % length
            stop, step = start + 1, 1
            value = r.as_value(r.emit("expand_dims", value.first, axis=axis))
        else:
            start, stop, step = slice(arguments["start"], arguments["end"], arguments["step"]).indices(length)
        if step != 1:
            raise r.refusal("writes into every other part of a tensor")
        ref = whole.first
        pieces = []
        for begin, end in ((0, start), (stop, length)):
            starts, stops = ([None if a != axis else p for a in range(whole.rank)] for p in (begin, end))
            cut = r.emit("slice", ref, starts=starts, stops=stops, strides=[1] * whole.rank)
            pieces.append(cut if end > begin else None)
        parts = [p for p in (pieces[0], value.first, pieces[1]) if p is not None]
        return r.as_value(parts[0] if len(parts) == 1 else r.emit("concatenate", *parts, axis=axis))

    def _resolved(self, value: Any) -> Any:
        if isinstance(value, torch.fx.Node):
            return self.get(value)
        if isinstance(value, list | tuple):
            return type(value)(self._resolved(v) for v in value)
        return value
