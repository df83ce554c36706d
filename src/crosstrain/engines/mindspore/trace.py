"""Values that remember how they were made: a graph, run once on them, becomes the source of a function.

MindSpore compiles from Python source. What runs a graph is a loop over closures, which its parser cannot
read, so the loop is run once on the first batch of each shape, eagerly, and every call of a primitive is
written down as one line. What is compiled is these lines: no Python is left to be interpreted.
"""

from __future__ import annotations

import linecache
import math
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from types import ModuleType
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import ops

Axes = tuple[int, ...] | None
Function = Callable[..., Any]
Operator = Callable[..., Any]

DTYPES = {
    name: getattr(ms, "bool_" if name == "bool" else name)
    for name in (
        "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool",
    )
}  # fmt: skip


# -- the tape ---------------------------------------------------------------------------------------
class Tape:
    """What the ops of a run share: the lines written so far and the objects that these name, or, for an
    eager run (``writing`` False), nothing but the seed of the noise."""

    def __init__(self, precision: str, prefix: str = "v", writing: bool = True, seed: int = 0) -> None:
        self.precision, self.writing, self.seed = precision, writing, seed
        self.lines: list[str] = []
        self.objects: dict[str, Any] = {}
        self.noise: list[tuple[str, str, int, tuple[int, ...]]] = []
        """Arrays that the host draws for each step: argument, kind, salt, shape."""
        self._prefix, self._numbers = prefix, count()
        self._named: dict[int, str] = {}
        self._constants: dict[Any, Value] = {}

    @contextmanager
    def running(self) -> Iterator[Tape]:
        """Ops called inside write on this tape."""
        _running.append(self)
        try:
            yield self
        finally:
            _running.pop()

    def fresh(self) -> str:
        return f"{self._prefix}{next(self._numbers)}"

    def named(self, thing: Any) -> str:
        """The name under which the source finds an object."""
        if id(thing) not in self._named:
            self._named[id(thing)] = f"{self._prefix}_{len(self.objects)}"
            self.objects[self._named[id(thing)]] = thing
        return self._named[id(thing)]

    def expression(self, argument: Any) -> str:
        """An argument as source."""
        if isinstance(argument, Value):
            return argument.name
        if isinstance(argument, tuple | list):
            return "(" + "".join(f"{self.expression(a)}, " for a in argument) + ")"
        if argument is None or isinstance(argument, bool | int | str):
            return repr(argument)
        return self.named(argument)

    def constant(self, value: Any, dtype: str) -> Value:
        """A tensor known beforehand; each is made once."""
        array = np.asarray(value, dtype)
        key = (array.tobytes(), array.shape, dtype)
        if key not in self._constants:
            self._constants[key] = self.own(array, dtype)
        return self._constants[key]

    def own(self, value: Any, dtype: str) -> Value:
        """A tensor that no other call gets."""
        tensor = ms.Tensor(np.asarray(value), DTYPES[dtype])
        return Value(tensor, self.named(tensor) if self.writing else "")

    def drawn(self, kind: str, salt: int, shape: tuple[int, ...]) -> Value:
        """Noise: an argument of the function that is written, or numbers now."""
        tensor = ms.Tensor(noise(kind, self.seed, salt, shape, self.precision))
        if not self.writing:
            return Value(tensor)
        name = f"noise{len(self.noise)}"
        self.noise.append((name, kind, salt, shape))
        return Value(tensor, name)


_running: list[Tape] = []


def tape() -> Tape:
    """The tape of the run that is going on."""
    return _running[-1]


def noise(kind: str, seed: int, salt: int, shape: tuple[int, ...], precision: str) -> np.ndarray:
    """Random numbers that a seed and a salt determine (Philox, whose key they are)."""
    key = np.array([seed % 2**64, salt], "uint64")
    generator = np.random.Generator(np.random.Philox(key=key))
    draw = generator.random if kind == "uniform" else generator.standard_normal
    return np.asarray(draw(shape, dtype=np.dtype(precision).type))


# -- values -----------------------------------------------------------------------------------------
class Value:
    """An array of the graph: a tensor, and its name in the source.

    The tensor may lie in another order of axes than the graph has them: ``axes`` says in which (images
    stay channels-first from one convolution to the next). ``shape`` is the graph's.
    """

    __slots__ = ("_views", "axes", "name", "tensor")

    __add__: Operator
    __radd__: Operator
    __sub__: Operator
    __rsub__: Operator
    __mul__: Operator
    __rmul__: Operator
    __truediv__: Operator
    __rtruediv__: Operator
    __pow__: Operator
    __rpow__: Operator
    __lt__: Operator
    __le__: Operator
    __gt__: Operator
    __ge__: Operator

    def __init__(self, tensor: Any, name: str = "", axes: Axes = None) -> None:
        self.tensor, self.name, self.axes = tensor, name, axes
        self._views: dict[Axes, Value] = {axes: self}

    @property
    def shape(self) -> tuple[int, ...]:
        stored = tuple(self.tensor.shape)
        return stored if self.axes is None else tuple(stored[self.axes.index(i)] for i in range(len(stored)))

    @property
    def ndim(self) -> int:
        return len(self.tensor.shape)

    @property
    def dtype(self) -> str:
        return str(self.tensor.dtype).lower().removesuffix("_")

    def __len__(self) -> int:
        return self.shape[0]

    def to_layout(self, axes: Axes) -> Value:
        """The same array with its tensor in the order ``axes`` (None: the graph's). Transposed once."""
        if axes not in self._views:
            if axes is None:
                assert self.axes is not None
                self._views[None] = call(TRANSPOSE, self, _inverse(self.axes))
            else:
                self._views[axes] = call(TRANSPOSE, self.to_layout(None), axes, axes=axes)
            self._views[axes]._views = self._views
        return self._views[axes]

    def __getitem__(self, index: Any) -> Value:
        """Basic indexing by whole numbers and slices with positive strides."""
        cuts = index if isinstance(index, tuple) else (index,)
        begin, end, strides, shape = [], [], [], []
        for size, cut in zip(self.shape, (*cuts, *[slice(None)] * (self.ndim - len(cuts))), strict=True):
            start, stop, stride = (
                cut if isinstance(cut, slice) else slice(cut % size, cut % size + 1)
            ).indices(size)
            begin.append(start)
            end.append(max(stop, start))
            strides.append(stride)
            if isinstance(cut, slice):
                shape.append(len(range(start, stop, stride)))
        if 0 in shape:
            return tape().constant(np.zeros(shape), self.dtype)
        part = sliced(self, begin, end, strides)
        return part if len(shape) == self.ndim else call(RESHAPE, part, tuple(shape))  # type: ignore[no-any-return]

    def __neg__(self) -> Value:
        return elementwise(NEGATIVE, self)


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort(axes))


TRANSPOSE, RESHAPE, STRIDED_SLICE = ops.Transpose(), ops.Reshape(), ops.StridedSlice()
GATHER, NEGATIVE = ops.Gather(), ops.Neg()


def sliced(x: Value, begin: Sequence[int], end: Sequence[int], strides: Sequence[int]) -> Value:
    """The slices ``begin[i]:end[i]:strides[i]`` of all axes.

    Every so many cells are gathered: the gradient of MindSpore's StridedSlice (2.10, CPU) fails on them.
    """
    x = x.to_layout(None)
    stops = [e if s == 1 else min(n, e) for n, e, s in zip(x.shape, end, strides, strict=True)]
    if any(begin) or tuple(stops) != x.shape:
        x = call(STRIDED_SLICE, x, tuple(map(int, begin)), tuple(map(int, stops)), (1,) * x.ndim)
    for axis, stride in enumerate(strides):
        if stride != 1 and x.shape[axis] > 1:
            x = call(GATHER, x, tape().constant(np.arange(0, x.shape[axis], stride), "int32"), axis)
    return x


_OPERATORS = {
    "add": ops.Add(), "sub": ops.Sub(), "mul": ops.Mul(), "truediv": ops.Div(), "pow": ops.Pow(),
    "mod": ops.FloorMod(), "floordiv": ops.FloorDiv(),
    "lt": ops.Less(), "le": ops.LessEqual(), "gt": ops.Greater(), "ge": ops.GreaterEqual(),
}  # fmt: skip


def _give_operators() -> None:
    def forwards(function: Function) -> Function:
        return lambda self, other: elementwise(function, self, other)

    def backwards(function: Function) -> Function:
        return lambda self, other: elementwise(function, other, self)

    for name, function in _OPERATORS.items():
        setattr(Value, f"__{name}__", forwards(function))
        if name not in ("lt", "le", "gt", "ge"):
            setattr(Value, f"__r{name}__", backwards(function))


_give_operators()


def call(function: Function, *arguments: Any, axes: Axes = None) -> Any:
    """Run a primitive and write its line. Values among the arguments (or in tuples there) stand for their
    tensors as these lie; ``axes`` is the order of the (first) result."""
    current, result = tape(), function(*map(_tensors, arguments))
    results = result if isinstance(result, tuple | list) else (result,)
    names = [current.fresh() for _ in results] if current.writing else [""] * len(results)
    if current.writing:
        arguments_text = ", ".join(map(current.expression, arguments))
        targets = ", ".join(names) + ("," if isinstance(result, tuple | list) else "")
        current.lines.append(f"{targets} = {current.named(function)}({arguments_text})")
    values = [Value(t, n, None if i else axes) for i, (t, n) in enumerate(zip(results, names, strict=True))]
    return tuple(values) if isinstance(result, tuple | list) else values[0]


def _tensors(argument: Any) -> Any:
    if isinstance(argument, Value):
        return argument.tensor
    return tuple(map(_tensors, argument)) if isinstance(argument, tuple | list) else argument


def elementwise(function: Function, *operands: Any) -> Value:
    """A broadcasting primitive on values and numbers, in the order of axes that the operands have.

    Numbers become tensors of the values' dtype: in compiled source MindSpore takes Python's for float32.
    """
    first = next(o for o in operands if isinstance(o, Value))
    values = [o if isinstance(o, Value) else _number(o, first) for o in operands]
    rank = max(v.ndim for v in values)
    axes = next((v.axes for v in values if v.ndim == rank and v.axes is not None), None)
    return call(function, *(_fitted(v, rank, axes) for v in values), axes=axes)  # type: ignore[no-any-return]


def _number(value: Any, like: Value) -> Value:
    floating = like.dtype.startswith(("float", "bfloat"))
    whole = isinstance(value, int | np.integer)
    return tape().constant(value, like.dtype if floating or whole else tape().precision)


def _fitted(value: Value, rank: int, axes: Axes) -> Value:
    """So that it broadcasts against values of this rank that lie in the order ``axes``."""
    if axes is None or value.ndim == 0:
        return value.to_layout(None)
    if value.ndim < rank:
        shape = (1,) * (rank - value.ndim) + value.shape
        if math.prod(shape) == max(shape):  # one axis is longer than 1: turning it is a reshape, too
            return call(RESHAPE, value.to_layout(None), tuple(shape[a] for a in axes), axes=axes)  # type: ignore[no-any-return]
        value = call(RESHAPE, value.to_layout(None), shape)
    return value.to_layout(axes)


# -- from lines to a cell -----------------------------------------------------------------------------
_numbers = count()


def cell(source: str, objects: dict[str, Any], parameters: dict[str, ms.Parameter]) -> Any:
    """An instance of the class ``Compiled`` that the source defines, with the parameters as attributes.

    MindSpore reads a function's source from its file and its globals from its module: both are made up.
    They go when the instance does.
    """
    number = next(_numbers)
    name, file = f"crosstrain_mindspore_{number}", f"<crosstrain mindspore {number}>"
    module = ModuleType(name)
    vars(module).update(objects, ms=ms, nn=ms.nn, __file__=file)
    sys.modules[name] = module
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    exec(compile(source, file, "exec"), vars(module))
    network = module.Compiled()
    for key, parameter in parameters.items():
        setattr(network, key, parameter)
    weakref.finalize(network, _forget, name, file)
    return network


def _forget(module: str, file: str) -> None:
    sys.modules.pop(module, None)
    linecache.cache.pop(file, None)
