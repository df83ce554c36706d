"""Lowerings of elementwise ``keras.ops``: arithmetic, comparison, logic, activations, casts."""

from __future__ import annotations

import math
from typing import Any

from keras.src.activations import activations as ka
from keras.src.backend import result_type
from keras.src.ops import core as kc
from keras.src.ops import math as km
from keras.src.ops import nn as knn
from keras.src.ops import numpy as knp

from crosstrain.errors import CrosstrainError
from crosstrain.graph.builder import run_dtype
from crosstrain.graph.keras_import.registry import lowers
from crosstrain.graph.keras_import.trace import Tracer

UNARY: dict[type, str] = {
    knp.Absolute: "abs", knp.Abs: "abs", knp.Fabs: "abs", knp.Negative: "negative", knp.Sign: "sign",
    knp.Exp: "exp",
    knp.Expm1: "expm1", knp.Log: "log", knp.Log1p: "log1p", knp.Sqrt: "sqrt", knp.Sin: "sin", knp.Cos: "cos",
    knp.Tan: "tan", knp.Arcsin: "arcsin", knp.Arccos: "arccos", knp.Arctan: "arctan", knp.Sinh: "sinh",
    knp.Cosh: "cosh", knp.Tanh: "tanh", knp.Arcsinh: "arcsinh", knp.Arccosh: "arccosh",
    knp.Arctanh: "arctanh",
    knp.Floor: "floor", knp.Ceil: "ceil", knp.Square: "square", knp.Reciprocal: "reciprocal",
    km.Rsqrt: "rsqrt",
    km.Erf: "erf", knn.Relu: "relu", knn.Relu6: "relu6", knn.Sigmoid: "sigmoid", knn.Softplus: "softplus",
    knn.Softsign: "softsign", knn.Silu: "silu", knn.LogSigmoid: "log_sigmoid",
    knn.HardSigmoid: "hard_sigmoid",
    knn.HardSilu: "hard_silu", knn.Selu: "selu", knn.TanhShrink: "tanh_shrink", knn.HardTanh: "hard_tanh",
    kc.StopGradient: "stop_gradient",
}  # fmt: skip
"""One input, one output of the same shape, no settings."""

WITH_SETTINGS: dict[type, tuple[str, dict[str, str]]] = {
    knn.LeakyRelu: ("leaky_relu", {"negative_slope": "negative_slope"}),
    knn.Elu: ("elu", {"alpha": "alpha"}),
    knn.Gelu: ("gelu", {"approximate": "approximate"}),
    knn.Celu: ("celu", {"alpha": "alpha"}),
    knn.Glu: ("glu", {"axis": "axis"}),
    knn.SoftShrink: ("soft_shrink", {"threshold": "threshold"}),
    knn.HardShrink: ("hard_shrink", {"threshold": "threshold"}),
    knn.Threshold: ("threshold", {"threshold": "threshold", "value": "default_value"}),
    knn.Squareplus: ("squareplus", {"b": "b"}),
    knn.Softmax: ("softmax", {"axis": "axis"}),
    knn.LogSoftmax: ("log_softmax", {"axis": "axis"}),
}
"""Operation → op and, for each attribute of the op, the operation's attribute."""

BINARY: dict[type, str] = {
    knp.Add: "add", knp.Subtract: "subtract", knp.Multiply: "multiply", knp.Divide: "divide",
    knp.TrueDivide: "divide",
    knp.Power: "power", knp.Maximum: "maximum", knp.Minimum: "minimum", knp.Mod: "mod",
    knp.FloorDivide: "floor_divide",
    knp.Arctan2: "arctan2", knp.Logaddexp: "logaddexp",
}  # fmt: skip

COMPARISON: dict[type, str] = {
    knp.Equal: "equal", knp.NotEqual: "not_equal", knp.Greater: "greater", knp.GreaterEqual: "greater_equal",
    knp.Less: "less", knp.LessEqual: "less_equal",
}  # fmt: skip

LOGICAL: dict[type, str] = {
    knp.LogicalAnd: "logical_and", knp.LogicalOr: "logical_or", knp.LogicalXor: "logical_xor",
    knp.LogicalNot: "logical_not",
}  # fmt: skip

TESTS: dict[type, str] = {knp.Isnan: "isnan", knp.Isfinite: "isfinite"}


def common(*values: Any) -> str:
    """The dtype in which Keras compares or joins values."""
    return run_dtype(result_type(*[getattr(v, "dtype", type(v)) for v in values]))


@lowers(*UNARY)
def unary(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    return t.emit(UNARY[type(operation)], t.cast(x, run_dtype(spec.dtype)))


@lowers(*WITH_SETTINGS)
def with_settings(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    op, names = WITH_SETTINGS[type(operation)]
    settings = {ours: getattr(operation, theirs) for ours, theirs in names.items()}
    return t.emit(op, t.cast(x, run_dtype(spec.dtype)), **settings)


@lowers(*BINARY)
def binary(t: Tracer, operation: Any, spec: Any, a: Any, b: Any) -> Any:
    dtype = run_dtype(spec.dtype)
    return t.emit(BINARY[type(operation)], t.cast(a, dtype), t.cast(b, dtype))


@lowers(*COMPARISON)
def comparison(t: Tracer, operation: Any, spec: Any, a: Any, b: Any) -> Any:
    dtype = common(a, b)
    return t.emit(COMPARISON[type(operation)], t.cast(a, dtype), t.cast(b, dtype))


@lowers(*LOGICAL)
def logical(t: Tracer, operation: Any, spec: Any, *inputs: Any) -> Any:
    return t.emit(LOGICAL[type(operation)], *[t.cast(i, "bool") for i in inputs])


@lowers(*TESTS)
def tests(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    return t.emit(TESTS[type(operation)], t.cast(x, "float32"))


@lowers(knp.Isinf)
def isinf(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    x = t.cast(x, "float32")
    return t.op.logical_not(t.op.logical_or(t.op.isfinite(x), t.op.isnan(x)))


@lowers(knp.Where)
def where(t: Tracer, operation: Any, spec: Any, condition: Any, a: Any = None, b: Any = None) -> Any:
    if a is None or b is None:
        raise CrosstrainError(
            f"{t.where} calls ops.where with a condition alone, whose result has no fixed shape"
        )
    dtype = run_dtype(spec.dtype)
    return t.op.where(t.cast(condition, "bool"), t.cast(a, dtype), t.cast(b, dtype))


@lowers(knp.Select)
def select(t: Tracer, operation: Any, spec: Any, conditions: Any, choices: Any, default: Any = 0) -> Any:
    dtype = run_dtype(spec.dtype)
    result = t.cast(default, dtype)
    for condition, choice in reversed(list(zip(conditions, choices, strict=True))):
        result = t.op.where(t.cast(condition, "bool"), t.cast(choice, dtype), result)
    return result


@lowers(knp.Clip)
def clip(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    low, high = operation.x_min, operation.x_max
    x = t.cast(x, run_dtype(spec.dtype))
    if all(isinstance(limit, int | float | None) for limit in (low, high)):
        return t.op.clip(x, minimum=low, maximum=high)
    for op, limit in (("maximum", low), ("minimum", high)):
        if limit is not None:
            x = t.emit(op, x, t.cast(limit, run_dtype(spec.dtype)))
    return x


@lowers(kc.Cast, kc.ConvertToTensor, knp.Copy, knp.Array)
def cast(t: Tracer, operation: Any, spec: Any, x: Any, *_: Any) -> Any:
    return t.cast(x, run_dtype(spec.dtype))


@lowers(knp.Round)
def round_(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    x = t.cast(x, run_dtype(spec.dtype))
    if operation.decimals == 0:
        return t.op.round(x)
    scale = 10.0**operation.decimals
    return t.op.divide(t.op.round(t.op.multiply(x, scale)), scale)


@lowers(knp.DivideNoNan)
def divide_no_nan(t: Tracer, operation: Any, spec: Any, a: Any, b: Any) -> Any:
    """a / b, and 0 where b is 0; the gradient there is 0 too."""
    dtype = run_dtype(spec.dtype)
    a, b = t.cast(a, dtype), t.cast(b, dtype)
    safe = t.op.not_equal(b, t.cast(0, dtype))
    quotient = t.op.divide(a, t.op.where(safe, b, t.cast(1, dtype)))
    return t.op.where(safe, quotient, t.cast(0, dtype))


@lowers(ka.ReLU)
def relu(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    return rectified(t, x, operation.negative_slope, operation.max_value, operation.threshold)


def rectified(t: Tracer, x: Any, slope: Any, maximum: Any, threshold: Any) -> Any:
    """Keras's ReLU with all its settings: f(x) = max_value where x >= max_value, x where x >= threshold,
    else slope · (x - threshold)."""
    slope, threshold = float(slope or 0), float(threshold or 0)
    if threshold == 0 and slope == 0 and maximum == 6:
        return t.op.relu6(x)
    zero = t.cast(0.0, "float32")
    if threshold == 0:
        y = t.op.leaky_relu(x, negative_slope=slope) if slope else t.op.relu(x)
    else:
        above = t.op.greater(x, t.cast(threshold, "float32"))
        below = (
            t.op.multiply(t.op.subtract(x, t.cast(threshold, "float32")), t.cast(slope, "float32"))
            if slope
            else zero
        )
        y = t.op.where(above, x, below)
    return y if maximum is None else t.op.clip(y, minimum=None, maximum=float(maximum))


@lowers(ka.Mish)
def mish(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    return t.op.multiply(x, t.op.tanh(t.op.softplus(x)))


FORMULAS: dict[type, Any] = {
    knp.Cbrt: lambda t, x: t.op.multiply(t.op.sign(x), t.op.power(t.op.abs(x), 1 / 3)),
    knp.Exp2: lambda t, x: t.op.exp(t.op.multiply(x, math.log(2))),
    knp.Log2: lambda t, x: t.op.divide(t.op.log(x), math.log(2)),
    knp.Log10: lambda t, x: t.op.divide(t.op.log(x), math.log(10)),
    knp.Deg2rad: lambda t, x: t.op.multiply(x, math.pi / 180),
    knp.Rad2deg: lambda t, x: t.op.multiply(x, 180 / math.pi),
    knp.Trunc: lambda t, x: t.op.multiply(t.op.sign(x), t.op.floor(t.op.abs(x))),
    km.Erfc: lambda t, x: t.op.subtract(1.0, t.op.erf(x)),
    knn.SparseSigmoid: lambda t, x: t.op.clip(t.op.multiply(t.op.add(x, 1.0), 0.5), minimum=0.0, maximum=1.0),
    knn.SparsePlus: lambda t, x: t.op.where(
        t.op.less_equal(x, -1.0),
        0.0,
        t.op.where(t.op.less(x, 1.0), t.op.multiply(t.op.square(t.op.add(x, 1.0)), 0.25), x),
    ),
}


@lowers(*FORMULAS)
def formula(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    return FORMULAS[type(operation)](t, t.cast(x, run_dtype(spec.dtype)))


@lowers(knp.Hypot)
def hypot(t: Tracer, operation: Any, spec: Any, a: Any, b: Any) -> Any:
    return t.op.sqrt(t.op.add(t.op.square(t.cast(a, "float32")), t.op.square(t.cast(b, "float32"))))


@lowers(knp.Isclose)
def isclose(
    t: Tracer, operation: Any, spec: Any, a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8
) -> Any:
    a, b = t.cast(a, "float32"), t.cast(b, "float32")
    bound = t.op.add(t.op.multiply(t.op.abs(b), rtol), atol)
    return t.op.less_equal(t.op.abs(t.op.subtract(a, b)), bound)
