"""The op vocabulary on keras.ops: on tensors of Keras's backend and on KerasTensors (functional nodes)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

import keras
import numpy as np
from keras import ops

from crosstrain.graph.evaluate import Implementation, Ops
from crosstrain.graph.ops import VOCABULARY

Tensor = Any
Pairs = tuple[tuple[int, int], ...]


ALWAYS, IN_FLOAT64 = ("float32", "float64"), ("float64",)

DEPARTING: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "torch": {"top_k": ALWAYS},
    "tensorflow": {
        **dict.fromkeys(("celu", "selu", "dilated_transpose"), ALWAYS),
        **dict.fromkeys(("gelu", "leaky_relu", "pool_3d"), IN_FLOAT64),
    },
    "jax": dict.fromkeys(("abs", "leaky_relu"), ALWAYS),
}
"""What Keras's own form gets wrong or lacks, by backend and precision: the order of equal values (top_k), the
slope at 0 (celu, selu, abs, leaky_relu on JAX); constants of float32 in float64 (gelu, leaky_relu); and
TensorFlow has no dilated transposed convolution on a CPU and no pooling of volumes in float64."""


def departs(what: str) -> bool:
    """Whether the running Keras gets it wrong, so that elementary operations have to replace it."""
    return keras.config.floatx() in DEPARTING.get(keras.backend.backend(), {}).get(what, ())


# -- windows ----------------------------------------------------------------------------------------
def same_padding(
    lengths: Sequence[int | None], size: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> Pairs | None:
    """What Keras's ``same`` adds to each spatial axis; None where that depends on an unknown length."""
    pairs = []
    for length, k, s, d in zip(lengths, size, strides, dilation, strict=True):
        reach = (k - 1) * d
        if s == 1:
            total = reach
        elif length is None:
            return None
        else:
            total = max((-(-length // s) - 1) * s + reach + 1 - length, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)


def padding_name(
    lengths: Sequence[int | None], size: Sequence[int], strides: Any, dilation: Any, padding: Pairs
) -> str | None:
    """``valid`` or ``same`` where Keras's word says these pads, else None."""
    if not any(map(any, padding)):
        return "valid"
    same = same_padding(lengths, size, strides, dilation)
    return "same" if same == tuple(map(tuple, padding)) else None


def padded(x: Tensor, padding: Pairs, value: float = 0.0) -> Tensor:
    """Spatial axes padded with ``value``."""
    if not any(map(any, padding)):
        return x
    return ops.pad(x, ((0, 0), *padding, (0, 0)), constant_values=value)


def conv(
    x: Tensor,
    kernel: Tensor,
    bias: Tensor = None,
    *,
    strides: Any,
    padding: Pairs,
    dilation: Any,
    groups: int = 1,
) -> Tensor:
    word = padding_name(x.shape[1:-1], kernel.shape[:-2], strides, dilation, padding)
    if word is None:
        x, word = padded(x, padding), "valid"
    y = ops.conv(x, kernel, strides, word, "channels_last", dilation)
    return y if bias is None else y + bias


def depthwise_conv(
    x: Tensor, kernel: Tensor, bias: Tensor = None, *, strides: Any, padding: Pairs, dilation: Any
) -> Tensor:
    *size, channels, multiplier = kernel.shape
    if len(size) > 2 or len(set(strides)) > 1:  # Keras has these as grouped convolutions only
        grouped = ops.reshape(kernel, (*size, 1, channels * multiplier))
        return conv(x, grouped, bias, strides=strides, padding=padding, dilation=dilation)
    y = ops.depthwise_conv(padded(x, padding), kernel, strides, "valid", "channels_last", dilation)
    return y if bias is None else y + bias


def spread(kernel: Tensor, dilation: Sequence[int]) -> Tensor:
    """The kernel with the zeros between its cells that dilation stands for."""
    for axis, d in enumerate(dilation):
        shape = list(kernel.shape)
        wide = ops.pad(ops.expand_dims(kernel, axis + 1), [(0, d - 1 if i == axis + 1 else 0)
                                                           for i in range(len(shape) + 1)])  # fmt: skip
        shape[axis] *= d
        cut = tuple(slice(0, n - d + 1 if i == axis else n) for i, n in enumerate(shape))
        kernel = ops.reshape(wide, shape)[cut]
    return kernel


def conv_transpose(
    x: Tensor, kernel: Tensor, bias: Tensor = None, *, strides: Any, crop: Pairs, dilation: Any
) -> Tensor:
    """By Keras's ``valid``, whose output is then cropped or padded with zeros."""
    steps = dilation
    if max(dilation) > 1 and departs("dilated_transpose"):
        kernel, steps = spread(kernel, dilation), (1,) * len(dilation)
    y = ops.conv_transpose(x, kernel, strides, "valid", None, "channels_last", steps)
    cuts, grown = [slice(None)], [(0, 0)]
    for n, have, k, s, d, (before, after) in zip(
        x.shape[1:-1], y.shape[1:-1], kernel.shape[:-2], strides, steps, crop, strict=True
    ):
        end = (n - 1) * s + (k - 1) * d + 1 - after
        cuts.append(slice(max(before, 0), min(end, have)))
        grown.append((max(-before, 0), max(end - have, 0)))
    y = y[tuple(cuts)]
    if any(map(any, grown)):
        y = ops.pad(y, (*grown, (0, 0)))
    return y if bias is None else y + bias


def max_pool(x: Tensor, *, window: Any, strides: Any, padding: Pairs) -> Tensor:
    x = padded(x, padding, -math.inf)
    if len(window) == 3 and departs("pool_3d"):
        return reduce(ops.maximum, views(x, window, strides))
    return ops.max_pool(x, window, strides, "valid", "channels_last")


def average_pool(x: Tensor, *, window: Any, strides: Any, padding: Pairs) -> Tensor:
    """Padding does not count, so sums are divided by the number of other cells."""
    within = padded(x, padding)
    if len(window) == 3 and departs("pool_3d"):
        y = reduce(ops.add, views(within, window, strides)) / math.prod(window)
    else:
        y = ops.average_pool(within, window, strides, "valid", "channels_last")
    return y if not any(map(any, padding)) else y * shares(x.shape[1:-1], window, strides, padding)


def views(x: Tensor, window: Any, strides: Any) -> Iterator[Tensor]:
    """For every position in the window: the strided slice of ``x`` that lies under it."""
    axes = list(zip(x.shape[1:-1], window, strides, strict=True))
    for position in itertools.product(*map(range, window)):
        ends = [p + (n - k) // s * s + 1 for p, (n, k, s) in zip(position, axes, strict=True)]
        yield x[(slice(None), *map(slice, position, ends, strides))]


def shares(lengths: Any, window: Any, strides: Any, padding: Pairs) -> np.ndarray:
    """cells of the window / cells that are no padding, for each place of the window; (1, spatial…, 1)."""
    factor = np.ones((1,) * (len(lengths) + 2))
    axes = zip(lengths, window, strides, padding, strict=True)
    for axis, (n, k, s, (before, after)) in enumerate(axes, 1):
        starts = np.arange(0, n + before + after - k + 1, s)
        cells = np.minimum(starts + k, n + before) - np.maximum(starts, before)
        shape = [-1 if a == axis else 1 for a in range(factor.ndim)]
        factor = factor * (k / np.maximum(cells, 1)).reshape(shape)
    return factor.astype(keras.config.floatx())


# -- shapes -----------------------------------------------------------------------------------------
def broadcast_to(x: Tensor, *, shape: tuple[int, ...]) -> Tensor:
    lead = len(shape) - len(x.shape)
    wanted = [x.shape[i - lead] if s == -1 else s for i, s in enumerate(shape)]
    if None not in wanted:
        return ops.broadcast_to(x, wanted)
    dtype = keras.backend.standardize_dtype(x.dtype)  # an axis of unknown length stays by broadcasting
    neutral = np.zeros([1 if s is None else s for s in wanted], dtype)
    return ops.logical_or(x, neutral) if dtype == "bool" else ops.add(x, neutral)


def flip(x: Tensor, *, axis: Any) -> Tensor:
    for each in (axis,) if isinstance(axis, int) else axis:
        x = ops.flip(x, each)
    return x


def pad(x: Tensor, *, padding: Any, mode: str = "constant", value: float = 0.0) -> Tensor:
    if mode != "symmetric":
        return ops.pad(x, padding, mode, value if mode == "constant" else None)
    for axis, (before, after) in enumerate(padding):  # Keras's own is wrong on PyTorch
        at = lambda *cut, axis=axis: (*[slice(None)] * axis, slice(*cut))
        parts = [ops.flip(x[at(0, before)], axis)] if before else []
        parts += [x, ops.flip(x[at(-after, None)], axis)] if after else [x]
        x = ops.concatenate(parts, axis=axis) if len(parts) > 1 else x
    return x


def split(x: Tensor, *, sizes: tuple[int, ...], axis: int) -> list[Tensor]:
    return list(ops.split(x, [int(i) for i in np.cumsum(sizes)[:-1]], axis=axis))


def one_hot(x: Tensor, *, classes: int, axis: int = -1, dtype: str = "float32") -> Tensor:
    """By comparison: Keras's own fails on PyTorch for an index out of range."""
    rank = len(x.shape) + 1
    shape = [1] * rank
    shape[axis] = classes
    places = np.arange(classes, dtype=keras.backend.standardize_dtype(x.dtype)).reshape(shape)
    return ops.cast(ops.equal(ops.expand_dims(x, axis), places), dtype)


def clip(x: Tensor, *, minimum: float | None, maximum: float | None) -> Tensor:
    if minimum is not None and maximum is not None:
        return ops.clip(x, minimum, maximum)
    return ops.minimum(x, maximum) if minimum is None else ops.maximum(x, minimum)


def sliced(x: Tensor, *, starts: Any, stops: Any, strides: Any) -> Tensor:
    """Slices forwards; backwards after turning the axis (PyTorch has no negative strides)."""
    cuts, turned = [], []
    for axis, (size, start, stop, step) in enumerate(zip(x.shape, starts, stops, strides, strict=True)):
        if step > 0:
            cuts.append(slice(start, stop, step))
            continue
        turned.append(axis)
        # Index i of the turned axis was size - 1 - i, which for a negative one is -1 - i whatever the size.
        first, last = (None if i is None else (-1 - i if i < 0 else size - 1 - i) for i in (start, stop))
        cuts.append(slice(first, last, -step))
    return flip(x, axis=tuple(turned))[tuple(cuts)] if turned else x[tuple(cuts)]


# -- the rest ---------------------------------------------------------------------------------------
def reduction(function: Callable[..., Tensor]) -> Implementation:
    def reduced(x: Tensor, *, axis: Any = None, keepdims: bool = False) -> Tensor:
        return function(x, axis=axis, keepdims=keepdims)

    return reduced


def arg(function: Callable[..., Tensor]) -> Implementation:
    def place(x: Tensor, *, axis: int, keepdims: bool = False) -> Tensor:
        return ops.cast(function(x, axis=axis, keepdims=keepdims), "int32")

    return place


def floor_divide(a: Tensor, b: Tensor) -> Tensor:
    """In the integers' own dtype; Keras narrows it on PyTorch."""
    y = ops.floor_divide(a, b)
    dtypes = {keras.backend.standardize_dtype(v.dtype) for v in (a, b) if hasattr(v, "dtype")}
    return ops.cast(y, dtypes.pop()) if len(dtypes) == 1 else y


def top_k(x: Tensor, *, k: int) -> tuple[Tensor, Tensor]:
    if departs("top_k"):
        order = ops.argsort(ops.negative(x), axis=-1)[..., :k]
        return ops.take_along_axis(x, order, axis=-1), ops.cast(order, "int32")
    values, indices = ops.top_k(x, k)
    return values, ops.cast(indices, "int32")


def constant(*, value: Any, dtype: str) -> Tensor:
    return ops.convert_to_tensor(np.asarray(value, dtype), dtype=dtype)


def log_softmax(x: Tensor, *, axis: Any = -1) -> Tensor:
    if isinstance(axis, int):
        return ops.log_softmax(x, axis)
    return x - ops.logsumexp(x, axis=axis, keepdims=True)  # Keras's own takes one axis


def absolute(x: Tensor) -> Tensor:
    """|x|, with slope 0 at 0 on JAX too."""
    return x * ops.stop_gradient(ops.sign(x)) if departs("abs") else ops.absolute(x)


def scan(step: Callable[..., Any], state: Any, xs: Tensor, *, reverse: bool = False) -> Any:
    """Results are in the order of computation, which keras.ops would reverse. On TensorFlow it requires
    results shaped as the state, so steps are unrolled there."""
    if keras.backend.backend() != "tensorflow":
        return ops.scan(step, state, ops.flip(xs, 0) if reverse else xs)
    outputs = []
    for t in range(xs.shape[0])[:: -1 if reverse else 1]:
        state, y = step(state, xs[t])
        outputs.append(y)
    return state, ops.stack(outputs)


def shape_of(x: Tensor, noise_shape: Any) -> tuple[Any, ...]:
    lengths = ops.shape(x)
    return tuple(lengths[i] if n is None else n for i, n in enumerate(noise_shape or [None] * len(lengths)))


def random_uniform(x: Tensor, seed: Any, *, salt: int, noise_shape: Any = None) -> Tensor:
    """``seed`` is a ``keras.random.SeedGenerator`` whose state the caller sets from seed and salt."""
    return keras.random.uniform(shape_of(x, noise_shape), dtype=x.dtype, seed=seed)


def random_normal(x: Tensor, seed: Any, *, salt: int) -> Tensor:
    return keras.random.normal(shape_of(x, None), dtype=x.dtype, seed=seed)


_SAME_NAME = (
    "negative sign exp expm1 log log1p sqrt rsqrt square reciprocal floor ceil round erf "
    "sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arccosh arctanh "
    "add subtract multiply divide power maximum minimum mod arctan2 logaddexp where "
    "equal not_equal greater greater_equal less less_equal "
    "logical_and logical_or logical_xor logical_not isnan isfinite "
    "relu relu6 sigmoid softplus softsign silu selu log_sigmoid hard_sigmoid hard_silu hard_tanh tanh_shrink "
    "matmul reshape transpose squeeze repeat take take_along_axis expand_dims cumsum sort cast stop_gradient "
    "softmax leaky_relu elu celu gelu soft_shrink hard_shrink squareplus glu tile "
    "categorical_crossentropy sparse_categorical_crossentropy binary_crossentropy"
)
OTHER_ARGUMENTS: dict[str, dict[str, str]] = {
    "reshape": {"shape": "newshape"},
    "cast": {"dtype": "dtype"},
    "threshold": {"value": "default_value"},
}
"""Attributes that have another name in keras.ops."""


def named(name: str) -> Implementation:
    """The function of ``keras.ops`` with that name, with arguments named as in the vocabulary."""
    function, other, meaning = getattr(ops, name), OTHER_ARGUMENTS.get(name, {}), VOCABULARY[name].meaning

    def call(*inputs: Tensor, **attributes: Any) -> Tensor:
        if meaning is not None and departs(name):
            return meaning(OPS, *inputs, **attributes)
        return function(*inputs, **{other.get(k, k): v for k, v in attributes.items()})

    return call


TABLE: dict[str, Implementation] = {
    **{name: named(name) for name in (*_SAME_NAME.split(), "threshold")},
    **{name: reduction(getattr(ops, name)) for name in ("sum", "mean", "max", "min", "prod", "any", "all")},
    "variance": reduction(ops.var),
    "logsumexp": reduction(ops.logsumexp),
    "abs": absolute,
    "floor_divide": floor_divide,
    "log_softmax": log_softmax,
    "argmax": arg(ops.argmax),
    "argmin": arg(ops.argmin),
    "constant": constant,
    "concatenate": lambda *inputs, axis: ops.concatenate(inputs, axis=axis),
    "stack": lambda *inputs, axis: ops.stack(inputs, axis=axis),
    "einsum": lambda *inputs, equation: ops.einsum(equation, *inputs),
    "full_like": lambda x, *, value: ops.full_like(x, value),
    "roll": lambda x, *, shift, axis: ops.roll(x, shift, axis),
    "slice": sliced,
    "top_k": top_k,
    "scan": scan,
    "split": split,
    "broadcast_to": broadcast_to,
    "flip": flip,
    "pad": pad,
    "clip": clip,
    "one_hot": one_hot,
    "conv": conv,
    "depthwise_conv": depthwise_conv,
    "conv_transpose": conv_transpose,
    "max_pool": max_pool,
    "average_pool": average_pool,
    "random_uniform": random_uniform,
    "random_normal": random_normal,
}

OPS = Ops(TABLE, "Keras")
"""The whole vocabulary on keras.ops."""
