"""Elementwise arithmetic, comparison and logic: one row each, broadcasting as NumPy does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crosstrain.graph.node import TensorSpec
from crosstrain.graph.ops.row import composite, primitive
from crosstrain.graph.ops.shapes import boolean, broadcast, same

UNARY = {
    "negative": np.negative, "abs": np.abs, "sign": np.sign,
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "arcsin": np.arcsin, "arccos": np.arccos,
    "arctan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "arcsinh": np.arcsinh, "arccosh": np.arccosh, "arctanh": np.arctanh,
    "floor": np.floor, "ceil": np.ceil, "round": np.round,
}  # fmt: skip
BINARY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "power": np.power,
    "maximum": np.maximum, "minimum": np.minimum, "mod": np.mod, "floor_divide": np.floor_divide,
    "arctan2": np.arctan2,
}  # fmt: skip
COMPARISON = {
    "equal": np.equal, "not_equal": np.not_equal, "greater": np.greater, "greater_equal": np.greater_equal,
    "less": np.less, "less_equal": np.less_equal, "logical_and": np.logical_and, "logical_or": np.logical_or,
}  # fmt: skip
TEST = {"isnan": np.isnan, "isfinite": np.isfinite, "logical_not": np.logical_not}

for rows, rule in ((UNARY, same), (BINARY, broadcast), (COMPARISON, boolean), (TEST, boolean)):
    for key, function in rows.items():
        primitive(rule, name=key)(function)


@primitive(same)
def erf(x: Any) -> Any:
    """Error function."""
    return np.vectorize(math.erf, otypes=[x.dtype])(x)


@primitive(same)
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow."""
    return np.exp(-np.logaddexp(0, -x))


@primitive(same)
def relu(x: Any) -> Any:
    """max(x, 0); its gradient at 0 is 0."""
    return np.maximum(x, 0)


@primitive(lambda condition, a, b: broadcast(a, b) and broadcast(condition, a, b))
def where(condition: Any, a: Any, b: Any) -> Any:
    """``a`` where the condition holds, else ``b``."""
    return np.where(condition, a, b)


@primitive(lambda *, value, dtype: [_constant_spec(value, dtype)])
def constant(*, value: Any, dtype: str) -> Any:
    """A scalar or small list written into the graph."""
    return np.asarray(value, dtype)


def _constant_spec(value: Any, dtype: str) -> Any:
    return TensorSpec(np.shape(value), dtype)


@primitive(lambda x, *, dtype: [type(x)(x.shape, dtype)])
def cast(x: Any, *, dtype: str) -> Any:
    """Another dtype; ``float32`` is the precision of the run."""
    return np.asarray(x).astype(dtype)


@primitive(same)
def stop_gradient(x: Any) -> Any:
    """The value, through which no gradient flows."""
    return x


@composite(same)
def square(xp: Any, x: Any) -> Any:
    """x²."""
    return x * x


@composite(same)
def reciprocal(xp: Any, x: Any) -> Any:
    """1 / x."""
    return 1 / x


@composite(same)
def rsqrt(xp: Any, x: Any) -> Any:
    """1 / sqrt(x)."""
    return 1 / xp.sqrt(x)


@composite(same)
def clip(xp: Any, x: Any, *, minimum: float | None, maximum: float | None) -> Any:
    """Limited to [minimum, maximum]; the gradient outside is 0."""
    if minimum is not None:
        x = xp.where(x < minimum, xp.full_like(x, value=minimum), x)
    if maximum is not None:
        x = xp.where(x > maximum, xp.full_like(x, value=maximum), x)
    return x


@composite(broadcast)
def logaddexp(xp: Any, a: Any, b: Any) -> Any:
    """log(exp(a) + exp(b)), without overflow."""
    return xp.maximum(a, b) + xp.log1p(xp.exp(-xp.abs(a - b)))


@composite(broadcast)
def squared_difference(xp: Any, a: Any, b: Any) -> Any:
    """(a - b)²."""
    return xp.square(a - b)


@composite(boolean)
def logical_xor(xp: Any, a: Any, b: Any) -> Any:
    """Exactly one of both."""
    return xp.not_equal(xp.cast(a, dtype="bool"), xp.cast(b, dtype="bool"))
