"""Arithmetic, comparison and logic."""

from __future__ import annotations

from typing import Any

from crosstrain.exchange.reading.values import Value
from crosstrain.exchange.torch_import.values import AtenNode, TorchReader, operand, reads

UNARY = {
    "abs": "abs", "neg": "negative", "negative": "negative", "sign": "sign", "sgn": "sign", "exp": "exp",
    "log": "log", "sqrt": "sqrt", "rsqrt": "rsqrt", "sin": "sin", "cos": "cos", "tan": "tan",
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "floor": "floor", "ceil": "ceil",
    "round": "round", "erf": "erf", "sigmoid": "sigmoid", "relu": "relu", "reciprocal": "reciprocal",
    "square": "square", "expm1": "expm1", "log1p": "log1p",
}  # fmt: skip
TESTS = {"logical_not": "logical_not", "isnan": "isnan", "isfinite": "isfinite"}
BINARY = {
    "mul": "multiply", "multiply": "multiply", "maximum": "maximum", "minimum": "minimum",
    "remainder": "mod", "floor_divide": "floor_divide", "atan2": "arctan2", "true_divide": "divide",
}  # fmt: skip
COMPARISON = {
    "eq": "equal", "ne": "not_equal", "gt": "greater", "ge": "greater_equal", "lt": "less",
    "le": "less_equal", "logical_and": "logical_and", "logical_or": "logical_or",
    "logical_xor": "logical_xor", "bitwise_and": "logical_and", "bitwise_or": "logical_or",
    "bitwise_xor": "logical_xor",
}  # fmt: skip
BITS = ("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not")
LOGIC = ("logical_and", "logical_or", "logical_xor", *BITS)


@reads(*UNARY)
def unary(r: TorchReader, n: AtenNode) -> Value:
    x = r.number_or_value(operand(n), n.dtype)
    if n.get("decimals"):
        raise r.refusal("rounds to decimals")
    return r.elementwise(UNARY[n.op], x)


@reads(*TESTS)
def test(r: TorchReader, n: AtenNode) -> Value:
    return r.elementwise(TESTS[n.op], operand(n))


@reads("bitwise_not")
def bitwise_not(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n)
    if x.dtype != "bool":
        raise r.refusal("computes with the bits of whole numbers")
    return r.elementwise("logical_not", x)


def _pair(r: TorchReader, n: AtenNode, dtype: str = "") -> tuple[Value, Value]:
    dtype = dtype or n.dtype
    return r.number_or_value(operand(n), dtype), r.number_or_value(n["other"], dtype)


@reads(*BINARY)
def binary(r: TorchReader, n: AtenNode) -> Value:
    a, b = _pair(r, n)
    if n.dtype == "bool":
        return r.elementwise("logical_and", a, b)
    return r.elementwise(BINARY[n.op], a, b)


def _scaled(r: TorchReader, n: AtenNode, value: Value) -> Value:
    alpha = n.get("alpha", 1)
    return value if alpha == 1 else r.elementwise("multiply", value, r.numbers(alpha, value))


@reads("add", "sub", "subtract", "rsub")
def added(r: TorchReader, n: AtenNode) -> Value:
    a, b = _pair(r, n)
    if n.dtype == "bool":
        return r.elementwise("logical_or", a, b)
    if n.op == "rsub":
        return r.elementwise("subtract", b, _scaled(r, n, a))
    return r.elementwise("add" if n.op == "add" else "subtract", a, _scaled(r, n, b))


@reads("div", "divide")
def divide(r: TorchReader, n: AtenNode) -> Value:
    mode = n.get("rounding_mode", "")
    if n.dtype != "float32" and mode == "trunc":
        a, b = _pair(r, n)
        sign = r.elementwise("multiply", r.elementwise("sign", a), r.elementwise("sign", b))
        whole = r.elementwise("floor_divide", r.elementwise("abs", a), r.elementwise("abs", b))
        return r.elementwise("multiply", sign, whole)
    a, b = _pair(r, n)
    if mode == "floor":
        return r.elementwise("floor_divide", a, b)
    ratio = r.elementwise("divide", a, b)
    if mode == "trunc":
        size = r.elementwise("floor", r.elementwise("abs", ratio))
        return r.elementwise("multiply", r.elementwise("sign", ratio), size)
    return ratio


@reads("fmod")
def fmod(r: TorchReader, n: AtenNode) -> Value:
    """The remainder with the sign of the dividend."""
    a, b = _pair(r, n)
    rest = r.elementwise("mod", r.elementwise("abs", a), r.elementwise("abs", b))
    return r.elementwise("multiply", r.elementwise("sign", a), rest)


@reads("pow")
def power(r: TorchReader, n: AtenNode) -> Value:
    base, exponent = n["self"], n["exponent"]
    if not isinstance(exponent, Value) and isinstance(base, Value) and n.dtype == "float32":
        x = r.number_or_value(base, "float32")
        number = float(exponent)
        simple = {2.0: "square", 0.5: "sqrt", -0.5: "rsqrt", -1.0: "reciprocal"}
        if number in simple:
            return r.elementwise(simple[number], x)
        if number == 1.0:
            return x
        if number == 3.0:
            return r.elementwise("multiply", r.elementwise("square", x), x)
        return r.elementwise("power", x, r.numbers(number, x))
    return r.elementwise("power", r.number_or_value(base, n.dtype), r.number_or_value(exponent, n.dtype))


def _widest(*operands: Any) -> str:
    """The dtype in which operands are compared."""
    order = ("bool", "uint8", "int32", "float32")
    kinds = {bool: "bool", int: "int32", float: "float32"}
    dtypes = [o.dtype if isinstance(o, Value) else kinds[type(o)] for o in operands]
    return max(dtypes, key=lambda d: order.index(d) if d in order else 2)


@reads(*COMPARISON)
def comparison(r: TorchReader, n: AtenNode) -> Value:
    a, b = operand(n), n["other"]
    if n.op in LOGIC:
        if n.op in BITS and _widest(a, b) != "bool":
            raise r.refusal("computes with the bits of whole numbers")
        return r.elementwise(COMPARISON[n.op], *(r.number_or_value(v, "bool") for v in (a, b)))
    dtype = _widest(a, b)
    return r.elementwise(COMPARISON[n.op], r.number_or_value(a, dtype), r.number_or_value(b, dtype))


@reads("where")
def where(r: TorchReader, n: AtenNode) -> Value:
    condition = r.number_or_value(n["condition"], "bool")
    return r.elementwise(
        "where", condition, r.number_or_value(n["self"], n.dtype), r.number_or_value(n["other"], n.dtype)
    )


@reads("masked_fill")
def masked_fill(r: TorchReader, n: AtenNode) -> Value:
    x, mask = operand(n), r.number_or_value(n["mask"], "bool")
    return r.elementwise("where", mask, r.number_or_value(n["value"], x.dtype), x)


@reads("clamp", "clip", "clamp_min", "clamp_max", "hardtanh")
def clamp(r: TorchReader, n: AtenNode) -> Value:
    x = r.number_or_value(operand(n), n.dtype)
    keys = ("min_val", "max_val") if n.op == "hardtanh" else ("min", "max")
    low, high = (n.arguments.get(key) for key in keys)
    if n.dtype != "float32" or isinstance(low, Value) or isinstance(high, Value):
        for op, end in (("maximum", low), ("minimum", high)):
            x = x if end is None else r.elementwise(op, x, r.number_or_value(end, n.dtype))
        return x
    if (low, high) == (0.0, 6.0):
        return r.elementwise("relu6", x)
    if low == 0 and high is None:
        return r.elementwise("relu", x)
    ends = (None if e is None else float(e) for e in (low, high))
    return r.elementwise("clip", x, **dict(zip(("minimum", "maximum"), ends, strict=True)))


@reads("lerp")
def lerp(r: TorchReader, n: AtenNode) -> Value:
    a, b = operand(n), n["end"]
    weight = r.number_or_value(n["weight"], "float32")
    return r.elementwise("add", a, r.elementwise("multiply", weight, r.elementwise("subtract", b, a)))


@reads("addcmul", "addcdiv")
def added_product(r: TorchReader, n: AtenNode) -> Value:
    op = "multiply" if n.op == "addcmul" else "divide"
    part = r.elementwise(op, n["tensor1"], n["tensor2"])
    value = n.get("value", 1)
    if value != 1:
        part = r.elementwise("multiply", part, r.numbers(value, part))
    return r.elementwise("add", operand(n), part)


@reads("to", "_to_copy", "type_as", "float", "double", "long", "int", "bool")
def cast(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n)
    return x if x.dtype == n.dtype else r.number_or_value(x, n.dtype)


@reads(
    "contiguous", "clone", "alias", "lift_fresh_copy", "lift_fresh", "dropout_eval", "positive",
    "_assert_tensor_metadata",
)  # fmt: skip
def identity(r: TorchReader, n: AtenNode) -> Value | None:
    return None if n.op.startswith("_assert") else operand(n)


@reads("detach")
def detach(r: TorchReader, n: AtenNode) -> Value:
    return detached(r, operand(n))


def detached(r: TorchReader, x: Value) -> Value:
    """The value without a way back for gradients."""
    return x if x.array is not None or x.dtype != "float32" else r.elementwise("stop_gradient", x)
