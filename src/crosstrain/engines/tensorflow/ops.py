"""The op vocabulary on TensorFlow, by its own ops, channels-last as the vocabulary is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from crosstrain.engines.tensorflow.windows import (
    Tensor,
    average_pool,
    conv,
    conv_transpose,
    dense,
    depthwise_conv,
    lengths_of,
    matmul,
    max_pool,
)
from crosstrain.graph.evaluate import Implementation, Ops
from crosstrain.graph.ops import VOCABULARY
from crosstrain.graph.ops.shapes import axes_of

_WIDTH = list(map(tf.as_dtype, ["bool", "uint8", "int8", "int16", "int32", "int64"]))
_WIDTH += [tf.bfloat16, tf.float16, tf.float32, tf.float64]


# -- shapes and dtypes ------------------------------------------------------------------------------
def _alike(*values: Tensor) -> list[Tensor]:
    """Tensors cast to the widest dtype among them; Python numbers stay as they are."""
    dtypes = {v.dtype for v in values if tf.is_tensor(v)}
    if len(dtypes) < 2:
        return list(values)
    widest = max(dtypes, key=_WIDTH.index)
    return [tf.cast(v, widest) if tf.is_tensor(v) else v for v in values]


def _truth(x: Tensor) -> Tensor:
    return tf.cast(x, tf.bool)


def _binary(function: Callable[..., Tensor]) -> Implementation:
    return lambda a, b: function(*_alike(a, b))


def _logical(function: Callable[..., Tensor]) -> Implementation:
    return lambda *inputs: function(*map(_truth, inputs))


def _floating(function: Callable[..., Tensor], precision: str) -> Implementation:
    """A function of real numbers; whole ones become real in the run's precision first."""

    def apply(*inputs: Tensor, **attributes: Any) -> Tensor:
        real = [tf.cast(i, precision) if tf.is_tensor(i) and not i.dtype.is_floating else i for i in inputs]
        return function(*_alike(*real), **attributes)

    return apply


def where(condition: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return tf.where(_truth(condition), *_alike(a, b))


def clip(x: Tensor, *, minimum: float | None, maximum: float | None) -> Tensor:
    if minimum is not None and maximum is not None:
        return tf.clip_by_value(x, minimum, maximum)
    if minimum is not None:
        x = tf.where(x < minimum, tf.constant(minimum, x.dtype), x)
    if maximum is not None:
        x = tf.where(x > maximum, tf.constant(maximum, x.dtype), x)
    return x


def leaky_relu(x: Tensor, *, negative_slope: float) -> Tensor:
    if x.dtype == tf.float64:  # the kernel holds its slope in float32
        return _meaning("leaky_relu", x, negative_slope=negative_slope)
    return tf.nn.leaky_relu(x, negative_slope)


def full_like(x: Tensor, *, value: float) -> Tensor:
    return tf.fill(lengths_of(x), tf.constant(value, x.dtype))


# -- normalisation ----------------------------------------------------------------------------------
def _as_picture(x: Tensor) -> Tensor:
    return x if x.shape.rank == 4 else tf.reshape(x, [-1, 1, 1, x.shape[-1]])


def _like(y: Tensor, x: Tensor) -> Tensor:
    return y if x.shape.rank == 4 else tf.reshape(y, lengths_of(x))


def fusible(x: Tensor, axis: int, epsilon: float) -> bool:
    """Whether TensorFlow's fused kernel computes just this (cuDNN raises smaller epsilons to 1e-5)."""
    return x.dtype == tf.float32 and axis % x.shape.rank == x.shape.rank - 1 and epsilon >= 1e-5


def fused_batch_norm(
    x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor,
    *, axis: int, momentum: float, epsilon: float,
) -> tuple[Tensor, ...]:  # fmt: skip
    if not fusible(x, axis, epsilon):
        form = {"axis": axis, "momentum": momentum, "epsilon": epsilon}
        return tuple(_meaning("batch_norm", x, gamma, beta, mean, variance, **form))
    picture = _as_picture(x)
    # The raw op: its wrapper tf.compat.v1.nn.fused_batch_norm would raise a small epsilon in silence.
    y, batch_mean, batch_variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=picture, scale=tf.ones_like(mean) if gamma is None else gamma,
        offset=tf.zeros_like(mean) if beta is None else beta,
        mean=[], variance=[], epsilon=epsilon, is_training=True,
    )  # fmt: skip
    # Its variance is Σ(x - mean)² / max(n - 1, 1); Keras's is divided by n.
    count = tf.cast(tf.size(picture) // picture.shape[-1], x.dtype)
    new = 1 - momentum
    biased = tf.stop_gradient(batch_variance) * (new * (count - 1) / count)
    return _like(y, x), mean * momentum + tf.stop_gradient(batch_mean) * new, variance * momentum + biased


def fused_normalize(
    x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor, *, axis: int, epsilon: float
) -> Tensor:
    """For inference only: the fused kernel passes no gradient to mean and variance."""
    if not fusible(x, axis, epsilon):
        return _meaning("normalize", x, gamma, beta, mean, variance, axis=axis, epsilon=epsilon)
    y = tf.raw_ops.FusedBatchNormV3(
        x=_as_picture(x), scale=tf.ones_like(mean) if gamma is None else gamma,
        offset=tf.zeros_like(mean) if beta is None else beta,
        mean=mean, variance=variance, epsilon=epsilon, is_training=False,
    ).y  # fmt: skip
    return _like(y, x)


def transpose(x: Tensor, *, axes: Sequence[int]) -> Tensor:
    """Turning back what was turned gives what it was before: one recurrent layer behind another, say."""
    if tf.is_symbolic_tensor(x) and x.op.type == "Transpose":
        before, order = x.op.inputs[0], tf.get_static_value(x.op.inputs[1])
        if order is not None and [order[axis] for axis in axes] == [*range(len(axes))]:
            return before
    return tf.transpose(x, axes)


# -- recurrence -------------------------------------------------------------------------------------
def scan(
    step: Callable[..., Any], state: tuple[Tensor, ...], xs: Tensor, *, reverse: bool = False,
    stacked: bool = True,
) -> tuple[tuple[Tensor, ...], Tensor | None]:  # fmt: skip
    length = lengths_of(xs)[0]
    source = tf.TensorArray(xs.dtype, length).unstack(xs)

    def body(i: Tensor, state: Any, *ys: Any) -> Any:
        state, y = step(state, source.read(length - 1 - i if reverse else i))
        return i + 1, tuple(state), *(each.write(i, y) for each in ys)

    results = (tf.TensorArray(xs.dtype, length),) if stacked else ()
    start = (tf.constant(0), tuple(state), *results)
    _, last, *ys = tf.while_loop(lambda i, *_: i < length, body, start, maximum_iterations=length)
    return last, ys[0].stack() if ys else None


# -- losses -----------------------------------------------------------------------------------------
def sparse_categorical_crossentropy(target: Tensor, output: Tensor, *, from_logits: bool) -> Tensor:
    if not from_logits:
        return _meaning("sparse_categorical_crossentropy", target, output, from_logits=False)
    labels = target if target.dtype in (tf.int32, tf.int64) else tf.cast(target, tf.int64)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, output)


# -- reductions -------------------------------------------------------------------------------------
def _reduction(function: Callable[..., Tensor]) -> Implementation:
    def reduce(x: Tensor, *, axis: Any = None, keepdims: bool = False) -> Tensor:
        return function(x, list(axes_of(x.shape.rank, axis)), keepdims)

    return reduce


def _counted(function: Callable[..., Tensor]) -> Implementation:
    """Truth values are counted as int32."""
    return _reduction(lambda x, *how: function(tf.cast(x, tf.int32) if x.dtype == tf.bool else x, *how))


def argmax(x: Tensor, *, axis: int, keepdims: bool = False) -> Tensor:
    y = tf.argmax(x, axis, output_type=tf.int32)
    return tf.expand_dims(y, axis) if keepdims else y


def softmax(x: Tensor, *, axis: Any = -1) -> Tensor:
    return tf.nn.softmax(x, axis) if isinstance(axis, int) else tf.exp(log_softmax(x, axis=axis))


def log_softmax(x: Tensor, *, axis: Any = -1) -> Tensor:
    if isinstance(axis, int):
        return tf.nn.log_softmax(x, axis)
    return x - tf.reduce_logsumexp(x, list(axis), keepdims=True)


def top_k(x: Tensor, *, k: int) -> tuple[Tensor, Tensor]:
    values, indices = tf.math.top_k(x, k)
    return values, indices


# -- shapes, cutting and gathering ------------------------------------------------------------------
def slice_(x: Tensor, *, starts: Any, stops: Any, strides: Any) -> Tensor:
    return x[tuple(map(slice, starts, stops, strides))]


def broadcast_to(x: Tensor, *, shape: tuple[int, ...]) -> Tensor:
    lead = len(shape) - x.shape.rank
    own = lengths_of(x)
    return tf.broadcast_to(x, [own[i - lead] if n == -1 else n for i, n in enumerate(shape)])


def pad(x: Tensor, *, padding: Any, mode: str = "constant", value: float = 0.0) -> Tensor:
    if mode == "constant":
        return tf.pad(x, padding, constant_values=tf.cast(value, x.dtype))
    return tf.pad(x, padding, mode.upper())


def _wrapped(indices: Tensor, length: Any) -> Tensor:
    """Negative indices counted from the end."""
    if indices.dtype.is_unsigned:
        return tf.cast(indices, tf.int32)
    return tf.where(indices < 0, indices + tf.cast(length, indices.dtype), indices)


def take(x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    return tf.gather(x, _wrapped(indices, lengths_of(x)[axis]), axis=axis)


def take_along_axis(x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    rank = x.shape.rank
    axis %= rank
    wrapped = _wrapped(indices, lengths_of(x)[axis])
    order = [*[a for a in range(rank) if a != axis], axis]
    x, wrapped = tf.transpose(x, order), tf.transpose(wrapped, order)
    if (before := x.shape[:-1].as_list()) != (
        index_shape := wrapped.shape[:-1].as_list()
    ):  # broadcast, as NumPy
        lengths = tf.broadcast_static_shape(tf.TensorShape(before), tf.TensorShape(index_shape)).as_list()
        x = tf.broadcast_to(x, [*lengths, x.shape[-1]])
        wrapped = tf.broadcast_to(wrapped, [*lengths, wrapped.shape[-1]])
    picked = tf.gather(x, wrapped, batch_dims=rank - 1, axis=rank - 1)
    return tf.transpose(picked, list(np.argsort(order)))


def one_hot(x: Tensor, precision: str, *, classes: int, axis: int = -1, dtype: str = "float32") -> Tensor:
    x = x if x.dtype in (tf.uint8, tf.int32, tf.int64) else tf.cast(x, tf.int64)
    return tf.one_hot(x, classes, axis=axis, dtype=precision if dtype == "float32" else dtype)


# -- noise ------------------------------------------------------------------------------------------
def _seeds(seed: Tensor, salt: int) -> Tensor:
    return tf.stack([tf.cast(seed, tf.int32), tf.constant(salt, tf.int32)])


def random_uniform(x: Tensor, seed: Tensor, *, salt: int, noise_shape: Any = None) -> Tensor:
    lengths = lengths_of(x)
    if noise_shape is not None:
        lengths = [own if n is None else n for own, n in zip(lengths, noise_shape, strict=True)]
    return tf.random.stateless_uniform(lengths, _seeds(seed, salt), dtype=x.dtype)


def random_normal(x: Tensor, seed: Tensor, *, salt: int) -> Tensor:
    return tf.random.stateless_normal(lengths_of(x), _seeds(seed, salt), dtype=x.dtype)


# -- the table --------------------------------------------------------------------------------------
_UNARY = ["negative", "abs", "sign", "square", "softplus", "round", "sigmoid", "erf", "rsqrt", "reciprocal"]
_LOGICAL = ["logical_and", "logical_or", "logical_not", "logical_xor"]
_REAL = {
    **{name: getattr(tf.math, name) for name in ("exp", "expm1", "log", "log1p", "sqrt")},
    **{name: getattr(tf.math, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "arcsin": tf.asin, "arccos": tf.acos, "arctan": tf.atan, "arcsinh": tf.asinh, "arccosh": tf.acosh,
    "arctanh": tf.atanh, "arctan2": tf.atan2, "divide": tf.math.truediv,
    "isnan": tf.math.is_nan, "isfinite": tf.math.is_finite,
}  # fmt: skip
_BINARY = {
    "add": tf.add, "subtract": tf.subtract, "multiply": tf.multiply, "power": tf.pow, "maximum": tf.maximum,
    "minimum": tf.minimum, "mod": tf.math.floormod, "floor_divide": tf.math.floordiv,
    "squared_difference": tf.math.squared_difference, "equal": tf.equal, "not_equal": tf.not_equal,
    "greater": tf.greater, "greater_equal": tf.greater_equal, "less": tf.less, "less_equal": tf.less_equal,
}  # fmt: skip

TABLE: dict[str, Implementation] = {
    **{name: getattr(tf.math, name) for name in _UNARY},
    **{name: _binary(function) for name, function in _BINARY.items()},
    **{name: _logical(getattr(tf.math, name)) for name in _LOGICAL},
    "floor": lambda x: tf.floor(x) if x.dtype.is_floating else x,
    "ceil": lambda x: tf.math.ceil(x) if x.dtype.is_floating else x,
    "where": where,
    "clip": clip,
    "cast": lambda x, *, dtype: tf.cast(x, dtype),
    "constant": lambda *, value, dtype: tf.constant(value, dtype),
    "full_like": full_like,
    "stop_gradient": tf.stop_gradient,
    "linear": lambda x: x,
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "leaky_relu": leaky_relu,
    "silu": tf.nn.silu,
    "softsign": tf.nn.softsign,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "dense": dense,
    "matmul": matmul,
    "einsum": lambda *inputs, equation: tf.einsum(equation, *inputs),
    "conv": conv,
    "depthwise_conv": depthwise_conv,
    "conv_transpose": conv_transpose,
    "max_pool": max_pool,
    "average_pool": average_pool,
    "scan": scan,
    "sparse_categorical_crossentropy": sparse_categorical_crossentropy,
    "sum": _counted(tf.reduce_sum),
    "prod": _counted(tf.reduce_prod),
    "max": _reduction(tf.reduce_max),
    "min": _reduction(tf.reduce_min),
    "any": _reduction(lambda x, *how: tf.reduce_any(_truth(x), *how)),
    "all": _reduction(lambda x, *how: tf.reduce_all(_truth(x), *how)),
    "logsumexp": _reduction(tf.reduce_logsumexp),
    "argmax": argmax,
    "cumsum": lambda x, *, axis: tf.cumsum(x, axis),
    "sort": lambda x, *, axis=-1: tf.sort(x, axis),
    "top_k": top_k,
    "reshape": lambda x, *, shape: tf.reshape(x, shape),
    "transpose": transpose,
    "expand_dims": lambda x, *, axis: tf.expand_dims(x, axis),
    "squeeze": lambda x, *, axis: tf.squeeze(x, list(axes_of(x.shape.rank, axis))),
    "concatenate": lambda *inputs, axis: tf.concat(_alike(*inputs), axis),
    "stack": lambda *inputs, axis: tf.stack(_alike(*inputs), axis),
    "split": lambda x, *, sizes, axis: tf.split(x, list(sizes), axis),
    "slice": slice_,
    "tile": lambda x, *, repeats: tf.tile(x, repeats),
    "repeat": lambda x, *, repeats, axis: tf.repeat(x, repeats, axis),
    "broadcast_to": broadcast_to,
    "flip": lambda x, *, axis: tf.reverse(x, list(axes_of(x.shape.rank, axis))),
    "roll": lambda x, *, shift, axis: tf.roll(x, shift, axis),
    "pad": pad,
    "take": take,
    "take_along_axis": take_along_axis,
    "random_uniform": random_uniform,
    "random_normal": random_normal,
}

_PRODUCTS = ("conv", "depthwise_conv", "conv_transpose", "dense", "matmul", "einsum")


_LOWER = {"bfloat16": tf.bfloat16, "float16": tf.float16}


def _in(lower: tf.DType, function: Implementation) -> Implementation:
    """A product of factors in a lower precision; its sum goes on in float32."""

    def apply(*inputs: Any, **attributes: Any) -> Tensor:
        half = [tf.cast(i, lower) if tf.is_tensor(i) and i.dtype == tf.float32 else i for i in inputs]
        return tf.cast(function(*half, **attributes), tf.float32)

    return apply


def _table(precision: str) -> dict[str, Implementation]:
    """The table, with the ops that make numbers of the run's precision out of whole ones."""
    return {
        **TABLE,
        **{name: _floating(function, precision) for name, function in _REAL.items()},
        "mean": _floating(_reduction(tf.reduce_mean), precision),
        "one_hot": lambda x, **attributes: one_hot(x, precision, **attributes),
    }


_PLAIN = Ops(_table("float32"), "TensorFlow")


def _meaning(name: str, *inputs: Any, **attributes: Any) -> Any:
    """An op by its meaning in the vocabulary, where TensorFlow's own form does not cover the case.

    For meanings that make no real numbers of whole ones, so that the table's precision plays no part.
    """
    meaning = VOCABULARY[name].meaning
    assert meaning is not None
    return meaning(_PLAIN, *inputs, **attributes)


def operations(
    precision: str, *, inference: bool = False, fused: bool = True, arithmetic: str = "full"
) -> Ops:
    """The whole vocabulary on TensorFlow, for one precision; ``fused`` takes its BatchNorm kernel, the
    ``arithmetic`` bfloat16 or float16 rounds the factors of products."""
    table = _table(precision)
    if fused:
        table["batch_norm"] = fused_batch_norm
    if fused and inference:
        table["normalize"] = fused_normalize
    if arithmetic in _LOWER:
        table.update({name: _in(_LOWER[arithmetic], table[name]) for name in _PRODUCTS})
    return Ops(table, "TensorFlow")
