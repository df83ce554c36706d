"""The op vocabulary on MLX, on channels-last values as the vocabulary has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np

from crosstrain.engines.mlx import float64, windows
from crosstrain.graph.evaluate import Implementation, Ops
from crosstrain.graph.ops.shapes import axes_of

Array = Any

DTYPES: dict[str, Any] = {
    "bool": mx.bool_,
    **{
        name: getattr(mx, name)
        for name in (
            "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8",
            "uint64", "uint32", "uint16", "uint8",
        )
    },
}  # fmt: skip


def _reduction(function: Callable[..., Array]) -> Implementation:
    def reduce(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
        return function(x, axis=axis, keepdims=keepdims)

    return reduce


def whole_sum(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
    """In the dtype of ``x``, which MLX widens for small whole numbers."""
    return mx.sum(x, axis=axis, keepdims=keepdims).astype(x.dtype)


def argmax(x: Array, *, axis: int, keepdims: bool = False) -> Array:
    return mx.argmax(x, axis=axis, keepdims=keepdims).astype(mx.int32)


def prod(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
    """As a product of slices: MLX's own gradient divides by x."""
    for a in sorted(axes_of(x.ndim, axis), reverse=True):
        first, *others = mx.split(x, x.shape[a], axis=a)
        for other in others:
            first = first * other
        x = first if keepdims else mx.squeeze(first, axis=a)
    return x


def sort(x: Array, *, axis: int = -1) -> Array:
    return mx.take_along_axis(x, mx.argsort(mx.stop_gradient(x), axis=axis), axis=axis)


def top_k(x: Array, *, k: int) -> tuple[Array, Array]:
    order = mx.argsort(-mx.stop_gradient(x), axis=-1)[..., :k]
    return mx.take_along_axis(x, order, axis=-1), order.astype(mx.int32)


def log_softmax(x: Array, *, axis: Any = -1) -> Array:
    return x - mx.logsumexp(x, axis=axis, keepdims=True)


def split(x: Array, *, sizes: tuple[int, ...], axis: int) -> list[Array]:
    ends: list[int] = np.cumsum(sizes)[:-1].tolist()
    parts: list[Array] = mx.split(x, ends, axis=axis)
    return parts


def broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    lead = len(shape) - x.ndim
    return mx.broadcast_to(x, [x.shape[i - lead] if s == -1 else s for i, s in enumerate(shape)])


def flip(x: Array, *, axis: Any) -> Array:
    reversed_axes = axes_of(x.ndim, axis)
    return x[tuple(slice(None, None, -1 if a in reversed_axes else 1) for a in range(x.ndim))]


def pad(x: Array, *, padding: Any, mode: str = "constant", value: float = 0.0) -> Array:
    if mode == "constant":
        return mx.pad(x, [tuple(pair) for pair in padding], constant_values=mx.array(value, x.dtype))
    for axis, pair in enumerate(padding):  # MLX has only "constant" and "edge"
        if any(pair):
            order: np.ndarray = np.pad(np.arange(x.shape[axis]), pair, mode=mode)  # type: ignore[call-overload]
            x = mx.take(x, mx.array(order.astype("int32")), axis=axis)
    return x


def _wrapped(indices: Array, length: int) -> Array:
    """Negative ones counted from the end."""
    return mx.where(indices < 0, indices + length, indices)


def take(x: Array, indices: Array, *, axis: int) -> Array:
    return mx.take(x, _wrapped(indices, x.shape[axis]), axis=axis)


def take_along_axis(x: Array, indices: Array, *, axis: int) -> Array:
    return mx.take_along_axis(x, _wrapped(indices, x.shape[axis]), axis=axis)


def one_hot(x: Array, *, classes: int, axis: int = -1, dtype: str = "float32") -> Array:
    hot = (mx.expand_dims(x, -1) == mx.arange(classes, dtype=x.dtype)).astype(DTYPES[dtype])
    return mx.moveaxis(hot, -1, axis)


def where(condition: Array, a: Any, b: Any) -> Array:
    return mx.where(condition if condition.dtype == mx.bool_ else condition != 0, a, b)


def floor_divide(a: Array, b: Array) -> Array:
    """Rounded down, where MLX rounds whole numbers towards 0."""
    if mx.issubdtype(a.dtype, mx.floating) or mx.issubdtype(b.dtype, mx.floating):
        return mx.floor(a / b)
    return (a - mx.remainder(a, b)) // b


def remainder(a: Array, b: Array) -> Array:
    """With the sign of the divisor."""
    if mx.issubdtype(a.dtype, mx.floating) or mx.issubdtype(b.dtype, mx.floating):
        return a - mx.floor(a / b) * b
    return mx.remainder(a, b)


def dense(x: Array, kernel: Array, bias: Array = None) -> Array:
    return x @ kernel if bias is None else mx.addmm(bias, x, kernel)


def scan(step: Callable[..., Any], state: Any, xs: Array, *, reverse: bool = False) -> Any:
    """Written out: MLX has no loop. One ``split``: the gradient of each slice would fill a whole array."""
    ys = []
    for x in mx.split(xs, xs.shape[0], axis=0)[:: -1 if reverse else 1]:
        state, y = step(state, mx.squeeze(x, axis=0))
        ys.append(y)
    return state, mx.stack(ys)


# -- noise ------------------------------------------------------------------------------------------
def _key(seed: Array, salt: int) -> Array:
    """The key of MLX's counter-based generator: a pair of 32-bit numbers."""
    return mx.stack([mx.reshape(seed, ()).astype(mx.uint32), mx.array(salt, mx.uint32)])


def random_uniform(x: Array, seed: Array, *, salt: int, noise_shape: Any = None) -> Array:
    lengths = [None] * x.ndim if noise_shape is None else noise_shape
    shape = [x.shape[i] if n is None else n for i, n in enumerate(lengths)]
    return mx.random.uniform(shape=shape, key=_key(seed, salt)).astype(x.dtype)


def random_normal(x: Array, seed: Array, *, salt: int) -> Array:
    return mx.random.normal(shape=x.shape, key=_key(seed, salt)).astype(x.dtype)


# -- the tables -------------------------------------------------------------------------------------
_SAME_NAME = (
    "negative abs sign exp expm1 log log1p sqrt rsqrt square reciprocal floor ceil round "
    "sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arccosh arctanh erf sigmoid "
    "add subtract multiply divide power maximum minimum arctan2 logaddexp "
    "equal not_equal greater greater_equal less less_equal "
    "logical_and logical_or logical_not isnan isfinite stop_gradient matmul"
)

TABLE: dict[str, Implementation] = {
    **{name: getattr(mx, name) for name in _SAME_NAME.split()},
    **{name: _reduction(getattr(mx, name)) for name in ("mean", "max", "min", "any", "all", "logsumexp")},
    "sum": whole_sum,
    "prod": prod,
    "mod": remainder,
    "floor_divide": floor_divide,
    "relu": lambda x: mx.maximum(x, 0),
    "softplus": lambda x: mx.logaddexp(x, mx.array(0, x.dtype)),
    "softmax": lambda x, *, axis=-1: mx.softmax(x, axis=axis, precise=True),
    "log_softmax": log_softmax,
    "where": where,
    "constant": lambda *, value, dtype: mx.array(np.asarray(value), DTYPES[dtype]),
    "cast": lambda x, *, dtype: x.astype(DTYPES[dtype]),
    "argmax": argmax,
    "cumsum": lambda x, *, axis: mx.cumsum(x, axis=axis),
    "sort": sort,
    "top_k": top_k,
    "dense": dense,
    "einsum": lambda *inputs, equation: mx.einsum(equation, *inputs),
    "reshape": lambda x, *, shape: mx.reshape(x, shape),
    "transpose": lambda x, *, axes: mx.transpose(x, axes),
    "expand_dims": lambda x, *, axis: mx.expand_dims(x, axis),
    "squeeze": lambda x, *, axis: mx.squeeze(x, axis),
    "concatenate": lambda *inputs, axis: mx.concatenate(inputs, axis),
    "stack": lambda *inputs, axis: mx.stack(inputs, axis),
    "split": split,
    "slice": lambda x, *, starts, stops, strides: x[tuple(map(slice, starts, stops, strides))],
    "tile": lambda x, *, repeats: mx.tile(x, repeats),
    "repeat": lambda x, *, repeats, axis: mx.repeat(x, repeats, axis),
    "broadcast_to": broadcast_to,
    "full_like": lambda x, *, value: mx.full(x.shape, value, x.dtype),
    "flip": flip,
    "pad": pad,
    "take": take,
    "take_along_axis": take_along_axis,
    "one_hot": one_hot,
    "random_uniform": random_uniform,
    "random_normal": random_normal,
    "scan": scan,
    "conv": windows.native_conv,
    "conv_transpose": windows.native_conv_transpose,
    "max_pool": windows.max_pool,
    "average_pool": windows.average_pool,
    "batch_norm": windows.batch_norm,
}

IN_FLOAT64: dict[str, Implementation] = {
    **float64.TABLE,
    "conv": windows.product_conv,
    "conv_transpose": windows.product_conv_transpose,
}
"""What MLX's own forms do in single precision even on float64."""


def operations(precision: str) -> Ops:
    """The whole vocabulary on MLX."""
    return Ops({**TABLE, **IN_FLOAT64} if precision == "float64" else TABLE, "mlx")
