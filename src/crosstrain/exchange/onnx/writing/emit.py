"""Values of an ONNX graph that is being written, and the writer that collects its nodes.

A value may stand in two orders of axes: ``last`` as the vocabulary has it (N, spatial…, C), ``first`` as
ONNX's convolutions want it (N, C, spatial…). Each is made from the other when something first asks for it, so
that a chain of convolutions, poolings and activations holds no transposes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from crosstrain.exchange.reading.axes import first_axes, last_axes
from crosstrain.exchange.tables import adds_to
from crosstrain.graph.evaluate import Ops
from crosstrain.graph.graph import TensorSpec
from crosstrain.graph.ops import NUMPY, VOCABULARY
from crosstrain.graph.ops.shapes import broadcast

Shape = tuple[int | None, ...]

ELEMENTS = {
    "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "bool": TensorProto.BOOL,
    "uint8": TensorProto.UINT8, "int8": TensorProto.INT8, "int16": TensorProto.INT16,
    "int32": TensorProto.INT32, "int64": TensorProto.INT64,
}  # fmt: skip
"""ONNX's number of each dtype that a graph may have."""

_REFERENCE = Ops(NUMPY, "NumPy")


def moved(axis: int, rank: int) -> int:
    """Where an axis of (N, spatial…, C) lies in (N, C, spatial…)."""
    axis %= rank
    return axis if axis == 0 else 1 if axis == rank - 1 else axis + 1


class Tensor:
    """A value: ``shape`` (in the vocabulary's order) and ``dtype``; ``value`` where it is constant.

    A constant becomes an initialiser, called ``label`` (the weight that it was made of), when it is used.
    """

    def __init__(
        self,
        emitter: Emitter,
        shape: Sequence[int | None],
        dtype: str,
        *,
        last: str | None = None,
        first: str | None = None,
        value: np.ndarray | None = None,
        label: str = "",
    ) -> None:
        self.emitter, self.shape, self.dtype = emitter, tuple(shape), dtype
        self.value, self.label = value, label
        self._last, self._first = last, first

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def first_only(self) -> bool:
        """Whether asking for ``last`` would cost a transpose."""
        return self.value is None and self._last is None

    @property
    def has_first(self) -> bool:
        """Whether ``first`` costs nothing."""
        return self.value is not None or self._first is not None

    @property
    def last(self) -> str:
        """Its name in the vocabulary's order."""
        if self._last is None:
            if self.value is not None:
                self._last = self.emitter.initialiser(self.value, self.label)
            else:
                assert self._first
                self._last = self.emitter.transposed(self._first, last_axes(self.rank))
        return self._last

    @property
    def first(self) -> str:
        """Its name with the channels first."""
        if self._first is None:
            axes = first_axes(self.rank)
            if self.value is not None:
                self._first = self.emitter.initialiser(np.transpose(self.value, axes), self.label)
            else:
                self._first = self.emitter.transposed(self.last, axes)
        return self._first

    def spec(self) -> TensorSpec:
        return TensorSpec(self.shape, self.dtype)

    # -- what the vocabulary's composites write with operators --------------------------------------
    if TYPE_CHECKING:  # bound below, all alike

        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...

    def __getitem__(self, key: Any) -> Tensor:
        keys = key if isinstance(key, tuple) else (key,)
        if Ellipsis in keys:
            at = keys.index(Ellipsis)
            fill = self.rank - len(keys) + 1
            keys = (*keys[:at], *[slice(None)] * fill, *keys[at + 1 :])
        keys = (*keys, *[slice(None)] * (self.rank - len(keys)))
        cuts = [k if isinstance(k, slice) else slice(k, k + 1 if k != -1 else None) for k in keys]
        cut: Tensor = self.emitter.ops.slice(
            self,
            starts=tuple(c.start for c in cuts),
            stops=tuple(c.stop for c in cuts),
            strides=tuple(c.step or 1 for c in cuts),
        )
        dropped = tuple(i for i, k in enumerate(keys) if not isinstance(k, slice))
        if not dropped:
            return cut
        squeezed: Tensor = self.emitter.ops.squeeze(cut, axis=dropped)
        return squeezed

    def __len__(self) -> int:
        if self.shape[0] is None:
            raise TypeError("a value whose first axis is the batch has no length")
        return self.shape[0]

    def __neg__(self) -> Tensor:
        result: Tensor = self.emitter.ops.negative(self)
        return result


def _operators() -> None:
    """Tensor's arithmetic: each operator is the op of the vocabulary."""
    forward = {
        "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide", "pow": "power", "mod": "mod",
        "gt": "greater", "ge": "greater_equal", "lt": "less", "le": "less_equal",
    }  # fmt: skip

    def bind(op: str, swapped: bool) -> Callable[[Tensor, Any], Tensor]:
        def operator(self: Tensor, other: Any) -> Tensor:
            function = getattr(self.emitter.ops, op)
            result: Tensor = function(other, self) if swapped else function(self, other)
            return result

        return operator

    for name, op in forward.items():
        setattr(Tensor, f"__{name}__", bind(op, False))
        if op not in ("greater", "greater_equal", "less", "less_equal"):
            setattr(Tensor, f"__r{name}__", bind(op, True))


_operators()

Form = Callable[..., Any]
FORMS: dict[str, Form] = {}
"""How each op is written: ``form(emitter, specs, *inputs, **attributes)``, ``specs`` those of its outputs."""

form = adds_to(FORMS)
"""Adds a form under the names of its ops."""


class Emitter:
    """Collects nodes and initialisers. ``scope`` (the graph's node at work) begins the names of new values.

    ``precision`` is the dtype that ``float32`` of a graph stands for.
    """

    def __init__(self, precision: str, unsupported: Mapping[str, str]) -> None:
        self.precision = precision
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: dict[str, onnx.TensorProto] = {}
        self.scope = ""
        self._initialiser_names: dict[tuple[bytes, str, tuple[int, ...]], str] = {}
        self._name_counts: dict[str, int] = {}
        self._transposes: dict[str, tuple[str, tuple[int, ...]]] = {}
        table = {name: self._bound(name, function) for name, function in FORMS.items()}
        self.ops = Ops(table, "ONNX", unsupported)

    # -- values -------------------------------------------------------------------------------------
    def constant(self, value: Any, dtype: str | None = None, label: str = "") -> Tensor:
        array = np.asarray(value, dtype)
        return Tensor(self, array.shape, array.dtype.name, value=array, label=label)

    def tensor(self, operand: Any, beside: Sequence[str]) -> Tensor:
        """Numbers that stand in formulas, in the dtype that suits those ``beside`` them."""
        if isinstance(operand, Tensor):
            return operand
        kind = np.asarray(operand).dtype.kind
        fitting = [d for d in beside if d.startswith("float" if kind == "f" else ("float", "int", "uint"))]
        return self.constant(operand, fitting[0] if fitting else self.precision if kind == "f" else None)

    def as_tensor(self, name: str, spec: TensorSpec, first: bool = False) -> Tensor:
        """A new value that is called ``name`` in one of the orders."""
        dtype = self.precision if spec.dtype == "float32" else spec.dtype
        return Tensor(self, spec.shape, dtype, last=None if first else name, first=name if first else None)

    def initialiser(self, array: np.ndarray, label: str = "") -> str:
        """The name of a constant; equal ones without a label are one."""
        array = np.ascontiguousarray(array) if array.ndim else np.asarray(array)
        key = (label.encode() + b"\0" + array.tobytes(), array.dtype.name, array.shape)
        if key not in self._initialiser_names:
            name = self.unique(label or "constant")
            self._initialiser_names[key] = name
            self.initialisers[name] = numpy_helper.from_array(array, name)
        return self._initialiser_names[key]

    def integers(self, values: Iterable[int | None]) -> str:
        """A vector of int64: how ONNX takes axes, shapes and sizes."""
        return self.initialiser(np.asarray(list(values), "int64"))

    # -- nodes --------------------------------------------------------------------------------------
    def node(self, op: str, inputs: Sequence[str], outputs: int = 1, **attributes: Any) -> list[str]:
        """Add an ONNX node; gives the names of its outputs. Absent inputs are ``""``."""
        base = f"{self.scope}/{op}" if self.scope else op
        names = [self.unique(base if i == 0 else f"{base}_out{i}") for i in range(outputs)]
        while inputs and inputs[-1] == "":
            inputs = inputs[:-1]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=names[0], **attributes))
        return names

    def one(self, op: str, *inputs: str, **attributes: Any) -> str:
        """A node of one output."""
        return self.node(op, inputs, **attributes)[0]

    def transposed(self, name: str, axes: Sequence[int]) -> str:
        """A transpose; two in a row become one, or none."""
        source, before = self._transposes.get(name, (name, tuple(range(len(axes)))))
        perm = tuple(before[a] for a in axes)
        if perm == tuple(range(len(perm))):
            return source
        transposed = self.one("Transpose", source, perm=list(perm))
        self._transposes[transposed] = (source, perm)
        return transposed

    def unique(self, name: str) -> str:
        count = self._name_counts.get(name, 0)
        self._name_counts[name] = count + 1
        return name if count == 0 else self.unique(f"{name}_{count}")

    def elementwise(self, op: str, inputs: Sequence[Tensor], dtype: str, **attributes: Any) -> Tensor:
        """A node that broadcasts its inputs, in the order of axes that costs no transpose."""
        (whole,) = broadcast(*(t.spec() for t in inputs))
        rank = len(whole.shape)
        fits = all(t.value is not None or t.rank in (0, rank) for t in inputs)
        spec = TensorSpec(whole.shape, dtype)
        if rank >= 3 and fits and any(t.first_only for t in inputs):
            names = [self._in_front(t, rank) for t in inputs]
            return self.as_tensor(self.one(op, *names, **attributes), spec, first=True)
        return self.as_tensor(self.one(op, *(t.last for t in inputs), **attributes), spec)

    def _in_front(self, t: Tensor, rank: int) -> str:
        """Its name where channels come first among values of ``rank`` axes."""
        if t.rank == rank:
            return t.first
        if t.rank == 0 or t.value is None:
            return t.last
        if t.value.size == 1:
            return self.initialiser(t.value.reshape(()), t.label)
        full = t.value.reshape((1,) * (rank - t.rank) + t.value.shape)
        return self.initialiser(np.transpose(full, first_axes(rank)), t.label)

    def _bound(self, name: str, function: Form) -> Callable[..., Any]:
        """The form as an op: numbers become tensors, constants are computed here and now."""
        rule = VOCABULARY[name].shape

        def run(*inputs: Any, **attributes: Any) -> Any:
            kinds = [t.dtype for t in inputs if isinstance(t, Tensor)]
            operands = [None if t is None else self.tensor(t, kinds) for t in inputs]
            if name != "scan" and all(t is None or t.value is not None for t in operands):
                return self._folded(name, operands, attributes)
            specs = [] if name in FREE_SHAPE else rule(*map(_spec_of, operands), **attributes)
            return function(self, specs, *operands, **attributes)

        if name == "scan":
            return lambda step, state, xs, **attributes: function(self, [], step, state, xs, **attributes)
        return run

    def _folded(self, name: str, operands: Sequence[Tensor | None], attributes: Mapping[str, Any]) -> Any:
        with np.errstate(all="ignore"):
            result = getattr(_REFERENCE, name)(
                *[None if t is None else t.value for t in operands], **attributes
            )
        label = next((t.label for t in operands if t is not None and t.label), "")
        several = result if isinstance(result, tuple | list) else (result,)
        constants = []
        for each in several:
            array = np.asarray(each)
            if array.dtype.name in ("float32", "float64"):
                array = array.astype(self.precision)
            constants.append(self.constant(array, label=label))
        return tuple(constants) if isinstance(result, tuple | list) else constants[0]


def _spec_of(t: Tensor | None) -> TensorSpec | None:
    return None if t is None else t.spec()


FREE_SHAPE = {"reshape"}
"""Ops whose form finds the shape itself: inside of composites the batch may lie where no graph has it."""


def reshaped(shape: Shape, target: Sequence[int]) -> Shape:
    """The shape that a reshape gives. -1 stands for the batch, where there is one."""
    if -1 not in target:
        return tuple(target)
    known = math.prod(n for n in target if n != -1)
    if None in shape:
        return tuple(None if n == -1 else n for n in target)
    total = math.prod(n or 0 for n in shape)
    return tuple(total // known if n == -1 else n for n in target)
