"""The op vocabulary on MXNet's symbols. Shapes and dtypes come from the vocabulary's own rules."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import mxnet as mx
import mxnet.symbol._internal as legacy
import numpy as np

from crosstrain.engines.mxnet import images
from crosstrain.engines.mxnet.products import dense, einsum, matmul
from crosstrain.engines.mxnet.recurrent import LAYERS, scan
from crosstrain.engines.mxnet.values import (
    Symbol,
    Value,
    channels_first,
    combined,
    compared,
    cut,
    filled,
    identity,
    npi,
    promoted,
)
from crosstrain.graph.evaluate import Implementation, Ops
from crosstrain.graph.ops.row import VOCABULARY
from crosstrain.graph.ops.shapes import axes_of

FLOATS = ("float16", "float32", "float64")


@dataclass(frozen=True)
class Draw:
    """Noise that the host draws before each step: ``kind`` is a method of NumPy's generators."""

    kind: str
    salt: int
    shape: tuple[int, ...]
    dtype: str


@dataclass
class Extra:
    """What a traced graph reads besides weights and batch, by the names of its variables."""

    constants: dict[str, np.ndarray] = field(default_factory=dict)
    scratch: dict[str, tuple[int, str]] = field(default_factory=dict)
    noise: dict[str, Draw] = field(default_factory=dict)

    def constant(self, *, value: Any, dtype: str) -> Value:
        array = np.asarray(value, dtype)
        if array.ndim == 0 and dtype != "int64":
            return filled((), array.item(), dtype)
        name = f"constant/{len(self.constants)}"
        self.constants[name] = array.astype("int32") if dtype == "bool" else array
        return Value(mx.sym.var(name), array.shape, self.constants[name].dtype.name).cast(dtype)

    def unread(self, length: int, dtype: str) -> Symbol:
        """A vector that an op insists on writing to."""
        name = f"scratch/{dtype}/{length}"
        self.scratch[name] = (length, dtype)
        return mx.sym.var(name)

    def drawn(self, kind: str, salt: int, shape: tuple[int, ...], dtype: str) -> Value:
        name = f"noise/{len(self.noise)}"
        self.noise[name] = Draw(kind, salt, shape, dtype)
        return Value(mx.sym.var(name), shape, dtype)


# -- helpers ---------------------------------------------------------------------------------------------
def _specs(name: str, inputs: tuple[Any, ...], attributes: dict[str, Any]) -> list[Any]:
    specs = [i.spec if isinstance(i, Value) else i for i in inputs]
    return list(VOCABULARY[name].shape(*specs, **attributes))


def _shaped(name: str, function: Callable[..., Symbol]) -> Implementation:
    """A function of symbols (axes in the vocabulary's order) as an op with one outcome."""

    def run(*inputs: Value, **attributes: Any) -> Value:
        (spec,) = _specs(name, inputs, attributes)
        symbol = function(*(i.symbol for i in inputs), **attributes)
        return Value(symbol, spec.shape, spec.dtype)

    return run


def _mapped(function: Callable[[Symbol], Symbol], dtype: str = "") -> Implementation:
    return lambda x: x.mapped(function, dtype)


def _as_numbers(x: Value) -> Value:
    return x.cast("int32") if x.dtype == "bool" else x


# -- elementwise -----------------------------------------------------------------------------------------
def where(condition: Value, a: Value, b: Value) -> Value:
    dtype = promoted(a.dtype, b.dtype)
    choice = condition if condition.dtype == "bool" else compared("not_equal", condition, 0)
    a, b = a.cast(dtype), b.cast(dtype)
    if dtype == "bool":
        return where(choice, a.cast("int32"), b.cast("int32")).cast("bool")
    shape = np.broadcast_shapes(choice.shape, a.shape, b.shape)
    order = next((v.native for v in (a, b) if v.shape == shape), identity(len(shape)))
    if choice.shape == a.shape == b.shape:
        symbol = mx.sym.where(choice.cast("int32").symbol_in(order), a.symbol_in(order), b.symbol_in(order))
        return Value(symbol, shape, dtype, order)
    return Value(npi.where(*(v.symbol for v in (choice, a, b))), shape, dtype)


def floor_divide(a: Value, b: Value) -> Value:
    dtype = promoted(a.dtype, b.dtype)
    if dtype in FLOATS:
        return combined("divide", a, b).mapped(mx.sym.floor)
    quotient = combined("divide", a.cast("float64"), b.cast("float64"))
    return quotient.mapped(mx.sym.floor).cast(dtype)


def round_(x: Value) -> Value:
    """To the nearest; halves to the even neighbour, as NumPy does (MXNet's goes away from zero)."""
    low = x.mapped(mx.sym.floor)
    rest = x - low
    odd = combined("mod", low, 2)
    up = combined("maximum", rest.mapped(_above_half), compared("equal", rest, 0.5).cast(x.dtype) * odd)
    return low + up


def _above_half(rest: Symbol) -> Symbol:
    return legacy._greater_scalar(rest, scalar=0.5)


def logical(name: str) -> Implementation:
    def run(a: Value, b: Value) -> Value:
        left, right = (compared("not_equal", _as_numbers(v), 0).cast("int32") for v in (a, b))
        return compared("not_equal", combined(name, left, right), 0)

    return run


def softplus(x: Value) -> Value:
    """log(1 + exp(x)); beyond 40 it is x itself, in float64 too."""
    near = combined("minimum", x, 40.0)
    return where(x > 40, x, near.mapped(lambda s: mx.sym.log1p(mx.sym.exp(s))))


def relu(x: Value) -> Value:
    return x.mapped(lambda s: mx.sym.Activation(s, act_type="relu"))


# -- reductions ------------------------------------------------------------------------------------------
def _reduction(name: str, function: Callable[..., Symbol]) -> Implementation:
    def run(x: Value, *, axis: Any = None, keepdims: bool = False) -> Value:
        (spec,) = _specs(name, (x,), {"axis": axis, "keepdims": keepdims})
        x = _as_numbers(x)
        axes, order = axes_of(x.ndim, axis), x.native
        if not axes:
            return x
        remaining = [a for a in order if a not in axes]
        if not keepdims and remaining != sorted(remaining):
            order = identity(x.ndim)
        places = tuple(sorted(order.index(a) for a in axes))
        symbol = function(x.symbol_in(order), axis=places, keepdims=keepdims)
        if keepdims:
            return Value(symbol, spec.shape, x.dtype, order)
        if len(axes) == x.ndim:
            symbol = npi.reshape(symbol, newshape=())
        return Value(symbol, spec.shape, x.dtype)

    return run


def mean(ops: Ops, x: Value, *, axis: Any = None, keepdims: bool = False) -> Value:
    spatial = tuple(range(1, x.ndim - 1))
    if x.ndim in (4, 5) and x.native == channels_first(x.ndim) and axes_of(x.ndim, axis) == spatial:
        y = images.global_average(ops, x)
        return y.reshaped(x.shape[0], *[1] * len(spatial), x.shape[-1]) if keepdims else y
    symbol: Value = _reduction("mean", mx.sym.mean)(x, axis=axis, keepdims=keepdims)
    return symbol


def _truth(reduce: Callable[..., Symbol]) -> Implementation:
    def run(x: Value, *, axis: Any = None, keepdims: bool = False) -> Value:
        numbers = compared("not_equal", _as_numbers(x), 0).cast("int32")
        symbol: Value = _reduction("max", reduce)(numbers, axis=axis, keepdims=keepdims)
        return symbol.cast("bool")

    return run


def argmax(x: Value, *, axis: int, keepdims: bool = False) -> Value:
    (spec,) = _specs("argmax", (x,), {"axis": axis, "keepdims": keepdims})
    symbol = npi.argmax(x.symbol, axis=axis, keepdims=keepdims)
    return Value(symbol, spec.shape, "int64").cast("int32")


def log_softmax(x: Value, *, axis: Any = -1) -> Value:
    if isinstance(axis, int):
        return Value(mx.sym.log_softmax(x.symbol, axis=axis), x.shape, x.dtype)
    shift = stop_gradient(_reduction("max", mx.sym.max)(x, axis=axis, keepdims=True))
    shifted = x - shift
    total: Value = _reduction("sum", mx.sym.sum)(shifted.mapped(mx.sym.exp), axis=axis, keepdims=True)
    return shifted - total.mapped(mx.sym.log)


def softmax(x: Value, *, axis: Any = -1) -> Value:
    if isinstance(axis, int):
        return Value(mx.sym.softmax(x.symbol, axis=axis), x.shape, x.dtype)
    return log_softmax(x, axis=axis).mapped(mx.sym.exp)


def stop_gradient(x: Value) -> Value:
    return x.mapped(mx.sym.BlockGrad)


def sort(extra: Extra, x: Value, *, axis: int = -1) -> Value:
    order = Value(mx.sym.argsort(x.symbol, axis=axis, dtype="int32"), x.shape, "int32")
    return take_along_axis(extra, x, order, axis=axis)


def top_k(extra: Extra, x: Value, *, k: int) -> tuple[Value, Value]:
    # MXNet's topk orders equal values as it likes; argsort is stable, so it is asked to sort -x.
    order = mx.sym.argsort(mx.sym.negative(x.symbol), axis=-1, is_ascend=True, dtype="int32")
    first = cut(Value(order, x.shape, "int32"), [*[slice(None)] * (x.ndim - 1), slice(k)])
    return take_along_axis(extra, x, first, axis=-1), first


# -- shapes, cutting and gathering ------------------------------------------------------------------------
def transpose(x: Value, *, axes: tuple[int, ...]) -> Value:
    # The same memory under other names: an axis of the outcome is an axis of x.
    native = tuple(axes.index(a) for a in x.native)
    return Value(x.symbol_in(x.native), [x.shape[a] for a in axes], x.dtype, native)


def reshape(x: Value, *, shape: tuple[int, ...]) -> Value:
    known = math.prod(s for s in shape if s != -1)
    return x.reshaped(*(math.prod(x.shape) // max(known, 1) if s == -1 else s for s in shape))


def expand_dims(x: Value, *, axis: int) -> Value:
    axis %= x.ndim + 1
    return x.reshaped(*x.shape[:axis], 1, *x.shape[axis:])


def squeeze(x: Value, *, axis: Any) -> Value:
    dropped = axes_of(x.ndim, axis)
    return x.reshaped(*(n for a, n in enumerate(x.shape) if a not in dropped))


def concatenate(*inputs: Value, axis: int) -> Value:
    dtype = promoted(*(i.dtype for i in inputs))
    (spec,) = _specs("concatenate", inputs, {"axis": axis})
    if dtype == "bool":
        return concatenate(*(i.cast("int32") for i in inputs), axis=axis).cast("bool")
    order = next((i.native for i in inputs if i.native != identity(i.ndim)), identity(inputs[0].ndim))
    place = order.index(axis % len(order))
    symbol = mx.sym.concat(*(i.cast(dtype).symbol_in(order) for i in inputs), dim=place)
    return Value(symbol, spec.shape, dtype, order)


def split(x: Value, *, sizes: tuple[int, ...], axis: int) -> list[Value]:
    if len(sizes) == 1:
        return [x]
    specs = _specs("split", (x,), {"sizes": sizes, "axis": axis})
    starts = (0, *np.cumsum(sizes)[:-1].tolist())
    symbol = legacy._split_v2(
        x.symbol_in(x.native), indices=starts, axis=x.native.index(axis % x.ndim), sections=0
    )
    return [Value(symbol[i], spec.shape, x.dtype, x.native) for i, spec in enumerate(specs)]


def slice_(x: Value, *, starts: Any, stops: Any, strides: Any) -> Value:
    return cut(x, list(map(slice, starts, stops, strides)))


def flip(x: Value, *, axis: Any) -> Value:
    places = tuple(x.native.index(a) for a in axes_of(x.ndim, axis))
    return x.mapped(lambda s: mx.sym.reverse(s, axis=places))


def repeat(x: Value, *, repeats: int, axis: int) -> Value:
    (spec,) = _specs("repeat", (x,), {"repeats": repeats, "axis": axis})
    symbol = mx.sym.repeat(x.symbol_in(x.native), repeats=repeats, axis=x.native.index(axis % x.ndim))
    return Value(symbol, spec.shape, x.dtype, x.native)


def broadcast_to(x: Value, *, shape: tuple[int, ...]) -> Value:
    (spec,) = _specs("broadcast_to", (x,), {"shape": shape})
    wide = x.reshaped(*[1] * (len(shape) - x.ndim), *x.shape)
    return Value(mx.sym.broadcast_to(wide.symbol, shape=spec.shape), spec.shape, x.dtype)


def pad(extra: Extra, x: Value, *, padding: Any, mode: str = "constant", value: float = 0.0) -> Value:
    if mode == "constant":
        (spec,) = _specs("pad", (x,), {"padding": padding})
        order, lengths = x.native, [x.shape[a] for a in x.native]
        symbol = images.padded(x.symbol_in(order), lengths, tuple(padding[a] for a in order), value, x.dtype)
        return Value(symbol, spec.shape, x.dtype, order)
    for axis, pair in enumerate(padding):
        if any(pair):
            places: np.ndarray = np.pad(np.arange(x.shape[axis]), pair, mode=mode)  # type: ignore[call-overload]
            x = take(x, extra.constant(value=places, dtype="int32"), axis=axis)
    return x


def take(x: Value, indices: Value, *, axis: int) -> Value:
    (spec,) = _specs("take", (x, indices), {"axis": axis})
    # ``wrap`` counts negative indices from the end.
    symbol = mx.sym.take(x.symbol, indices.symbol, axis=axis % x.ndim, mode="wrap")
    return Value(symbol, spec.shape, x.dtype)


def take_along_axis(extra: Extra, x: Value, indices: Value, *, axis: int) -> Value:
    axis %= x.ndim
    if indices.shape == (*x.shape[:axis], 1, *x.shape[axis + 1 :]):
        symbol = mx.sym.pick(x.symbol, indices.symbol, axis=axis, keepdims=True, mode="wrap")
        return Value(symbol, indices.shape, x.dtype)
    # As places in the flattened array: where each one's row begins, and how far into it.
    lengths = np.array(x.shape)
    steps = np.array([math.prod(x.shape[a + 1 :]) for a in range(x.ndim)])
    lead = [1 if a == axis else n for a, n in enumerate(np.broadcast_shapes(indices.shape, lead_of(x, axis)))]
    begins = sum(
        np.arange(n).reshape([-1 if a == b else 1 for b in range(x.ndim)]) * steps[a]
        for a, n in enumerate(lead)
        if a != axis
    )
    wrapped = where(compared("less", indices, 0), indices + int(lengths[axis]), indices)
    places = wrapped * int(steps[axis]) + extra.constant(value=begins, dtype="int32")
    return take(x.reshaped(math.prod(x.shape)), places, axis=0)


def lead_of(x: Value, axis: int) -> tuple[int, ...]:
    return tuple(1 if a == axis else n for a, n in enumerate(x.shape))


def one_hot(extra: Extra, x: Value, *, classes: int, axis: int = -1, dtype: str = "float32") -> Value:
    numbers = extra.constant(value=np.arange(classes), dtype="int32")
    axis %= x.ndim + 1
    column = numbers.reshaped(*(classes if a == axis else 1 for a in range(x.ndim + 1)))
    return compared("equal", expand_dims(x, axis=axis), column).cast(dtype)


# -- noise and losses -------------------------------------------------------------------------------------
def random_uniform(extra: Extra, x: Value, seed: Value, *, salt: int, noise_shape: Any = None) -> Value:
    lengths = x.shape if noise_shape is None else noise_shape
    shape = tuple(x.shape[i] if n is None else n for i, n in enumerate(lengths))
    return extra.drawn("random", salt, shape, x.dtype)


def random_normal(extra: Extra, x: Value, seed: Value, *, salt: int) -> Value:
    return extra.drawn("standard_normal", salt, x.shape, x.dtype)


# -- the tables -------------------------------------------------------------------------------------------
_UNARY = (
    "negative abs sign exp expm1 log log1p sqrt rsqrt square reciprocal floor ceil sigmoid erf sin cos tan "
    "sinh cosh tanh arcsin arccos arctan arcsinh arccosh arctanh softsign"
)

TABLE: dict[str, Implementation] = {
    **{name: _mapped(getattr(mx.sym, name)) for name in _UNARY.split()},
    **{name: partial(combined, name) for name in ("add", "subtract", "multiply", "divide", "power", "mod")},
    **{name: partial(combined, name) for name in ("maximum", "minimum", "arctan2")},
    **{
        name: partial(compared, name)
        for name in ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")
    },
    "logical_and": logical("minimum"),
    "logical_or": logical("maximum"),
    "logical_not": lambda x: compared("equal", _as_numbers(x), 0),
    "isnan": lambda x: x.mapped(lambda s: npi.isnan(s), "bool"),
    "isfinite": lambda x: x.mapped(lambda s: npi.isfinite(s), "bool"),
    "floor_divide": floor_divide,
    "round": round_,
    "where": where,
    "cast": lambda x, *, dtype: x.cast(dtype),
    "stop_gradient": stop_gradient,
    "relu": relu,
    "softplus": softplus,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "sum": _reduction("sum", mx.sym.sum),
    "max": _reduction("max", mx.sym.max),
    "min": _reduction("min", mx.sym.min),
    "prod": _reduction("prod", mx.sym.prod),
    "any": _truth(mx.sym.max),
    "all": _truth(mx.sym.min),
    "argmax": argmax,
    "cumsum": _shaped("cumsum", lambda x, *, axis: mx.sym.cumsum(x, axis=axis)),
    "matmul": matmul,
    "dense": dense,
    "reshape": reshape,
    "transpose": transpose,
    "expand_dims": expand_dims,
    "squeeze": squeeze,
    "concatenate": concatenate,
    "split": split,
    "slice": slice_,
    "tile": _shaped("tile", lambda x, *, repeats: mx.sym.tile(x, reps=repeats)),
    "repeat": repeat,
    "broadcast_to": broadcast_to,
    "full_like": lambda x, *, value: filled(x.shape, value, x.dtype),
    "flip": flip,
    "take": take,
    "conv": images.conv,
    "depthwise_conv": images.depthwise_conv,
    "conv_transpose": images.conv_transpose,
    "max_pool": images.max_pool,
    "scan": scan,
}

_WITH_EXTRA: dict[str, Callable[..., Any]] = {
    "sort": sort,
    "top_k": top_k,
    "pad": pad,
    "take_along_axis": take_along_axis,
    "one_hot": one_hot,
    "random_uniform": random_uniform,
    "random_normal": random_normal,
}
"""Ops that read constants or noise."""

_WITH_OPS: dict[str, Callable[..., Any]] = {
    "mean": mean,
    "average_pool": images.average_pool,
    "batch_norm": images.batch_norm,
    "einsum": einsum,
    **LAYERS,
}
"""Ops that use others."""


def operations(extra: Extra, training: bool = True) -> Ops:
    """The whole vocabulary on MXNet, for one graph that is traced."""
    ops = Ops(
        {
            **TABLE,
            **{name: partial(function, extra) for name, function in _WITH_EXTRA.items()},
            "constant": extra.constant,
            "scratch": extra.unread,
        },
        "mxnet",
    )
    with_ops = _WITH_OPS if training else {**_WITH_OPS, "normalize": images.normalize}
    for name, function in with_ops.items():
        setattr(ops, name, partial(function, ops))
    return ops
