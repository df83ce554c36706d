"""Convolutions, poolings and BatchNorm on MXNet: on channels-first images, where oneDNN has its kernels.

A chain of such ops passes its images on as they are; only what needs another order of axes transposes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import mxnet as mx
import mxnet.symbol._internal as legacy
import numpy as np

from crosstrain.engines.mxnet.values import Order, Symbol, Value, channels_first, npi
from crosstrain.graph.evaluate import Ops
from crosstrain.graph.ops.convolution import Pairs
from crosstrain.graph.ops.row import VOCABULARY

SMALLEST_EPSILON_OF_CUDNN = 1e-5


def kernel_order(rank: int) -> Order:
    """(spatial…, in, out) seen as (out, in, spatial…)."""
    return (rank - 1, rank - 2, *range(rank - 2))


def depthwise_order(rank: int) -> Order:
    """(spatial…, channels, multiplier) seen as (channels, multiplier, spatial…)."""
    return (rank - 2, rank - 1, *range(rank - 2))


WEIGHT_ORDERS = {"conv": kernel_order, "conv_transpose": kernel_order, "depthwise_conv": depthwise_order}
"""How the kernels of these ops lie in memory."""


def image_of(x: Value) -> Symbol:
    return x.symbol_in(channels_first(x.ndim))


def _value(op: str, image: Symbol, x: Value, *rest: Value | None, **attributes: Any) -> Value:
    """An image as the outcome of an op, shaped by the op's rule."""
    specs = [None if v is None else v.spec for v in (x, *rest)]
    (spec,) = VOCABULARY[op].shape(*specs, **attributes)
    shape: Any = spec.shape
    return Value(image, shape, x.dtype, channels_first(x.ndim))


def padded(image: Symbol, shape: Sequence[int], padding: Pairs, number: float, dtype: str) -> Symbol:
    """A symbol of this shape with its axes padded. MXNet's own op of NumPy's meaning takes ten times as long
    as joining pieces."""
    lengths = list(shape)
    for axis, pair in enumerate(padding):
        ends = []
        for n in pair:
            piece = tuple(n if a == axis else length for a, length in enumerate(lengths))
            ends.append([legacy._full(shape=piece, value=number, dtype=dtype)] if n else [])
        if any(pair):
            image = mx.sym.concat(*ends[0], image, *ends[1], dim=axis)
            lengths[axis] += sum(pair)
    return image


def _padded_image(x: Value, padding: Pairs, number: float = 0.0) -> Symbol:
    """The image with its spatial axes padded."""
    shape = (x.shape[0], x.shape[-1], *x.shape[1:-1])
    return padded(image_of(x), shape, ((0, 0), (0, 0), *padding), number, x.dtype)


def _even(padding: Pairs) -> bool:
    return all(before == after for before, after in padding)


# -- convolutions ----------------------------------------------------------------------------------------
def conv(
    x: Value, kernel: Value, bias: Value | None = None,
    *, strides: Any, padding: Pairs, dilation: Any, groups: int = 1,
) -> Value:  # fmt: skip
    weight = kernel.symbol_in(kernel_order(kernel.ndim))
    size, out = kernel.shape[:-2], kernel.shape[-1]
    image = _convolved(x, weight, bias, size, out, strides, padding, dilation, groups)
    attributes = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
    return _value("conv", image, x, kernel, bias, **attributes)


def depthwise_conv(
    x: Value, kernel: Value, bias: Value | None = None, *, strides: Any, padding: Pairs, dilation: Any
) -> Value:
    *size, channels, multiplier = kernel.shape
    out = channels * multiplier
    weight = npi.reshape(kernel.symbol_in(depthwise_order(kernel.ndim)), newshape=(out, 1, *size))
    image = _convolved(x, weight, bias, tuple(size), out, strides, padding, dilation, channels)
    attributes = {"strides": strides, "padding": padding, "dilation": dilation}
    return _value("depthwise_conv", image, x, kernel, bias, **attributes)


def _convolved(
    x: Value, weight: Symbol, bias: Value | None, size: tuple[int, ...], out: int,
    strides: Any, padding: Pairs, dilation: Any, groups: int,
) -> Symbol:  # fmt: skip
    image = image_of(x)
    if not _even(padding):
        # MXNet pads both ends alike. Where one needs less, a kernel that is as much longer, with zeros there,
        # sees the same cells; that costs less than a padded copy of the images.
        longer = [after - before for before, after in padding]
        if all(n % d == 0 for n, d in zip(longer, dilation, strict=True)):
            ends = [n // d for n, d in zip(longer, dilation, strict=True)]
            zeros = ((0, 0), (0, 0), *((max(n, 0), max(-n, 0)) for n in ends))
            weight = padded(weight, (out, x.shape[-1] // groups, *size), zeros, 0.0, x.dtype)
            size = tuple(k + abs(n) for k, n in zip(size, ends, strict=True))
            padding = tuple((max(pair), max(pair)) for pair in padding)
        else:
            image, padding = _padded_image(x, padding), ((0, 0),) * len(padding)
    arguments = [image, weight] if bias is None else [image, weight, bias.symbol]
    return mx.sym.Convolution(
        *arguments, kernel=size, stride=tuple(strides), dilate=tuple(dilation),
        pad=tuple(before for before, _ in padding), num_filter=out, num_group=groups, no_bias=bias is None,
    )  # fmt: skip


def conv_transpose(
    x: Value, kernel: Value, bias: Value | None = None, *, strides: Any, crop: Pairs, dilation: Any
) -> Value:
    # The full output, then what either end loses or gains, then the bias.
    *size, out, _ = kernel.shape
    weight = kernel.symbol_in(kernel_order(kernel.ndim))
    if len(size) == 3:
        image = _stretched_conv(x, weight, kernel, strides, dilation)
    else:
        image = mx.sym.Deconvolution(
            image_of(x), weight, kernel=tuple(size), stride=tuple(strides), dilate=tuple(dilation),
            num_filter=out, no_bias=True,
        )  # fmt: skip
    if any(n < 0 for pair in crop for n in pair):
        full = zip(x.shape[1:-1], strides, size, dilation, strict=True)
        lengths = [(n - 1) * stride + (k - 1) * d + 1 for n, stride, k, d in full]
        gains = [(max(-before, 0), max(-after, 0)) for before, after in crop]
        image = padded(image, (x.shape[0], out, *lengths), ((0, 0), (0, 0), *gains), 0.0, x.dtype)
    if any(n > 0 for pair in crop for n in pair):
        begin = (None, None, *(max(before, 0) for before, _ in crop))
        end = (None, None, *(-after if after > 0 else None for _, after in crop))
        image = mx.sym.slice(image, begin=begin, end=end)
    attributes = {"strides": strides, "crop": crop, "dilation": dilation}
    y = _value("conv_transpose", image, x, kernel, bias, **attributes)
    return y if bias is None else y + bias


def _stretched_conv(x: Value, weight: Symbol, kernel: Value, strides: Any, dilation: Any) -> Symbol:
    """The full transposed convolution as a convolution of the stretched input with the turned kernel: MXNet's
    own knows one and two spatial axes on a CPU."""
    *size, out, _ = kernel.shape
    image, shape = image_of(x), [x.shape[0], x.shape[-1], *x.shape[1:-1]]
    for axis, stride in enumerate(strides, 2):
        before, n, after = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
        gaps = ((0, 0), (0, 0), (0, stride - 1), (0, 0))
        image = npi.reshape(image, newshape=(before, n, 1, after))
        image = npi.pad(image, pad_width=gaps, mode="constant", constant_value=0.0)
        image = npi.reshape(image, newshape=(before, n * stride, after))
        shape[axis] = (n - 1) * stride + 1  # no gap behind the last cell
        image = mx.sym.slice_axis(image, axis=1, begin=0, end=shape[axis])
    image = npi.reshape(image, newshape=tuple(shape))
    flipped = mx.sym.reverse(mx.sym.swapaxes(weight, dim1=0, dim2=1), axis=(2, 3, 4))
    reach = tuple((k - 1) * d for k, d in zip(size, dilation, strict=True))
    return mx.sym.Convolution(
        image, flipped, kernel=tuple(size), dilate=tuple(dilation), pad=reach, num_filter=out, no_bias=True
    )


# -- poolings --------------------------------------------------------------------------------------------
def _pooled(kind: str, image: Symbol, window: Any, strides: Any, pads: Any, **more: Any) -> Symbol:
    return mx.sym.Pooling(
        image, pool_type=kind, kernel=tuple(window), stride=tuple(strides), pad=tuple(pads), **more
    )


def max_pool(x: Value, *, window: Any, strides: Any, padding: Pairs) -> Value:
    image, pads = image_of(x), tuple(before for before, _ in padding)
    if not _even(padding):
        image, pads = _padded_image(x, padding, float(np.finfo(x.dtype).min)), (0,) * len(padding)
    y = _pooled("max", image, window, strides, pads)
    return _value("max_pool", y, x, window=window, strides=strides, padding=padding)


def counts(x: Value, window: Any, strides: Any, padding: Pairs) -> np.ndarray:
    """How many cells under each window are not padding, (1, 1, spatial…)."""
    counts = np.ones((1, 1, *[1] * len(window)))
    for axis, (n, k, s, (before, after)) in enumerate(
        zip(x.shape[1:-1], window, strides, padding, strict=True), 2
    ):
        starts = np.arange(0, n + before + after - k + 1, s)
        each = np.minimum(starts + k, n + before) - np.maximum(starts, before)
        counts = counts * each.reshape([-1 if a == axis else 1 for a in range(counts.ndim)])
    return counts


def average_pool(ops: Ops, x: Value, *, window: Any, strides: Any, padding: Pairs) -> Value:
    attributes = {"window": window, "strides": strides, "padding": padding}
    image = image_of(x)
    if tuple(window) == x.shape[1:-1] and not any(map(any, padding)):
        whole = global_average(ops, x)
        return whole.reshaped(x.shape[0], *[1] * len(window), x.shape[-1])
    if _even(padding):
        pads = tuple(before for before, _ in padding)
        y = _pooled("avg", image, window, strides, pads, count_include_pad=False)
        return _value("average_pool", y, x, **attributes)
    sums = _pooled("avg", _padded_image(x, padding), window, strides, (0,) * len(padding))
    full = np.moveaxis(math.prod(window) / counts(x, window, strides, padding), 1, -1)
    share: Value = ops.constant(value=full, dtype=x.dtype)
    return _value("average_pool", sums, x, **attributes) * share


def global_average(ops: Ops, x: Value) -> Value:
    """The mean over all spatial axes, (N, C), as a product with ones: oneDNN's pooling takes ten times as
    long backwards, and MXNet's sums as long forwards."""
    batch, *lengths, channels = x.shape
    cells = math.prod(lengths)
    rows = npi.reshape(image_of(x), newshape=(batch * channels, cells))
    share = ops.constant(value=np.full((cells, 1), 1 / cells), dtype=x.dtype)
    shape = (batch, channels)
    return Value(npi.reshape(mx.sym.dot(rows, share.symbol), newshape=shape), shape, x.dtype)


# -- BatchNorm -------------------------------------------------------------------------------------------
def _order_along(rank: int, axis: int) -> Order:
    """``axis`` in second place."""
    return (0, axis, *(a for a in range(1, rank) if a != axis))


def _normalized(
    x: Value, gamma: Value | None, beta: Value | None, mean: Symbol, variance: Symbol, order: Order,
    epsilon: float, **more: Any,
) -> Symbol:  # fmt: skip
    channels = (x.shape[order[1]],)
    scale = legacy._ones(shape=channels, dtype=x.dtype) if gamma is None else gamma.symbol
    shift = legacy._zeros(shape=channels, dtype=x.dtype) if beta is None else beta.symbol
    return mx.sym.BatchNorm(
        x.symbol_in(order), scale, shift, mean, variance, eps=epsilon, fix_gamma=False, axis=1,
        cudnn_off=epsilon < SMALLEST_EPSILON_OF_CUDNN, **more,
    )  # fmt: skip


def batch_norm(
    ops: Ops, x: Value, gamma: Value | None, beta: Value | None, mean: Value, variance: Value,
    *, axis: int, momentum: float, epsilon: float,
) -> tuple[Value, Value, Value]:  # fmt: skip
    axis %= x.ndim
    if axis == 0:
        composite: Any = VOCABULARY["batch_norm"].meaning
        result: tuple[Value, Value, Value] = composite(
            ops, x, gamma, beta, mean, variance, axis=axis, momentum=momentum, epsilon=epsilon
        )
        return result
    order = _order_along(x.ndim, axis)
    # MXNet's own moving statistics change in the backward pass; nothing reads those it is given here.
    n = x.shape[axis]
    unread = ops.scratch(n, x.dtype)
    result = _normalized(
        x, gamma, beta, unread, unread, order, epsilon, momentum=momentum, output_mean_var=True
    )
    y = Value(result[0], x.shape, x.dtype, order)
    batch_mean, batch_variance = _batch_statistics(ops, x, result, axis, epsilon)
    blend = lambda old, new: old * momentum + new * (1 - momentum)
    return y, blend(mean, batch_mean), blend(variance, batch_variance)


def _batch_statistics(ops: Ops, x: Value, result: Symbol, axis: int, epsilon: float) -> tuple[Value, Value]:
    """Mean and biased variance of the batch."""
    if x.ndim < 4:
        still = ops.stop_gradient(x)
        axes = tuple(a for a in range(x.ndim) if a != axis)
        return ops.mean(still, axis=axes), ops.variance(still, axis=axes)
    # The op has 1 / sqrt(variance + epsilon) as its third result. Of a variance below epsilon that keeps
    # fewer digits, but no fewer than inference reads, which adds epsilon again; another pass over the
    # images would cost some per cent of a step.
    shape = (x.shape[axis],)
    mean, scale = (Value(mx.sym.BlockGrad(result[i]), shape, x.dtype) for i in (1, 2))
    variance = 1 / (scale * scale) - epsilon
    return mean, variance.mapped(lambda s: legacy._maximum_scalar(s, scalar=0.0))


def normalize(
    ops: Ops, x: Value, gamma: Value | None, beta: Value | None, mean: Value, variance: Value,
    *, axis: int, epsilon: float,
) -> Value:  # fmt: skip
    """For inference alone: MXNet's own has no gradient for the statistics."""
    axis %= x.ndim
    stored = mean.symbol.get_children() is None and variance.symbol.get_children() is None
    if axis == 0 or not stored:  # MXNet's op takes statistics that are inputs of the graph
        composite: Any = VOCABULARY["normalize"].meaning
        result: Value = composite(ops, x, gamma, beta, mean, variance, axis=axis, epsilon=epsilon)
        return result
    order = _order_along(x.ndim, axis)
    y = _normalized(x, gamma, beta, mean.symbol, variance.symbol, order, epsilon, use_global_stats=True)
    return Value(y, x.shape, x.dtype, order)
