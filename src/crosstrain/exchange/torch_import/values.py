"""What stands between an exported program and a graph: its nodes, its parameters, and the reader of both."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from crosstrain.exchange.reading.values import BATCH, Reader, Value
from crosstrain.exchange.tables import adds_to
from crosstrain.exchange.torch_import.layouts import AS_IT_IS, Layout, laid

NEVER = -1e30
"""Stands for minus infinity: a score that no softmax sees, and that no gradient makes a NaN of."""
LINE = re.compile(r'File "([^"]+)", line (\d+)')


class Parameter(Value):
    """A parameter or a buffer of the module: a weight of the graph as soon as something reads it."""

    def __init__(self, reader: TorchReader, name: str, content: np.ndarray, trainable: bool) -> None:
        super().__init__(reader, content.shape, reader.dtype(content.dtype.name))
        self.name, self.content, self.trainable = name, content, trainable

    @property
    def last_only(self) -> bool:
        return False

    @property
    def first(self) -> str:
        assert isinstance(self.reader, TorchReader)
        return self.reader.laid(self, AS_IT_IS)


@dataclass
class AtenNode:
    """A node of the exported program: the op's name without its overload, and its arguments by name.

    ``dtype`` and ``lengths`` are those of its (first) result, with ``BATCH`` for the batch.
    """

    op: str
    name: str
    arguments: Mapping[str, Any]
    dtype: str
    lengths: tuple[int, ...]
    module: str
    line: str

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def get(self, name: str, default: Any = None) -> Any:
        value = self.arguments.get(name)
        return default if value is None else value

    @property
    def where(self) -> str:
        return ", ".join(filter(None, (f"module {self.module}" if self.module else "", self.line)))


Handler = Callable[["TorchReader", AtenNode], Any]
HANDLERS: dict[str, Handler] = {}
"""How each op of ATen is read: ``handler(reader, node)`` gives a value, or a tuple of them."""

reads = adds_to(HANDLERS)
"""Adds a handler under the names of its ops."""


class TorchReader(Reader):
    """Makes the vocabulary's nodes for those of an exported program."""

    precision = "float64"

    def __init__(self, name: str) -> None:
        super().__init__(name, "PyTorch")
        self.layouts: dict[str, tuple[Layout, tuple[int, ...]]] = {}
        self.stacks: dict[str, tuple[tuple[str, ...], int]] = {}
        """References made by ``stack``: of what, and along which axis."""
        self.places: dict[str, tuple[str, str]] = {}
        self._laid: dict[tuple[str, Layout], str] = {}
        self._zeros: dict[int, str] = {}
        self._examples = ""

    # -- values ---------------------------------------------------------------------------------------
    def dtype(self, name: str) -> str:
        """Whole numbers have 32 bits in graphs: some frameworks have no more."""
        return super().dtype("int32" if name == "int64" else name)

    def constant(self, value: Value, array: np.ndarray) -> str:
        self._check_lengths(array)
        if array.dtype.kind == "f":
            array = np.where(np.isneginf(array), NEVER, array.astype("float64"))
        return self.builder.constant(array, self.dtype(array.dtype.name))

    def sizes(self, value: Value) -> list[int]:
        return [BATCH if n is None else n for n in value.shape]

    def as_parameter(self, name: str, tensor: torch.Tensor, trainable: bool) -> Value:
        """A parameter of the module; a buffer of whole numbers is a constant."""
        array = tensor.detach().cpu().numpy()
        if array.dtype.kind != "f":
            return self.as_constant(array)
        return Parameter(self, name, array, trainable)

    # -- weights --------------------------------------------------------------------------------------
    def laid(self, value: Parameter, layout: Layout) -> str:
        """The weight in a layout. The first use of a weight decides how it is kept; another use that wants
        another layout rearranges it, so that tied weights stay one."""
        key = (value.name, layout)
        if key in self._laid:
            return self._laid[key]
        if value.name not in self.layouts:
            self.layouts[value.name] = (layout, tuple(value.content.shape))
            self._laid[key] = self.builder.add_weight(
                value.name, laid(value.content, layout), value.trainable
            )
        else:
            kept, shape = self.layouts[value.name]
            plain = self._undone(self._laid[value.name, kept], kept, shape)
            self._laid[key] = self.rearranged(plain, layout)
        return self._laid[key]

    def rearranged(self, ref: str, layout: Layout) -> str:
        """The steps of a layout, as nodes."""
        for name, numbers in layout:
            if name == "transpose":
                ref = self.transposed(ref, numbers)
            elif name == "reshape":
                ref = self.emit("reshape", ref, shape=numbers)
            else:
                ref = self.emit("take", ref, self.builder.constant(np.asarray(numbers), "int32"), axis=0)
        return ref

    def _undone(self, ref: str, layout: Layout, shape: Sequence[int]) -> str:
        shapes = [laid(np.empty(shape, "int8"), layout[:index]).shape for index in range(len(layout))]
        for (name, numbers), before in zip(reversed(layout), reversed(shapes), strict=True):
            back = tuple(int(i) for i in np.argsort(numbers)) if name != "reshape" else before
            ref = self.rearranged(ref, ((name, back),))
        return ref

    def placed(self, value: Value | None, layout: Layout = AS_IT_IS) -> str | None:
        """What a layer reads as its own numbers: a weight in the layout, or a computed value rearranged."""
        if value is None:
            return None
        if isinstance(value, Parameter):
            return self.laid(value, layout)
        return self.rearranged(value.first, layout)

    # -- the batch ------------------------------------------------------------------------------------
    def zeros_along_the_batch(self, rank: int) -> str:
        """Zeros of the shape (N, 1, …, 1), made of the first input."""
        if rank not in self._zeros:
            name, spec = next(iter(self.builder.inputs.items()))
            ref, own = f"%{name}", len(spec.shape)
            if own > 1:
                cut: list[int | None] = [None, *[1] * (own - 1)]
                ref = self.emit("slice", ref, starts=[None] * own, stops=cut, strides=[1] * own)
            if own != rank:
                ref = self.emit("reshape", ref, shape=(-1, *[1] * (rank - 1)))
            if spec.dtype != "float32":
                ref = self.emit("cast", ref, dtype="float32")
            self._zeros[rank] = self.emit("full_like", ref, value=0.0)
        return self._zeros[rank]

    def examples(self) -> str:
        """How many examples the batch has."""
        if not self._examples:
            ones = self.emit("full_like", self.zeros_along_the_batch(1), value=1.0)
            self._examples = self.emit("sum", ones)
        return self._examples

    def as_long_as_the_batch(self, value: Value) -> str:
        if value.shape[:1] != (None,) or value.filled is None:
            raise self.refusal("makes a constant in which the batch is not the first axis")
        ref = self.emit("full_like", self.zeros_along_the_batch(value.rank), value=float(value.filled))
        if value.dtype != "float32":
            ref = self.emit("cast", ref, dtype=value.dtype)
        if any(n != 1 for n in value.shape[1:]):
            ref = self.emit("broadcast_to", ref, shape=tuple(-1 if n is None else n for n in value.shape))
        return ref

    # -- arithmetic -----------------------------------------------------------------------------------
    def number_or_value(self, operand: Any, dtype: str) -> Value:
        """An argument that may be a number, in a dtype."""
        if isinstance(operand, Value):
            return operand if operand.dtype == dtype else self.elementwise("cast", operand, dtype=dtype)
        kinds = {"float32": "float64", "bool": "bool"}
        return self.as_constant(np.asarray(operand, kinds.get(dtype, dtype)))

    def elementwise(self, op: str, *values: Value, **attributes: Any) -> Value:
        """As of the reader; weights of fewer axes are turned, so that pictures need not be, and a constant as
        long as the batch is made where it alone gives the result its shape."""
        computed = [v for v in values if v.filled is None]
        if computed and self.shape_of(values) != self.shape_of(computed):
            values = tuple(
                self.as_value(self.as_long_as_the_batch(v)) if v.filled is not None else v for v in values
            )
        rank = max(v.rank for v in values)
        if rank >= 3 and any(v.last_only and v.filled is None for v in values):
            values = tuple(self._raised(v, rank) for v in values)
        return super().elementwise(op, *values, **attributes)

    def _raised(self, value: Value, rank: int) -> Value:
        if value.array is not None or value.filled is not None or value.rank in (0, rank):
            return value
        if None in value.shape:
            return value
        shape = (*[1] * (rank - value.rank), *value.shape)
        return self.as_value(self.emit("reshape", value.first, shape=shape))

    def wholes(self, value: Value) -> int:
        """How many numbers an example of a value has."""
        return math.prod(n for n in value.shape if n is not None)


def operand(n: AtenNode, name: str = "self") -> Value:
    """An argument that has to be a tensor."""
    value = n[name] if name in n.arguments else n["input"]
    assert isinstance(value, Value)
    return value


def spread(value: Any, count: int) -> list[int]:
    """A number for each spatial axis, from one for all or a list."""
    numbers = [value] if isinstance(value, int) else list(value)
    return [int(n) for n in (numbers * count if len(numbers) == 1 else numbers)]
