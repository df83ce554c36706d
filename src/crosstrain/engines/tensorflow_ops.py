"""The op vocabulary on TensorFlow, by its own ops, channels-last as the vocabulary is.

Kernels that TensorFlow lacks on a CPU (grouped or dilated convolutions in float64, three-dimensional
pooling in float64, explicit padding under XLA) are put together from those that it has everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from crosstrain.graph.evaluate import Implementation, Ops
from crosstrain.graph.ops import VOCABULARY
from crosstrain.graph.ops.shapes import axes_of

Tensor = Any
Pairs = Sequence[tuple[int, int]]
Padding = str | list[list[int]]

_WIDTH = list(map(tf.as_dtype, ["bool", "uint8", "int8", "int16", "int32", "int64"]))
_WIDTH += [tf.bfloat16, tf.float16, tf.float32, tf.float64]


# -- shapes and dtypes ------------------------------------------------------------------------------
def _lengths(x: Tensor) -> list[Any]:
    """The shape, with a scalar tensor for each length that is not known before the run."""
    static = x.shape.as_list()
    if None not in static:
        return list(static)
    dynamic = tf.shape(x)
    return [dynamic[i] if n is None else n for i, n in enumerate(static)]


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
    return tf.fill(_lengths(x), tf.constant(value, x.dtype))


# -- dense layers and convolutions ------------------------------------------------------------------
def dense(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """One matrix product over all rows: a batched one with a shared kernel is far slower."""
    rows = x if x.shape.rank == 2 else tf.reshape(x, [-1, x.shape[-1]])
    y = tf.matmul(rows, kernel)
    if bias is not None:
        y = tf.nn.bias_add(y, bias)
    return y if x.shape.rank == 2 else tf.reshape(y, [*_lengths(x)[:-1], kernel.shape[-1]])


def matmul(a: Tensor, b: Tensor) -> Tensor:
    if b.shape.rank == 2 and a.shape.rank > 2:
        return dense(a, b)
    if a.shape.rank == 1 or b.shape.rank == 1:
        left, right = a.shape.rank == 1, b.shape.rank == 1
        y = tf.matmul(a[None] if left else a, b[:, None] if right else b)
        return tf.squeeze(y, [axis for axis, gone in ((-2, left), (-1, right)) if gone])
    return tf.matmul(a, b)


def _padding(lengths: Sequence[Any], size: Sequence[int], strides: Sequence[int], padding: Pairs) -> Padding:
    """``VALID`` or ``SAME`` where they mean these pads, which every kernel knows; else the pads."""
    if not any(map(any, padding)):
        return "VALID"
    same = []
    for n, k, s in zip(lengths, size, strides, strict=True):
        if n is None:
            return [[0, 0], *map(list, padding), [0, 0]]
        total = max((-(-n // s) - 1) * s + k - n, 0)
        same.append((total // 2, total - total // 2))
    return "SAME" if same == [tuple(p) for p in padding] else [[0, 0], *map(list, padding), [0, 0]]


def _padded(x: Tensor, padding: Padding, value: float = 0.0) -> tuple[Tensor, str]:
    """``x`` and a padding that is a name: explicit pads are written into the tensor."""
    if isinstance(padding, str):
        return x, padding
    return tf.pad(x, padding, constant_values=tf.constant(value, x.dtype)), "VALID"


def _stuffed(kernel: Tensor, dilation: Sequence[int]) -> Tensor:
    """The kernel with zeros between its cells: what a dilated kernel looks like from outside."""
    *size, fan_in, fan_out = kernel.shape
    wide = tf.reshape(kernel, [n for k in size for n in (k, 1)] + [fan_in, fan_out])
    wide = tf.pad(wide, [p for d in dilation for p in ([0, 0], [0, d - 1])] + [[0, 0], [0, 0]])
    wide = tf.reshape(wide, [k * d for k, d in zip(size, dilation, strict=True)] + [fan_in, fan_out])
    return wide[tuple(slice((k - 1) * d + 1) for k, d in zip(size, dilation, strict=True))]


def conv(
    x: Tensor, kernel: Tensor, bias: Tensor | None = None,
    *, strides: Any, padding: Pairs, dilation: Any, groups: int = 1,
) -> Tensor:  # fmt: skip
    if len(strides) == 1:  # as a picture of height 1
        y = conv(
            x[:, None], kernel[None], bias, strides=(1, *strides), padding=((0, 0), *padding),
            dilation=(1, *dilation), groups=groups,
        )  # fmt: skip
        return tf.squeeze(y, [1])
    if groups > 1 and kernel.shape[-2] == 1 and len(strides) == 2:
        *size, _, out = kernel.shape
        kernel = tf.reshape(kernel, [*size, groups, out // groups])
        return depthwise_conv(x, kernel, bias, strides=strides, padding=padding, dilation=dilation)
    if groups > 1:
        # Neither Eigen nor oneDNN has the gradients of a grouped convolution for every dtype and padding.
        one = partial(_plain_conv, strides=strides, padding=padding, dilation=dilation)
        y = tf.concat(list(map(one, tf.split(x, groups, -1), tf.split(kernel, groups, -1))), -1)
    else:
        y = _plain_conv(x, kernel, strides=strides, padding=padding, dilation=dilation)
    return y if bias is None else tf.nn.bias_add(y, bias)


def _plain_conv(x: Tensor, kernel: Tensor, *, strides: Any, padding: Pairs, dilation: Any) -> Tensor:
    if max(dilation) > 1 and max(strides) == 1:
        x, _ = _padded(x, [[0, 0], *map(list, padding), [0, 0]])
        return tf.nn.convolution(x, kernel, 1, "VALID", dilations=list(dilation))
    if max(dilation) > 1:
        kernel = _stuffed(kernel, dilation)
    how = _padding(x.shape[1:-1], kernel.shape[:-2], strides, padding)
    if len(strides) == 2:
        return tf.nn.conv2d(x, kernel, list(strides), how)
    x, how = _padded(x, how)
    return tf.nn.conv3d(x, kernel, [1, *strides, 1], how)


def depthwise_conv(
    x: Tensor, kernel: Tensor, bias: Tensor | None = None, *, strides: Any, padding: Pairs, dilation: Any
) -> Tensor:
    if len(strides) == 1:  # the only row is kept whatever its stride; TensorFlow wants both strides alike
        y = depthwise_conv(
            x[:, None], kernel[None], bias, strides=(*strides, *strides), padding=((0, 0), *padding),
            dilation=(1, *dilation),
        )  # fmt: skip
        return tf.squeeze(y, [1])
    if len(strides) == 3:
        *size, channels, multiplier = kernel.shape
        kernel = tf.reshape(kernel, [*size, 1, channels * multiplier])
        return conv(x, kernel, bias, strides=strides, padding=padding, dilation=dilation, groups=channels)
    if max(dilation) > 1:
        kernel = _stuffed(kernel, dilation)
    step = strides if strides[0] == strides[1] else (1, 1)
    how = _padding(x.shape[1:-1], kernel.shape[:-2], step, padding)
    y = tf.nn.depthwise_conv2d(x, kernel, [1, *step, 1], how)
    if step != strides:
        y = y[:, :: strides[0], :: strides[1]]
    return y if bias is None else tf.nn.bias_add(y, bias)


def conv_transpose(
    x: Tensor, kernel: Tensor, bias: Tensor | None = None, *, strides: Any, crop: Pairs, dilation: Any
) -> Tensor:
    if len(strides) == 1:
        y = conv_transpose(
            x[:, None], kernel[None], bias, strides=(1, *strides), crop=((0, 0), *crop),
            dilation=(1, *dilation),
        )  # fmt: skip
        return tf.squeeze(y, [1])
    if max(dilation) > 1:
        kernel = _stuffed(kernel, dilation)
    *size, out, _ = kernel.shape
    batch, *lengths, _ = _lengths(x)
    full = [(n - 1) * s + k for n, s, k in zip(lengths, strides, size, strict=True)]
    function = tf.nn.conv2d_transpose if len(strides) == 2 else tf.nn.conv3d_transpose
    y = function(x, kernel, [batch, *full, out], list(strides), "VALID")
    kept = [slice(max(b, 0), n - max(a, 0)) for (b, a), n in zip(crop, full, strict=True)]
    y = y[(slice(None), *kept)] if any(max(pair) > 0 for pair in crop) else y
    if any(min(pair) < 0 for pair in crop):
        y = tf.pad(y, [[0, 0], *[[max(-b, 0), max(-a, 0)] for b, a in crop], [0, 0]])
    return y if bias is None else tf.nn.bias_add(y, bias)


# -- pooling ----------------------------------------------------------------------------------------
def _planar(pool: Callable[..., Tensor]) -> Implementation:
    """A pooling of pictures for any number of axes: a window is a product of windows along axes."""

    def apply(x: Tensor, *, window: Any, strides: Any, padding: Pairs) -> Tensor:
        if len(window) == 2:
            return pool(x, window, strides, padding)
        if len(window) == 1:
            return tf.squeeze(pool(x[:, None], (1, *window), (1, *strides), ((0, 0), *padding)), [1])
        _, depth, height, width, channels = x.shape
        slices = tf.reshape(x, [-1, height, width, channels])
        slices = pool(slices, window[1:], strides[1:], padding[1:])
        height, width = slices.shape[1:3]
        columns = tf.reshape(slices, [-1, depth, height * width, channels])
        columns = pool(columns, (window[0], 1), (strides[0], 1), (padding[0], (0, 0)))
        return tf.reshape(columns, [-1, columns.shape[1], height, width, channels])

    return apply


def _max_pool(x: Tensor, window: Any, strides: Any, padding: Pairs) -> Tensor:
    x, how = _padded(x, _padding(x.shape[1:-1], window, strides, padding), -math.inf)
    return tf.nn.max_pool2d(x, list(window), list(strides), how)


def _average_pool(x: Tensor, window: Any, strides: Any, padding: Pairs) -> Tensor:
    how = _padding(x.shape[1:-1], window, strides, padding)
    if isinstance(how, str):  # SAME counts the cells that are not padding
        return tf.nn.avg_pool2d(x, list(window), list(strides), how)
    counts = np.ones((1, 1, 1), x.dtype.as_numpy_dtype)
    for axis, (n, k, s, pair) in enumerate(zip(x.shape[1:-1], window, strides, padding, strict=True)):
        valid = np.convolve(np.pad(np.ones(n), pair), np.ones(k), "valid")[::s]
        counts = counts * (k / valid).reshape([-1 if i == axis else 1 for i in range(3)])
    padded, how = _padded(x, how)
    return tf.nn.avg_pool2d(padded, list(window), list(strides), how) * tf.constant(counts, x.dtype)


# -- normalisation ----------------------------------------------------------------------------------
def _as_picture(x: Tensor) -> Tensor:
    return x if x.shape.rank == 4 else tf.reshape(x, [-1, 1, 1, x.shape[-1]])


def _like(y: Tensor, x: Tensor) -> Tensor:
    return y if x.shape.rank == 4 else tf.reshape(y, _lengths(x))


def fusible(x: Tensor, axis: int, epsilon: float) -> bool:
    """Whether TensorFlow's fused kernel computes just this (cuDNN raises smaller epsilons to 1e-5)."""
    return x.dtype == tf.float32 and axis % x.shape.rank == x.shape.rank - 1 and epsilon >= 1e-5


def fused_batch_norm(
    x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor,
    *, axis: int, momentum: float, epsilon: float,
) -> tuple[Tensor, ...]:  # fmt: skip
    if not fusible(x, axis, epsilon):
        return _meaning(
            "batch_norm", x, gamma, beta, mean, variance, axis=axis, momentum=momentum, epsilon=epsilon
        )
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


# -- recurrence -------------------------------------------------------------------------------------
def scan(
    step: Callable[..., Any], state: tuple[Tensor, ...], xs: Tensor, *, reverse: bool = False
) -> tuple[tuple[Tensor, ...], Tensor]:
    length = _lengths(xs)[0]
    source = tf.TensorArray(xs.dtype, length).unstack(xs)

    def body(i: Tensor, state: Any, ys: Any) -> Any:
        state, y = step(state, source.read(length - 1 - i if reverse else i))
        return i + 1, tuple(state), ys.write(i, y)

    start = (tf.constant(0), tuple(state), tf.TensorArray(xs.dtype, length))
    _, last, ys = tf.while_loop(lambda i, *_: i < length, body, start, maximum_iterations=length)
    return last, ys.stack()


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
    own = _lengths(x)
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
    return tf.gather(x, _wrapped(indices, _lengths(x)[axis]), axis=axis)


def take_along_axis(x: Tensor, indices: Tensor, *, axis: int) -> Tensor:
    rank = x.shape.rank
    axis %= rank
    wanted = _wrapped(indices, _lengths(x)[axis])
    order = [*[a for a in range(rank) if a != axis], axis]
    x, wanted = tf.transpose(x, order), tf.transpose(wanted, order)
    if (before := x.shape[:-1].as_list()) != (asked := wanted.shape[:-1].as_list()):  # broadcast, as NumPy
        lengths = tf.broadcast_static_shape(tf.TensorShape(before), tf.TensorShape(asked)).as_list()
        x = tf.broadcast_to(x, [*lengths, x.shape[-1]])
        wanted = tf.broadcast_to(wanted, [*lengths, wanted.shape[-1]])
    picked = tf.gather(x, wanted, batch_dims=rank - 1, axis=rank - 1)
    return tf.transpose(picked, list(np.argsort(order)))


def one_hot(x: Tensor, precision: str, *, classes: int, axis: int = -1, dtype: str = "float32") -> Tensor:
    x = x if x.dtype in (tf.uint8, tf.int32, tf.int64) else tf.cast(x, tf.int64)
    return tf.one_hot(x, classes, axis=axis, dtype=precision if dtype == "float32" else dtype)


# -- noise ------------------------------------------------------------------------------------------
def _seeds(seed: Tensor, salt: int) -> Tensor:
    return tf.stack([tf.cast(seed, tf.int32), tf.constant(salt, tf.int32)])


def random_uniform(x: Tensor, seed: Tensor, *, salt: int, noise_shape: Any = None) -> Tensor:
    lengths = _lengths(x)
    if noise_shape is not None:
        lengths = [own if n is None else n for own, n in zip(lengths, noise_shape, strict=True)]
    return tf.random.stateless_uniform(lengths, _seeds(seed, salt), dtype=x.dtype)


def random_normal(x: Tensor, seed: Tensor, *, salt: int) -> Tensor:
    return tf.random.stateless_normal(_lengths(x), _seeds(seed, salt), dtype=x.dtype)


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
    "selu": tf.nn.selu,
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
    "max_pool": _planar(_max_pool),
    "average_pool": _planar(_average_pool),
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
    "transpose": lambda x, *, axes: tf.transpose(x, axes),
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


def _in_bfloat16(function: Implementation) -> Implementation:
    """A product of bfloat16 factors; its sum goes on in float32."""

    def apply(*inputs: Any, **attributes: Any) -> Tensor:
        half = [tf.cast(i, tf.bfloat16) if tf.is_tensor(i) and i.dtype == tf.float32 else i for i in inputs]
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


def operations(precision: str, *, inference: bool = False, fused: bool = True, bfloat16: bool = False) -> Ops:
    """The whole vocabulary on TensorFlow, for one precision; ``fused`` takes its BatchNorm kernel,
    ``bfloat16`` rounds the factors of products."""
    table = _table(precision)
    if fused:
        table["batch_norm"] = fused_batch_norm
    if fused and inference:
        table["normalize"] = fused_normalize
    if bfloat16:
        table.update({name: _in_bfloat16(table[name]) for name in _PRODUCTS})
    return Ops(table, "TensorFlow")
