"""Reads ONNX's elementwise ops, reductions and products as ops of the vocabulary."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx

from crosstrain.exchange.onnx.reading.values import NodeView, reads
from crosstrain.exchange.reading.shaping import reduced
from crosstrain.exchange.reading.values import Reader, Value
from crosstrain.graph.graph import TensorSpec
from crosstrain.graph.ops import VOCABULARY

UNARY = {
    "Abs": "abs", "Neg": "negative", "Sign": "sign", "Exp": "exp", "Log": "log", "Sqrt": "sqrt", "Sin": "sin",
    "Cos": "cos", "Tan": "tan", "Asin": "arcsin", "Acos": "arccos", "Atan": "arctan", "Sinh": "sinh",
    "Cosh": "cosh", "Tanh": "tanh", "Asinh": "arcsinh", "Acosh": "arccosh", "Atanh": "arctanh",
    "Floor": "floor", "Ceil": "ceil", "Round": "round", "Erf": "erf", "Sigmoid": "sigmoid", "Relu": "relu",
    "Softplus": "softplus", "Softsign": "softsign", "Reciprocal": "reciprocal", "Not": "logical_not",
    "IsNaN": "isnan", "HardSwish": "hard_silu",
}  # fmt: skip
BINARY = {
    "Add": "add", "Sub": "subtract", "Mul": "multiply", "And": "logical_and", "Or": "logical_or",
    "Xor": "logical_xor", "Equal": "equal", "Greater": "greater", "GreaterOrEqual": "greater_equal",
    "Less": "less", "LessOrEqual": "less_equal",
}  # fmt: skip
VARIADIC = {"Max": "maximum", "Min": "minimum", "Sum": "add"}


def _value(r: Reader, n: NodeView, index: int = 0) -> Value:
    operand = n.input(index)
    if operand is None:
        raise r.refusal(f"lacks its input {index}")
    return operand


def _unary(onnx_op: str, op: str) -> None:
    @reads(onnx_op)
    def read(r: Reader, n: NodeView) -> Value:
        return r.elementwise(op, _value(r, n))


def _aligned(r: Reader, n: NodeView, a: Value, b: Value) -> tuple[Value, Value]:
    """Before opset 7 ``axis`` said where the second input's axes begin."""
    axis = n.get("axis")
    if axis is None or n.opset >= 7 or b.rank == a.rank or b.rank == 0:
        return a, b
    shape = (*b.shape, *[1] * (a.rank - axis % a.rank - b.rank))
    if b.array is not None:
        return a, r.as_constant(b.array.reshape([s or 1 for s in shape]), b.label, b.parameter)
    return a, r.as_value(r.emit("reshape", b.first, shape=[-1 if s is None else s for s in shape]))


def _binary(onnx_op: str, op: str) -> None:
    @reads(onnx_op)
    def read(r: Reader, n: NodeView) -> Value:
        return r.elementwise(op, *_aligned(r, n, _value(r, n), _value(r, n, 1)))


def _variadic(onnx_op: str, op: str) -> None:
    @reads(onnx_op)
    def read(r: Reader, n: NodeView) -> Value:
        result = _value(r, n)
        for index in range(1, len(n.inputs)):
            result = r.elementwise(op, result, _value(r, n, index))
        return result


for _table, _adder in ((UNARY, _unary), (BINARY, _binary), (VARIADIC, _variadic)):
    for _key, _op in _table.items():
        _adder(_key, _op)


@reads("Mean")
def mean(r: Reader, n: NodeView) -> Value:
    result = _value(r, n)
    for index in range(1, len(n.inputs)):
        result = r.elementwise("add", result, _value(r, n, index))
    return r.elementwise("divide", result, r.numbers(len(n.inputs), result))


@reads("Div")
def divide(r: Reader, n: NodeView) -> Value:
    a, b = _aligned(r, n, _value(r, n), _value(r, n, 1))
    if a.dtype == "float32":
        return r.elementwise("divide", a, b)
    if a.dtype == "uint8":
        return r.elementwise("floor_divide", a, b)
    # Whole numbers lose their fraction towards 0.
    sign = r.elementwise("multiply", r.elementwise("sign", a), r.elementwise("sign", b))
    whole = r.elementwise("floor_divide", r.elementwise("abs", a), r.elementwise("abs", b))
    return r.elementwise("multiply", sign, whole)


@reads("Pow")
def power(r: Reader, n: NodeView) -> Value:
    a, b = _aligned(r, n, _value(r, n), _value(r, n, 1))
    if b.array is not None and b.array.size == 1 and a.dtype == "float32" and b.shape in ((), (1,)):
        exponent = float(b.array.reshape(()))
        if exponent == 2:
            return r.elementwise("square", a)
        if exponent == 0.5:
            return r.elementwise("sqrt", a)
    if a.dtype != b.dtype:
        wide = r.elementwise("power", *(r.elementwise("cast", v, dtype="float32") for v in (a, b)))
        return wide if a.dtype == "float32" else r.elementwise("cast", wide, dtype=a.dtype)
    return r.elementwise("power", a, b)


@reads("Mod")
def mod(r: Reader, n: NodeView) -> Value:
    a, b = _value(r, n), _value(r, n, 1)
    rest = r.elementwise("mod", a, b)
    if not n.get("fmod", 0) or a.dtype == "uint8":
        return rest
    # C's fmod has the sign of the dividend.
    none = r.elementwise("equal", rest, r.numbers(0, rest))
    zero = r.numbers(0, a)
    signs_differ = r.elementwise("not_equal", r.elementwise("less", a, zero), r.elementwise("less", b, zero))
    return r.elementwise(
        "where", none, rest, r.elementwise("where", signs_differ, r.elementwise("subtract", rest, b), rest)
    )


@reads("IsInf")
def isinf(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    largest = r.as_constant(np.float32(np.finfo("float32").max))
    # Compared with the largest finite number of float32, in float64 too.
    above = r.elementwise("greater", x, largest)
    below = r.elementwise("less", x, r.as_constant(np.float32(np.finfo("float32").min)))
    if not n.get("detect_negative", 1):
        return above
    return below if not n.get("detect_positive", 1) else r.elementwise("logical_or", above, below)


@reads("Where")
def where(r: Reader, n: NodeView) -> Value:
    return r.elementwise("where", _value(r, n), _value(r, n, 1), _value(r, n, 2))


@reads("Identity")
def identity(r: Reader, n: NodeView) -> Value:
    return _value(r, n)


@reads("Cast", "CastLike")
def cast(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    if n.op == "Cast":
        dtype = r.dtype(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(n.get("to"))).name)
    else:
        dtype = _value(r, n, 1).dtype
    if x.filled is not None:
        return Value(r, x.shape, dtype, filled=x.filled)
    return x if x.dtype == dtype else r.elementwise("cast", x, dtype=dtype)


# -- activations ------------------------------------------------------------------------------------
@reads("LeakyRelu")
def leaky_relu(r: Reader, n: NodeView) -> Value:
    return r.elementwise("leaky_relu", _value(r, n), negative_slope=n.get("alpha", 0.01))


@reads("Elu", "Celu")
def elu(r: Reader, n: NodeView) -> Value:
    return r.elementwise(n.op.lower(), _value(r, n), alpha=n.get("alpha", 1.0))


@reads("Selu")
def selu(r: Reader, n: NodeView) -> Value:
    alpha, gamma = n.get("alpha", 1.6732632423543772), n.get("gamma", 1.0507009873554805)
    x = _value(r, n)
    if math.isclose(alpha, 1.6732632423543772, rel_tol=1e-6) and math.isclose(
        gamma, 1.0507009873554805, rel_tol=1e-6
    ):
        return r.elementwise("selu", x)
    inner = r.elementwise("elu", x, alpha=alpha)
    return r.elementwise("multiply", inner, r.numbers(gamma, x))


@reads("HardSigmoid")
def hard_sigmoid(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    alpha, beta = n.get("alpha", 0.2), n.get("beta", 0.5)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5:
        return r.elementwise("hard_sigmoid", x)
    line = r.elementwise("add", r.elementwise("multiply", x, r.numbers(alpha, x)), r.numbers(beta, x))
    return r.elementwise("clip", line, minimum=0.0, maximum=1.0)


@reads("Gelu")
def gelu(r: Reader, n: NodeView) -> Value:
    return r.elementwise("gelu", _value(r, n), approximate=n.get("approximate", "none") == "tanh")


@reads("Mish")
def mish(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    return r.elementwise("multiply", x, r.elementwise("tanh", r.elementwise("softplus", x)))


@reads("Swish")
def swish(r: Reader, n: NodeView) -> Value:
    x, alpha = _value(r, n), n.get("alpha", 1.0)
    if alpha == 1.0:
        return r.elementwise("silu", x)
    scaled = r.elementwise("multiply", x, r.numbers(alpha, x))
    return r.elementwise("multiply", x, r.elementwise("sigmoid", scaled))


@reads("ThresholdedRelu")
def thresholded_relu(r: Reader, n: NodeView) -> Value:
    return r.elementwise("threshold", _value(r, n), threshold=n.get("alpha", 1.0), value=0.0)


@reads("Shrink")
def shrink(r: Reader, n: NodeView) -> Value:
    """Towards 0 by ``bias`` outside of [-lambd, lambd], 0 inside."""
    x, edge, bias = _value(r, n), n.get("lambd", 0.5), n.get("bias", 0.0)
    above = r.elementwise("greater", x, r.numbers(edge, x))
    below = r.elementwise("less", x, r.numbers(-edge, x))
    down = r.elementwise("subtract", x, r.numbers(bias, x))
    up = r.elementwise("add", x, r.numbers(bias, x))
    return r.elementwise("where", above, down, r.elementwise("where", below, up, r.numbers(0, x)))


@reads("PRelu")
def prelu(r: Reader, n: NodeView) -> Value:
    x, slope = _value(r, n), _value(r, n, 1)
    if (
        n.opset < 7
        and slope.rank == 1
        and x.rank > 2
        and slope.shape[0] == x.shape[1]
        and slope.array is not None
    ):
        # Then a slope for each channel was just a vector.
        each = slope.array.reshape(-1, *[1] * (x.rank - 2))
        slope = r.as_constant(each, slope.label, slope.parameter)
    if slope.array is not None and slope.array.size == 1 and slope.parameter:
        ref = r.parameter(slope, slope.array.reshape(()))
        factor = r.as_value(ref)
    else:
        factor = slope
    falling = r.elementwise("multiply", x, factor)
    return r.elementwise("where", r.elementwise("greater", x, r.numbers(0, x)), x, falling)


@reads("Clip")
def clip(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    ends = [n.constant(i, key) for i, key in ((1, "min"), (2, "max"))]
    low, high = (None if e is None else float(np.asarray(e).reshape(())) for e in ends)
    low, high = (None if e is None or math.isinf(e) else e for e in (low, high))
    if x.dtype == "float32" and (low, high) == (0.0, 6.0):
        return r.elementwise("relu6", x)
    if x.dtype != "float32":
        for op, end in (("maximum", low), ("minimum", high)):
            x = x if end is None else r.elementwise(op, x, r.numbers(int(end), x))
        return x
    return r.elementwise("clip", x, minimum=low, maximum=high)


@reads("Softmax", "LogSoftmax")
def softmax(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    op = "softmax" if n.op == "Softmax" else "log_softmax"
    axis = n.get("axis", -1 if n.opset >= 13 else 1) % max(x.rank, 1)
    if n.opset < 13:  # over all axes from this one on, as of a matrix
        axes: Any = tuple(i for i in range(axis, x.rank) if x.shape[i] != 1) or (axis,)
        axes = axes[0] if len(axes) == 1 else axes
        return r.as_value(r.emit(op, x.first, axis=axes))
    if x.last_only and axis == 1:
        return r.as_value(r.emit(op, x.last, axis=-1), last=True)
    return r.as_value(r.emit(op, x.first, axis=axis - x.rank if axis == x.rank - 1 else axis))


@reads("Hardmax")
def hardmax(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    axis = n.get("axis", -1 if n.opset >= 13 else 1) % x.rank
    if n.opset < 13 and axis != x.rank - 1:
        raise r.refusal("is over several axes at once")
    classes = x.shape[axis]
    if classes is None:
        raise r.refusal("is over the batch")
    return r.as_value(r.emit("one_hot", r.emit("argmax", x.first, axis=axis), classes=classes, axis=axis))


# -- reductions -------------------------------------------------------------------------------------
PLAIN = {
    "ReduceSum": "sum", "ReduceMean": "mean", "ReduceMax": "max", "ReduceMin": "min", "ReduceProd": "prod",
    "ReduceLogSumExp": "logsumexp",
}  # fmt: skip
BUILT = {
    "ReduceL1": ("abs", ""), "ReduceL2": ("square", "sqrt"), "ReduceLogSum": ("", "log"),
    "ReduceSumSquare": ("square", ""),
}  # fmt: skip


def _reduced(r: Reader, n: NodeView, x: Value, op: str) -> Value:
    axes = n.integers(1, "axes")
    keep = bool(n.get("keepdims", 1))
    if not axes:
        if n.get("noop_with_empty_axes", 0):
            return x
        axes = list(range(x.rank))
    if x.rank and op in ("max", "min", "logsumexp") and any(x.shape[a % x.rank] == 0 for a in axes):
        raise r.refusal("is of no numbers at all")
    return reduced(r, x, op, axes, keep)


@reads(*PLAIN)
def reduction(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    if x.dtype == "bool":
        result = _reduced(r, n, r.elementwise("cast", x, dtype="int32"), PLAIN[n.op])
        return r.elementwise("cast", result, dtype="bool")
    return _reduced(r, n, x, PLAIN[n.op])


@reads(*BUILT)
def built_reduction(r: Reader, n: NodeView) -> Value:
    before, after = BUILT[n.op]
    x = _value(r, n)
    if n.get("noop_with_empty_axes", 0) and not n.integers(1, "axes"):
        return (
            x
            if not after and not before
            else r.elementwise(after or before, r.elementwise(before or "linear", x))
        )
    result = _reduced(r, n, r.elementwise(before, x) if before else x, "sum")
    return r.elementwise(after, result) if after else result


@reads("ArgMax", "ArgMin")
def argument(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    axis, op = n.get("axis", 0) % x.rank, n.op.lower()
    keep = bool(n.get("keepdims", 1))
    source = x.first
    if n.get("select_last_index", 0):
        source = r.emit("flip", source, axis=axis)
    result = r.as_value(r.emit("cast", r.emit(op, source, axis=axis, keepdims=keep), dtype="int64"))
    if n.get("select_last_index", 0):
        length = x.shape[axis]
        if length is None:
            raise r.refusal("takes the last index over the batch")
        result = r.elementwise("subtract", r.numbers(length - 1, result), result)
    return result


@reads("CumSum")
def cumsum(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    axis = int(np.asarray(n.constant(1)).reshape(())) % x.rank
    ref = x.first
    if n.get("reverse", 0):
        ref = r.emit("flip", ref, axis=axis)
    total = r.as_value(r.emit("cumsum", ref, axis=axis))
    if n.get("exclusive", 0):
        total = r.elementwise("subtract", total, r.as_value(ref))
    return r.as_value(r.emit("flip", total.first, axis=axis)) if n.get("reverse", 0) else total


@reads("TopK")
def top_k(r: Reader, n: NodeView) -> tuple[Value, Value]:
    x = _value(r, n)
    count = n.integers(1, "k")
    k = count[0] if isinstance(count, list) and count else int(n.get("k", 1))
    axis, rank = n.get("axis", -1) % x.rank, x.rank
    order = [*(a for a in range(rank) if a != axis), axis]
    back = [order.index(a) for a in range(rank)]
    source = x.first if axis == rank - 1 else r.transposed(x.first, order)
    smallest = not n.get("largest", 1)
    values, indices = r.several("top_k", r.emit("negative", source) if smallest else source, k=k)
    values = r.emit("negative", values) if smallest else values
    pair = (values, r.emit("cast", indices, dtype="int64"))
    if axis != rank - 1:
        pair = (r.transposed(pair[0], back), r.transposed(pair[1], back))
    return r.as_value(pair[0]), r.as_value(pair[1])


# -- products ---------------------------------------------------------------------------------------
@reads("MatMul")
def matmul(r: Reader, n: NodeView) -> Value:
    a, b = _value(r, n), _value(r, n, 1)
    if 0.0 in (a.filled, b.filled):
        return _nothing(r, a, b)
    left, right = (
        r.parameter(v) if v.array is not None and v.array.dtype.kind == "f" else v.first for v in (a, b)
    )
    if b.array is not None and b.rank == 2 and a.rank >= 2 and b.dtype == "float32":
        return r.as_value(r.emit("dense", left, right))
    return r.as_value(r.emit("matmul", left, right))


def _nothing(r: Reader, a: Value, b: Value) -> Value:
    """A product with zeros as many as the batch (the first state of a layer that was written out)."""
    (spec,) = VOCABULARY["matmul"].shape(TensorSpec(a.shape, a.dtype), TensorSpec(b.shape, b.dtype))
    return Value(r, spec.shape, a.dtype, filled=0.0)


@reads("Gemm")
def gemm(r: Reader, n: NodeView) -> Value:
    a, b, c = _value(r, n), _value(r, n, 1), n.input(2)
    alpha, beta = n.get("alpha", 1.0), n.get("beta", 1.0)
    left = r.parameter(a) if a.array is not None else a.first
    if n.get("transA", 0):
        left = r.transposed(left, (1, 0))
    if b.array is not None:
        kernel = b.array.T if n.get("transB", 0) else b.array
        right = r.parameter(b, np.ascontiguousarray(kernel) * np.asarray(alpha, kernel.dtype))
    else:
        right = r.transposed(b.first, (1, 0)) if n.get("transB", 0) else b.first
        if alpha != 1.0:
            right = r.emit("multiply", right, r.builder.constant(alpha, "float32"))
    if c is None or beta == 0.0:
        return r.as_value(r.emit("dense", left, right))
    if c.array is not None:
        bias = c.array * np.asarray(beta, c.array.dtype)
        flat = bias[0] if bias.ndim == 2 and bias.shape[0] == 1 else bias
        shift = r.parameter(c, flat)
        units = r.builder.specs[right].shape[-1]
        if flat.shape == (units,):
            return r.as_value(r.emit("dense", left, right, shift))
    else:
        shift = c.first
        if beta != 1.0:
            shift = r.emit("multiply", shift, r.builder.constant(beta, "float32"))
    return r.elementwise("add", r.as_value(r.emit("matmul", left, right)), r.as_value(shift))


@reads("Einsum")
def einsum(r: Reader, n: NodeView) -> Value:
    values = [_value(r, n, i) for i in range(len(n.inputs))]
    refs = [r.parameter(v) if v.array is not None and v.parameter else v.first for v in values]
    return r.as_value(
        r.emit("einsum", *refs, equation=written_out(r, n.get("equation"), [v.rank for v in values]))
    )


def written_out(r: Reader, equation: str, ranks: list[int]) -> str:
    """An equation in which every axis has a letter and the result is named."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise r.refusal("has an equation that does not fit its inputs")
    free = [c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in equation]
    spans = [
        rank - len(t.replace("...", "")) if "..." in t else 0 for t, rank in zip(terms, ranks, strict=True)
    ]
    most = max(spans)
    letters = "".join(free[:most])
    terms = [t.replace("...", letters[most - s :]) for t, s in zip(terms, spans, strict=True)]
    if not arrow:
        joined = "".join(terms)
        right = letters + "".join(sorted(c for c in set(joined) - set(letters) if joined.count(c) == 1))
    right = right.replace("...", letters)
    if any(len(set(t)) != len(t) for t in terms):
        raise r.refusal("takes a diagonal")
    return ",".join(terms) + "->" + right
