"""Convolutions, poolings and BatchNorm on MindSpore: its kernels where they have the precision, else forms
built from slices and products. Images lie channels-first between them, kernels as (out, in, spatial…).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from mindspore import ops
from mindspore.ops.operations.nn_ops import MaxPool3DWithArgmax

from crosstrain.engines.mindspore.trace import RESHAPE, TRANSPOSE, Value, call, elementwise, sliced, tape

Pairs = tuple[tuple[int, int], ...]

IMAGE = (0, 3, 1, 2)
VOLUME = (0, 4, 1, 2, 3)
KERNEL = (3, 2, 0, 1)

ADD, DIVIDE, MAXIMUM = ops.Add(), ops.Div(), ops.Maximum()
BIAS_ADD, MATMUL, BATCH_MATMUL = ops.BiasAdd(), ops.MatMul(), ops.BatchMatMul()


def reshaped(x: Value, shape: Any) -> Value:
    result: Value = call(RESHAPE, x.to_layout(None), tuple(int(n) for n in shape))
    return result


def transposed(x: Value, axes: Any) -> Value:
    result: Value = call(TRANSPOSE, x.to_layout(None), tuple(axes))
    return result


def padded(x: Value, padding: Any, value: float = 0.0) -> Value:
    """``(before, after)`` cells of ``value`` for each axis of the graph's order.

    Not by PadV3: in compiled code (2.10, CPU) its gradient is right at the first call and wrong from then on.
    """
    if not any(map(any, padding)):
        return x
    order = tuple(range(x.ndim)) if x.axes is None else x.axes
    if value == 0:
        return call(_zeros(tuple(tuple(map(int, padding[a])) for a in order)), x, axes=x.axes)  # type: ignore[no-any-return]
    for along, axis in enumerate(order):
        shape = list(x.tensor.shape)
        parts: list[Any] = [x]
        for at, cells in zip((0, len(parts) + 1), padding[axis], strict=True):
            if cells:
                shape[along] = int(cells)
                parts.insert(at, tape().constant(np.full(shape, value), x.dtype))
        x = x if len(parts) == 1 else call(_concat(along), tuple(parts), axes=x.axes)
    return x


@cache
def _zeros(padding: Pairs) -> Any:
    return ops.Pad(padding)


def spatially_padded(x: Value, padding: Pairs, value: float = 0.0) -> Value:
    return padded(x, ((0, 0), *padding, (0, 0)), value)


def views(x: Value, window: Any, strides: Any, dilation: Any = None) -> Iterator[Value]:
    """For every position in the window, row by row: the strided slice of ``x`` that lies under it."""
    dilation = dilation or (1,) * len(window)
    x = x.to_layout(None)
    axes = list(zip(x.shape[1:-1], window, strides, dilation, strict=True))
    lengths = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in axes]
    for position in itertools.product(*map(range, window)):
        begin = [p * d for p, d in zip(position, dilation, strict=True)]
        end = [b + (n - 1) * s + 1 for b, n, s in zip(begin, lengths, strides, strict=True)]
        yield sliced(x, (0, *begin, 0), (x.shape[0], *end, x.shape[-1]), (1, *strides, 1))


def _as_two_axes(function: Any) -> Any:
    """A function of pictures, for series too: they become pictures of one row."""

    def either(x: Value, *weights: Any, **settings: Any) -> Value:
        if x.ndim != 3:
            return function(x, *weights, **settings)  # type: ignore[no-any-return]
        added = {"padding": (0, 0)}
        wide = {k: (added.get(k, 1), *v) if isinstance(v, tuple | list) else v for k, v in settings.items()}
        kernel = [reshaped(k, (1, *k.shape)) for k in weights[:1]]
        y = function(reshaped(x, (x.shape[0], 1, *x.shape[1:])), *kernel, *weights[1:], **wide)
        return reshaped(y, (y.shape[0], *y.shape[2:]))

    return either


# -- convolutions -----------------------------------------------------------------------------------
@cache
def _conv2d(out: int, size: Any, strides: Any, padding: Any, dilation: Any, groups: int) -> Any:
    return ops.Conv2D(out, size, pad_mode="pad", pad=padding, stride=strides, dilation=dilation, group=groups)


@_as_two_axes
def conv(
    x: Value, kernel: Value, bias: Value | None = None,
    *, strides: Any, padding: Pairs, dilation: Any, groups: int = 1,
) -> Value:  # fmt: skip
    """MindSpore's kernel (oneDNN's) for pictures in float32, else products of slices."""
    if x.dtype != "float32" or x.ndim != 4:
        y = conv_by_slices(x, kernel, strides, padding, dilation, groups)
        return y if bias is None else elementwise(ADD, y, bias)
    *size, _, out = kernel.shape
    sides = tuple(int(n) for pair in padding for n in pair)
    function = _conv2d(out, tuple(size), tuple(strides), sides, tuple(dilation), groups)
    y = call(function, x.to_layout(IMAGE), kernel.to_layout(KERNEL), axes=IMAGE)
    return y if bias is None else call(BIAS_ADD, y, bias, axes=IMAGE)  # type: ignore[no-any-return]


def conv_by_slices(
    x: Value, kernel: Value, strides: Any, padding: Pairs, dilation: Any, groups: int
) -> Value:
    """The slices under all cells of the kernel side by side, times the kernel as one matrix."""
    *size, fan, out = kernel.shape
    cells = math.prod(size)
    parts = list(views(spatially_padded(x, padding), size, strides, dilation))
    shape = parts[0].shape[:-1]
    rows = math.prod(shape)
    if groups == 1:
        columns = parts[0] if cells == 1 else call(_concat(-1), tuple(parts))
        y = call(MATMUL, reshaped(columns, (rows, cells * fan)), reshaped(kernel, (cells * fan, out)))
    else:
        grouped = [reshaped(part, (rows, groups, fan)) for part in parts]
        columns = transposed(call(_concat(-1), tuple(grouped)), (1, 0, 2))
        weights = transposed(reshaped(kernel, (cells, fan, groups, out // groups)), (2, 0, 1, 3))
        y = call(BATCH_MATMUL, columns, reshaped(weights, (groups, cells * fan, out // groups)))
        y = transposed(y, (1, 0, 2))
    return reshaped(y, (*shape, out))


@cache
def _concat(axis: int) -> Any:
    return ops.Concat(axis)


def conv_transpose(
    x: Value, kernel: Value, bias: Value | None = None, *, strides: Any, crop: Pairs, dilation: Any
) -> Value:
    """A convolution of the stretched input with the turned kernel (spatial…, C_out, C_in)."""
    spatial = len(strides)
    for axis, stride in enumerate(strides, 1):
        x = _stretched(x, axis, stride)
    reach = [(k - 1) * d for k, d in zip(kernel.shape, dilation, strict=False)]
    sides = [(r - b, r - a) for r, (b, a) in zip(reach, crop, strict=True)]
    x = spatially_padded(x, tuple((max(b, 0), max(a, 0)) for b, a in sides))
    cut = [slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(x.shape[1:-1], sides, strict=True)]
    x = x[(slice(None), *cut)]
    flipped = call(_reverse(tuple(range(spatial))), kernel.to_layout(None))
    flipped = transposed(flipped, (*range(spatial), spatial + 1, spatial))
    none = ((0, 0),) * spatial
    y: Value = conv(x, flipped, bias, strides=(1,) * spatial, padding=none, dilation=tuple(dilation))
    return y


def _stretched(x: Value, axis: int, stride: int) -> Value:
    """``stride`` - 1 zeros between neighbours along an axis."""
    if stride == 1:
        return x
    n, rest = x.shape[axis], x.shape[axis + 1 :]
    expanded = reshaped(x, (*x.shape[: axis + 1], 1, *rest))
    expanded = padded(expanded, [(0, stride - 1) if a == axis + 1 else (0, 0) for a in range(expanded.ndim)])
    joined = reshaped(expanded, (*x.shape[:axis], n * stride, *rest))
    return joined[(*[slice(None)] * axis, slice(0, (n - 1) * stride + 1))]


@cache
def _reverse(axes: tuple[int, ...]) -> Any:
    return ops.ReverseV2(axes)


# -- poolings ---------------------------------------------------------------------------------------
@cache
def _pool(kind: Any, window: Any, strides: Any) -> Any:
    return kind(window, strides, "valid")


@cache
def _pool_3d(window: Any, strides: Any) -> Any:
    return MaxPool3DWithArgmax(window, strides, (0, 0, 0), (1, 1, 1), False)


@_as_two_axes
def max_pool(x: Value, *, window: Any, strides: Any, padding: Pairs) -> Value:
    """MindSpore's kernels; what pads is the lowest number, so that it never wins.

    In float64 pictures are volumes of one layer, and the kernel is the one that keeps where each maximum
    was. The gradient of the others (2.10, CPU) compares and gives float64 in the precision of float32, and
    MaxPoolWithArgmaxV2 loses what is not finite.
    """
    lowest = -np.inf if any(map(any, padding)) else 0.0
    x = spatially_padded(x, padding, lowest)
    if x.ndim == 4 and x.dtype == "float32":
        return call(_pool(ops.MaxPool, tuple(window), tuple(strides)), x.to_layout(IMAGE), axes=IMAGE)  # type: ignore[no-any-return]
    if x.ndim == 4:
        layers = reshaped(x, (x.shape[0], 1, *x.shape[1:]))
        y = _max_of_volumes(layers, (1, *window), (1, *strides))
        return reshaped(y, (y.shape[0], *y.shape[2:]))
    return _max_of_volumes(x, tuple(window), tuple(strides))


def _max_of_volumes(x: Value, window: Any, strides: Any) -> Value:
    y, _ = call(_pool_3d(window, strides), x.to_layout(VOLUME), axes=VOLUME)
    return y  # type: ignore[no-any-return]


@_as_two_axes
def average_pool(x: Value, *, window: Any, strides: Any, padding: Pairs) -> Value:
    """MindSpore's kernel for pictures in float32 (in float64 it computes in float32), else a sum of slices.

    Padding counts for nothing: the mean over the whole window is corrected by the number of cells in it.
    """
    counts = _counts(x.shape, window, strides, padding)
    x = spatially_padded(x, padding)
    if x.dtype == "float32" and x.ndim == 4:
        y = call(_pool(ops.AvgPool, tuple(window), tuple(strides)), x.to_layout(IMAGE), axes=IMAGE)
        factor = math.prod(window) / counts
        return y if (factor == 1).all() else elementwise(ops.Mul(), y, tape().constant(factor, x.dtype))
    total, *others = views(x, window, strides)
    for view in others:
        total = elementwise(ADD, total, view)
    return elementwise(DIVIDE, total, tape().constant(counts, x.dtype))


def _counts(shape: Any, window: Any, strides: Any, padding: Pairs) -> np.ndarray:
    """How many cells under each window are not padding, along every spatial axis in turn."""
    counts = np.ones((1,) * len(shape))
    for axis, (n, k, s, (before, after)) in enumerate(
        zip(shape[1:-1], window, strides, padding, strict=True), 1
    ):
        starts = np.arange(0, n + before + after - k + 1, s)
        each = np.minimum(starts + k, n + before) - np.maximum(starts, before)
        counts = counts * np.maximum(each, 0).reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return counts


# -- BatchNorm --------------------------------------------------------------------------------------
@cache
def _batch_norm(epsilon: float) -> Any:
    return ops.BatchNorm(is_training=True, epsilon=epsilon, momentum=0.0)


def native_batch_norm(
    x: Value, gamma: Value | None, beta: Value | None, epsilon: float
) -> tuple[Value, Value, Value]:
    """(y, batch mean, biased batch variance) over the last axis of pictures, by oneDNN's kernel.

    The kernel writes moving statistics of its own (with an unbiased variance) over two of its inputs; it
    is given numbers that nothing reads.
    """
    n, here = x.shape[-1], tape()
    gamma = here.constant(np.ones(n), x.dtype) if gamma is None else gamma
    beta = here.constant(np.zeros(n), x.dtype) if beta is None else beta
    spare = here.own(np.zeros(n), x.dtype), here.own(np.ones(n), x.dtype)
    y, _, _, mean, variance = call(_batch_norm(epsilon), x.to_layout(IMAGE), gamma, beta, *spare, axes=IMAGE)
    return y, mean, variance
