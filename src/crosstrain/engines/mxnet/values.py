"""Values of a graph while it is traced into MXNet symbols: a symbol with its shape, dtype and layout.

Symbols know no shapes until they are bound, and MXNet's image ops read channels-first images. A ``Value``
has the vocabulary's own (channels-last) shape and remembers in which orders of axes it has been computed;
another order is made by a transposition when somebody asks for it, once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mxnet as mx
import mxnet.symbol._internal as legacy
import mxnet.symbol.numpy._internal as numpy_ops
import numpy as np

from crosstrain.graph.graph import TensorSpec

Symbol = Any
Order = tuple[int, ...]

_RANK_OF_DTYPE = {name: rank for rank, name in enumerate(("bool", "uint8", "int32", "int64"))}


class _NumpyOps:
    """MXNet's ops with NumPy's meaning, on the plain symbols that its other ops take."""

    def __getattr__(self, name: str) -> Callable[..., Symbol]:
        function = getattr(numpy_ops, name)

        def run(*symbols: Symbol, **attributes: Any) -> Symbol:
            return function(*(s.as_np_ndarray() for s in symbols), **attributes).as_nd_ndarray()

        setattr(self, name, run)
        return run


npi = _NumpyOps()


def identity(rank: int) -> Order:
    return tuple(range(rank))


def channels_first(rank: int) -> Order:
    """(N, spatial…, C) seen as (N, C, spatial…)."""
    return (0, rank - 1, *range(1, rank - 1))


class Value:
    """A traced array. ``shape`` and ``dtype`` are as the vocabulary has them; ``native`` is the order of
    axes in which it was computed first."""

    __slots__ = ("_symbols", "dtype", "native", "shape")

    def __init__(self, symbol: Symbol, shape: Sequence[int], dtype: str, native: Order | None = None) -> None:
        self.shape, self.dtype = tuple(shape), dtype
        self.native = identity(len(self.shape)) if native is None else native
        self._symbols: dict[Order, Symbol] = {self.native: symbol}

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def spec(self) -> TensorSpec:
        return TensorSpec(self.shape, self.dtype)

    @property
    def symbol(self) -> Symbol:
        """With the axes in the vocabulary's order."""
        return self.symbol_in(identity(self.ndim))

    def symbol_in(self, order: Order) -> Symbol:
        """The symbol with its axes in ``order``."""
        if order not in self._symbols:
            axes = tuple(self.native.index(a) for a in order)
            self._symbols[order] = mx.sym.transpose(self._symbols[self.native], axes=axes)
        return self._symbols[order]

    def mapped(self, function: Callable[[Symbol], Symbol], dtype: str = "") -> Value:
        """An elementwise function of it."""
        return Value(function(self.symbol_in(self.native)), self.shape, dtype or self.dtype, self.native)

    def cast(self, dtype: str) -> Value:
        return self if dtype == self.dtype else self.mapped(lambda s: mx.sym.cast(s, dtype=dtype), dtype)

    def reshaped(self, *shape: int) -> Value:
        if shape == self.shape:
            return self
        return Value(npi.reshape(self.symbol, newshape=shape), shape, self.dtype)

    # -- Python's operators, which the vocabulary's composites use -------------------------------------
    def __add__(self, other: Any) -> Value:
        return combined("add", self, other)

    def __radd__(self, other: Any) -> Value:
        return combined("add", self, other)

    def __sub__(self, other: Any) -> Value:
        return combined("subtract", self, other)

    def __rsub__(self, other: Any) -> Value:
        return combined("subtract", other, self)

    def __mul__(self, other: Any) -> Value:
        return combined("multiply", self, other)

    def __rmul__(self, other: Any) -> Value:
        return combined("multiply", self, other)

    def __truediv__(self, other: Any) -> Value:
        return combined("divide", self, other)

    def __rtruediv__(self, other: Any) -> Value:
        return combined("divide", other, self)

    def __pow__(self, other: Any) -> Value:
        return combined("power", self, other)

    def __rpow__(self, other: Any) -> Value:
        return combined("power", other, self)

    def __neg__(self) -> Value:
        return self.mapped(mx.sym.negative)

    def __gt__(self, other: Any) -> Value:
        return compared("greater", self, other)

    def __ge__(self, other: Any) -> Value:
        return compared("greater_equal", self, other)

    def __lt__(self, other: Any) -> Value:
        return compared("less", self, other)

    def __le__(self, other: Any) -> Value:
        return compared("less_equal", self, other)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> Value:
        index = index if isinstance(index, tuple) else (index,)
        cuts = [slice(i, None if i == -1 else i + 1) if isinstance(i, int) else i for i in index]
        cuts += [slice(None)] * (self.ndim - len(cuts))
        part = cut(self, cuts)
        single = {axis for axis, i in enumerate(index) if isinstance(i, int)}
        return part.reshaped(*(n for axis, n in enumerate(part.shape) if axis not in single))


# -- several values ------------------------------------------------------------------------------------
def promoted(*dtypes: str) -> str:
    """The widest: bool < uint8 < int32 < int64 < floats."""
    return max(dtypes, key=lambda d: _RANK_OF_DTYPE.get(d, len(_RANK_OF_DTYPE)))


def aligned(*values: Value) -> tuple[list[Symbol], tuple[int, ...], Order]:
    """Symbols that broadcast against each other, the shape of the outcome and its order of axes."""
    shape = np.broadcast_shapes(*(v.shape for v in values))
    rank, order = len(shape), identity(len(shape))
    for value in values:
        # Whoever is as large as the outcome and lies in another order decides: it is not transposed.
        if value.shape == shape and value.native != order:
            order = value.native
            break
    symbols = []
    for value in values:
        wide = value if value.ndim in (0, rank) else value.reshaped(*(1,) * (rank - value.ndim), *value.shape)
        symbols.append(wide.symbol_in(order) if wide.ndim else wide.symbol)
    return symbols, shape, order


_PAIRED = {
    "add": (mx.sym.elemwise_add, mx.sym.broadcast_add),
    "subtract": (mx.sym.elemwise_sub, mx.sym.broadcast_sub),
    "multiply": (mx.sym.elemwise_mul, mx.sym.broadcast_mul),
    "divide": (mx.sym.elemwise_div, mx.sym.broadcast_div),
    "power": (mx.sym.broadcast_power, mx.sym.broadcast_power),
    "maximum": (mx.sym.broadcast_maximum, mx.sym.broadcast_maximum),
    "minimum": (mx.sym.broadcast_minimum, mx.sym.broadcast_minimum),
    "mod": (mx.sym.broadcast_mod, mx.sym.broadcast_mod),
    "arctan2": (npi.arctan2, npi.arctan2),
}
"""For equal shapes (where oneDNN has a sum) and for broadcasting."""

_WITH_NUMBER = {
    "add": (legacy._plus_scalar, legacy._plus_scalar),
    "subtract": (legacy._minus_scalar, legacy._rminus_scalar),
    "multiply": (legacy._mul_scalar, legacy._mul_scalar),
    "divide": (legacy._div_scalar, legacy._rdiv_scalar),
    "power": (legacy._power_scalar, legacy._rpower_scalar),
    "maximum": (legacy._maximum_scalar, legacy._maximum_scalar),
    "minimum": (legacy._minimum_scalar, legacy._minimum_scalar),
    "mod": (legacy._mod_scalar, legacy._rmod_scalar),
}
"""With a number on the right, and on the left."""


def _computing(value: Value) -> Value:
    """Truth values as numbers: MXNet does not count with them."""
    return value.cast("int32") if value.dtype == "bool" else value


def combined(name: str, a: Any, b: Any) -> Value:
    """An arithmetic op of two values, or of a value and a number."""
    if not isinstance(b, Value):
        return _computing(a).mapped(lambda s: _WITH_NUMBER[name][0](s, scalar=float(b)))
    if not isinstance(a, Value):
        return _computing(b).mapped(lambda s: _WITH_NUMBER[name][1](s, scalar=float(a)))
    dtype = promoted(a.dtype, b.dtype)
    left, right = _computing(a.cast(dtype)), _computing(b.cast(dtype))
    (x, y), shape, order = aligned(left, right)
    function = _PAIRED[name][0 if a.shape == b.shape else 1]
    return Value(function(x, y), shape, left.dtype, order)


def compared(name: str, a: Any, b: Any) -> Value:
    """A comparison; its outcome is of truth values. A number may stand on the right."""
    if not isinstance(b, Value):
        function = getattr(npi, f"{name}_scalar")
        return _computing(a).mapped(lambda s: function(s, scalar=float(b)), "bool")
    dtype = promoted(a.dtype, b.dtype)
    (x, y), shape, order = aligned(_computing(a.cast(dtype)), _computing(b.cast(dtype)))
    return Value(getattr(npi, name)(x, y), shape, "bool", order)


def cut(value: Value, cuts: Sequence[slice]) -> Value:
    """Python slices, one for each axis."""
    ranges = [range(*c.indices(n)) for c, n in zip(cuts, value.shape, strict=True)]
    shape = tuple(map(len, ranges))
    if shape == value.shape and all(r.step == 1 for r in ranges):
        return value
    if 0 in shape:
        return filled(shape, 0.0, value.dtype)
    order = value.native
    # A stop before the first cell, for a stride that goes back, is None to MXNet.
    limits = [(r.start, r.stop if r.stop >= 0 else None, r.step) for r in (ranges[a] for a in order)]
    begin, end, step = zip(*limits, strict=True)
    return Value(
        mx.sym.slice(value.symbol_in(order), begin=begin, end=end, step=step), shape, value.dtype, order
    )


def filled(shape: Sequence[int], number: float, dtype: str) -> Value:
    """The same number everywhere."""
    symbol = legacy._full(
        shape=tuple(shape), value=float(number), dtype="int32" if dtype == "bool" else dtype
    )
    return Value(symbol, shape, "int32" if dtype == "bool" else dtype).cast(dtype)
