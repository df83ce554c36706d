"""The op vocabulary written as ONNX nodes: elementwise ops, activations, reductions, products.

An op that stands in no table here is written from its meaning, in terms of those that do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from crosstrain.exchange.onnx.writing.emit import ELEMENTS, Emitter, Tensor, form, moved
from crosstrain.graph.graph import TensorSpec
from crosstrain.graph.ops.shapes import axes_of

Specs = Sequence[TensorSpec]
FLOATS = ("float32", "float64")

# -- elementwise ------------------------------------------------------------------------------------
UNARY = {
    "negative": "Neg", "abs": "Abs", "sign": "Sign", "exp": "Exp", "log": "Log", "sqrt": "Sqrt",
    "sin": "Sin", "cos": "Cos", "tan": "Tan", "arcsin": "Asin", "arccos": "Acos", "arctan": "Atan",
    "sinh": "Sinh", "cosh": "Cosh", "tanh": "Tanh", "arcsinh": "Asinh", "arccosh": "Acosh",
    "arctanh": "Atanh", "floor": "Floor", "ceil": "Ceil", "round": "Round", "erf": "Erf",
    "sigmoid": "Sigmoid", "relu": "Relu", "softplus": "Softplus", "softsign": "Softsign",
    "reciprocal": "Reciprocal",
}  # fmt: skip
EXACT_ON_INTEGERS = {"negative", "abs", "sign"}
UNCHANGED_INTEGERS = {"floor", "ceil", "round"}
BINARY = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow",
    "maximum": "Max", "minimum": "Min",
}  # fmt: skip
COMPARISON = {
    "equal": "Equal", "greater": "Greater", "greater_equal": "GreaterOrEqual", "less": "Less",
    "less_equal": "LessOrEqual",
}  # fmt: skip
LOGIC = {"logical_and": "And", "logical_or": "Or", "logical_xor": "Xor"}
_ORDER = ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")


def as_dtype(e: Emitter, x: Tensor, dtype: str) -> Tensor:
    dtype = e.precision if dtype == "float32" else dtype
    if x.dtype == dtype:
        return x
    if x.value is not None:
        return e.constant(x.value.astype(dtype), label=x.label)
    return e.elementwise("Cast", [x], dtype, to=ELEMENTS[dtype])


def alike(e: Emitter, *inputs: Tensor) -> list[Tensor]:
    """All in the widest of their dtypes; ONNX converts nothing by itself."""
    dtype = max((t.dtype for t in inputs), key=_ORDER.index)
    return [as_dtype(e, t, dtype) for t in inputs]


def _unary(name: str, op: str) -> None:
    @form(name)
    def write(e: Emitter, specs: Specs, x: Tensor) -> Any:
        if x.dtype not in FLOATS:
            if name in UNCHANGED_INTEGERS:
                return x
            if name == "relu":
                return e.ops.maximum(x, 0)
            if name not in EXACT_ON_INTEGERS:
                x = as_dtype(e, x, e.precision)
        return e.elementwise(op, [x], x.dtype)


def _binary(name: str, op: str) -> None:
    @form(name)
    def write(e: Emitter, specs: Specs, a: Tensor, b: Tensor) -> Any:
        a, b = alike(e, a, b)
        if a.dtype == "bool":
            a, b = as_dtype(e, a, "int32"), as_dtype(e, b, "int32")
        if name == "divide" and a.dtype not in FLOATS:
            a, b = as_dtype(e, a, e.precision), as_dtype(e, b, e.precision)
        return e.elementwise(op, [a, b], a.dtype)


def _comparison(name: str, op: str) -> None:
    @form(name)
    def write(e: Emitter, specs: Specs, a: Tensor, b: Tensor) -> Any:
        a, b = alike(e, a, b)
        if a.dtype == "bool" and op != "Equal":
            a, b = as_dtype(e, a, "int32"), as_dtype(e, b, "int32")
        return e.elementwise(op, [a, b], "bool")


def _logic(name: str, op: str) -> None:
    @form(name)
    def write(e: Emitter, specs: Specs, a: Tensor, b: Tensor) -> Any:
        return e.elementwise(op, [as_dtype(e, a, "bool"), as_dtype(e, b, "bool")], "bool")


for _table, _writer in ((UNARY, _unary), (BINARY, _binary), (COMPARISON, _comparison), (LOGIC, _logic)):
    for _name, _op in _table.items():
        _writer(_name, _op)


@form("not_equal")
def not_equal(e: Emitter, specs: Specs, a: Tensor, b: Tensor) -> Any:
    return e.elementwise("Not", [e.ops.equal(a, b)], "bool")


@form("logical_not")
def logical_not(e: Emitter, specs: Specs, x: Tensor) -> Any:
    return e.elementwise("Not", [as_dtype(e, x, "bool")], "bool")


@form("isnan")
def isnan(e: Emitter, specs: Specs, x: Tensor) -> Any:
    return e.elementwise("IsNaN", [as_dtype(e, x, x.dtype if x.dtype in FLOATS else e.precision)], "bool")


@form("isfinite")
def isfinite(e: Emitter, specs: Specs, x: Tensor) -> Any:
    x = as_dtype(e, x, x.dtype if x.dtype in FLOATS else e.precision)
    return e.ops.less(e.ops.abs(x), e.constant(math.inf, x.dtype))


@form("where")
def where(e: Emitter, specs: Specs, condition: Tensor, a: Tensor, b: Tensor) -> Any:
    a, b = alike(e, a, b)
    return e.elementwise("Where", [as_dtype(e, condition, "bool"), a, b], a.dtype)


@form("constant")
def constant(e: Emitter, specs: Specs, **attributes: Any) -> Any:
    raise AssertionError("an op without inputs is computed when it is written")


@form("cast")
def cast(e: Emitter, specs: Specs, x: Tensor, *, dtype: str) -> Any:
    return as_dtype(e, x, dtype)


@form("stop_gradient", "linear")
def unchanged(e: Emitter, specs: Specs, x: Tensor) -> Any:
    return x


@form("expm1")
def expm1(e: Emitter, specs: Specs, x: Tensor) -> Any:
    """Near 0 by 2 t / (1 - t) with t = tanh(x / 2), which loses no digits there."""
    half = e.ops.tanh(x * 0.5)
    return e.ops.where(e.ops.abs(x) < 0.5, 2.0 * half / (1.0 - half), e.ops.exp(x) - 1.0)


@form("log1p")
def log1p(e: Emitter, specs: Specs, x: Tensor) -> Any:
    """log(u) x / (u - 1) with u = 1 + x, rounded: the error of u cancels (Kahan)."""
    u = 1.0 + x
    near = e.ops.equal(u, 1.0)
    safe = e.ops.where(near, 1.0, u - 1.0)
    return e.ops.where(near, x, e.ops.log(u) * (x / safe))


@form("mod")
def mod(e: Emitter, specs: Specs, a: Tensor, b: Tensor) -> Any:
    """With the sign of the divisor. ONNX has that for integers; for floats it has C's fmod."""
    a, b = alike(e, a, b)
    if a.dtype not in FLOATS:
        return e.elementwise("Mod", [a, b], a.dtype)
    rest = e.elementwise("Mod", [a, b], a.dtype, fmod=1)
    signs_differ = e.ops.less(rest * b, 0.0)
    return e.ops.where(signs_differ, rest + b, rest)


@form("floor_divide")
def floor_divide(e: Emitter, specs: Specs, a: Tensor, b: Tensor) -> Any:
    a, b = alike(e, a, b)
    if a.dtype in FLOATS:
        return e.ops.floor(a / b)
    return e.elementwise("Div", [a - e.ops.mod(a, b), b], a.dtype)


@form("arctan2")
def arctan2(e: Emitter, specs: Specs, y: Tensor, x: Tensor) -> Any:
    """From arctan(y / x) by quadrant; ONNX has no such op."""
    on_axis = e.ops.equal(x, 0.0)
    angle = e.ops.arctan(y / e.ops.where(on_axis, 1.0, x))
    half_turn = e.ops.where(e.ops.less(y, 0.0), -math.pi, math.pi)
    beside = e.ops.where(e.ops.less(x, 0.0), angle + half_turn, angle)
    return e.ops.where(on_axis, e.ops.sign(y) * (math.pi / 2), beside)


@form("clip")
def clip(e: Emitter, specs: Specs, x: Tensor, *, minimum: float | None, maximum: float | None) -> Any:
    if x.dtype not in FLOATS:
        x = x if minimum is None else e.ops.maximum(x, e.constant(minimum, x.dtype))
        return x if maximum is None else e.ops.minimum(x, e.constant(maximum, x.dtype))
    ends = ["" if end is None else e.initialiser(np.asarray(end, x.dtype)) for end in (minimum, maximum)]
    while ends and not ends[-1]:
        ends.pop()
    name = e.one("Clip", x.first if x.first_only else x.last, *ends)
    return e.as_tensor(name, TensorSpec(x.shape, x.dtype), first=x.first_only)


@form("relu6")
def relu6(e: Emitter, specs: Specs, x: Tensor) -> Any:
    return e.ops.clip(x, minimum=0.0, maximum=6.0)


def _with_alpha(name: str, op: str, key: str) -> None:
    @form(name)
    def write(e: Emitter, specs: Specs, x: Tensor, **attributes: Any) -> Any:
        alpha = float(attributes.get(key, 1.0))
        return e.elementwise(op, [x], x.dtype, alpha=alpha)


_with_alpha("leaky_relu", "LeakyRelu", "negative_slope")
_with_alpha("elu", "Elu", "alpha")


@form("threshold")
def threshold(e: Emitter, specs: Specs, x: Tensor, *, threshold: float, value: float) -> Any:
    return e.ops.where(x > threshold, x, value)


@form("hard_shrink")
def hard_shrink(e: Emitter, specs: Specs, x: Tensor, *, threshold: float = 0.5) -> Any:
    return e.ops.where(e.ops.abs(x) > threshold, x, 0.0)


def _softmax(name: str, op: str) -> None:
    @form(name)
    def write(e: Emitter, specs: Specs, x: Tensor, *, axis: Any = -1) -> Any:
        axes = axes_of(x.rank, axis)
        if len(axes) == 1:
            at = moved(axes[0], x.rank) if x.first_only else axes[0]
            # The last axis is written as -1: it is what most readers have a fast path for.
            return e.elementwise(op, [x], x.dtype, axis=-1 if at == x.rank - 1 else at)
        shifted = x - e.ops.max(x, axis=axes, keepdims=True)
        total = e.ops.sum(e.ops.exp(shifted), axis=axes, keepdims=True)
        return e.ops.exp(shifted) / total if op == "Softmax" else shifted - e.ops.log(total)


_softmax("softmax", "Softmax")
_softmax("log_softmax", "LogSoftmax")

# -- reductions -------------------------------------------------------------------------------------
REDUCTIONS = {
    "sum": "ReduceSum",
    "mean": "ReduceMean",
    "max": "ReduceMax",
    "min": "ReduceMin",
    "prod": "ReduceProd",
}
GLOBAL = {"mean": "GlobalAveragePool", "max": "GlobalMaxPool"}


def _reduction(name: str, op: str) -> None:
    @form(name)
    def write(e: Emitter, specs: Specs, x: Tensor, *, axis: Any = None, keepdims: bool = False) -> Any:
        spec = TensorSpec(specs[0].shape, x.dtype)
        axes = axes_of(x.rank, axis)
        if not axes:
            return x
        whole = x.rank >= 3 and axes == tuple(range(1, x.rank - 1))
        if whole and x.first_only and name in GLOBAL:
            pooled = e.one(GLOBAL[name], x.first)
            return e.as_tensor(pooled if keepdims else e.one("Flatten", pooled, axis=1), spec, first=keepdims)
        # Without its spatial axes a value is the same in both orders.
        front = x.first_only and (keepdims or set(range(1, x.rank - 1)) <= set(axes))
        places = sorted(moved(a, x.rank) for a in axes) if front else sorted(axes)
        source = x.first if front else x.last
        if op == "ReduceSum":
            reduced = e.one(op, source, e.integers(places), keepdims=int(keepdims))
        else:
            reduced = e.one(op, source, axes=places, keepdims=int(keepdims))
        return e.as_tensor(reduced, spec, first=front and keepdims)


for _name, _op in REDUCTIONS.items():
    _reduction(_name, _op)


def _truth(name: str, extreme: str) -> None:
    @form(name)
    def write(e: Emitter, specs: Specs, x: Tensor, *, axis: Any = None, keepdims: bool = False) -> Any:
        extremum = getattr(e.ops, extreme)(
            as_dtype(e, as_dtype(e, x, "bool"), "int32"), axis=axis, keepdims=keepdims
        )
        return as_dtype(e, extremum, "bool")


_truth("any", "max")
_truth("all", "min")


def _arg(name: str, op: str) -> None:
    @form(name)
    def write(e: Emitter, specs: Specs, x: Tensor, *, axis: int, keepdims: bool = False) -> Any:
        index = e.one(op, x.last, axis=axis % x.rank, keepdims=int(keepdims))
        return as_dtype(e, e.as_tensor(index, TensorSpec(specs[0].shape, "int64")), "int32")


_arg("argmax", "ArgMax")
_arg("argmin", "ArgMin")


@form("cumsum")
def cumsum(e: Emitter, specs: Specs, x: Tensor, *, axis: int) -> Any:
    place = e.initialiser(np.asarray(axis % x.rank, "int64"))
    return e.as_tensor(e.one("CumSum", x.last, place), x.spec())


@form("sort")
def sort(e: Emitter, specs: Specs, x: Tensor, *, axis: int = -1) -> Any:
    axis %= x.rank
    length = x.shape[axis]
    if length is None:
        count = e.one("Gather", e.one("Shape", x.last), e.integers([axis]), axis=0)
    else:
        count = e.integers([length])
    values, _ = e.node("TopK", [x.last, count], 2, axis=axis, largest=0, sorted=1)
    return e.as_tensor(values, x.spec())


@form("top_k")
def top_k(e: Emitter, specs: Specs, x: Tensor, *, k: int) -> tuple[Tensor, Tensor]:
    values, indices = e.node("TopK", [x.last, e.integers([k])], 2, axis=-1, largest=1, sorted=1)
    positions = e.as_tensor(indices, TensorSpec(specs[1].shape, "int64"))
    return e.as_tensor(values, TensorSpec(specs[0].shape, x.dtype)), as_dtype(e, positions, "int32")


@form("matmul")
def matmul(e: Emitter, specs: Specs, a: Tensor, b: Tensor) -> Any:
    a, b = alike(e, a, b)
    return e.as_tensor(e.one("MatMul", a.last, b.last), TensorSpec(specs[0].shape, a.dtype))


@form("dense")
def dense(e: Emitter, specs: Specs, x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Any:
    if x.rank == 2 and bias is not None:
        return e.as_tensor(e.one("Gemm", x.last, kernel.last, bias.last), TensorSpec(specs[0].shape, x.dtype))
    y = e.ops.matmul(x, kernel)
    return y if bias is None else y + bias


@form("einsum")
def einsum(e: Emitter, specs: Specs, *inputs: Tensor, equation: str) -> Any:
    name = e.node("Einsum", [t.last for t in inputs], equation=equation)[0]
    return e.as_tensor(name, TensorSpec(specs[0].shape, inputs[0].dtype))
