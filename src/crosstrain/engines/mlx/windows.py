"""Convolutions, poolings and BatchNorm for MLX. Values are channels-last, as MLX's own are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import cache, reduce
from typing import Any

import mlx.core as mx
import numpy as np

Array = Any
Pairs = tuple[tuple[int, int], ...]


def cuts(
    shape: tuple[int, ...], window: Any, strides: Any, dilation: Any = None
) -> Iterator[tuple[slice, ...]]:
    """For every position in the window, row by row: the strided slice of an array of ``shape`` under it."""
    dilation = dilation or (1,) * len(window)
    axes = list(zip(shape[1:-1], window, strides, dilation, strict=True))
    lengths = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in axes]
    for position in itertools.product(*map(range, window)):
        begin = [p * d for p, d in zip(position, dilation, strict=True)]
        yield (
            slice(None),
            *(slice(b, b + (n - 1) * s + 1, s) for b, n, s in zip(begin, lengths, strides, strict=True)),
        )


def padded(x: Array, padding: Pairs, value: float = 0.0) -> Array:
    """Spatial axes padded with ``value``; a negative count takes cells away."""
    if any(min(pair) < 0 for pair in padding):
        lengths = x.shape[1:-1]
        cropping = (slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(lengths, padding, strict=True))
        x = x[(slice(None), *cropping)]
        padding = tuple((max(b, 0), max(a, 0)) for b, a in padding)
    if not any(map(any, padding)):
        return x
    return mx.pad(x, [(0, 0), *padding, (0, 0)], constant_values=mx.array(value, x.dtype))


# -- convolutions -----------------------------------------------------------------------------------
def native_conv(
    x: Array, kernel: Array, bias: Array = None,
    *, strides: Any, padding: Pairs, dilation: Any, groups: int = 1,
) -> Array:  # fmt: skip
    """MLX's own, whose kernels are (C_out, spatial…, C_in / groups)."""
    if groups > 1 and len(strides) > 2:  # MLX has no groups there
        return product_conv(
            x, kernel, bias, strides=strides, padding=padding, dilation=dilation, groups=groups
        )
    y = mx.conv_general(
        x, mx.moveaxis(kernel, -1, 0), stride=list(strides),
        padding=([b for b, _ in padding], [a for _, a in padding]), kernel_dilation=list(dilation),
        groups=groups,
    )  # fmt: skip
    return y if bias is None else y + bias


def product_conv(
    x: Array, kernel: Array, bias: Array = None,
    *, strides: Any, padding: Pairs, dilation: Any, groups: int = 1,
) -> Array:  # fmt: skip
    """As one product of matrices for each group: the windows, laid out in rows, by the kernel."""
    *size, fan, out = kernel.shape
    x = padded(x, padding)
    rows = mx.stack([x[cut] for cut in cuts(x.shape, size, strides, dilation)], axis=-2)
    *lead, cells, _ = rows.shape
    if groups == 1:
        y = rows.reshape(-1, cells * fan) @ kernel.reshape(cells * fan, out)
    else:
        rows = rows.reshape(-1, cells, groups, fan).transpose(2, 0, 1, 3).reshape(groups, -1, cells * fan)
        weights = kernel.reshape(cells, fan, groups, -1).transpose(2, 0, 1, 3)
        y = (rows @ weights.reshape(groups, cells * fan, -1)).transpose(1, 0, 2)
    y = y.reshape(*lead, out)
    return y if bias is None else y + bias


def _flipped(kernel: Array) -> Array:
    """(spatial…, C_out, C_in) as the kernel of the plain convolution that does the same."""
    spatial = tuple(slice(None, None, -1) for _ in kernel.shape[:-2])
    return mx.swapaxes(kernel[spatial], -1, -2)


def _reach(kernel: Array, dilation: Any, crop: Pairs) -> Pairs:
    """The padding of the stretched input."""
    reach = [(k - 1) * d for k, d in zip(kernel.shape, dilation, strict=False)]
    return tuple((r - b, r - a) for r, (b, a) in zip(reach, crop, strict=True))


def native_conv_transpose(
    x: Array, kernel: Array, bias: Array = None, *, strides: Any, crop: Pairs, dilation: Any
) -> Array:
    """A convolution of the stretched input with the turned kernel, by MLX's own."""
    pairs = _reach(kernel, dilation, crop)
    y = mx.conv_general(
        x, mx.moveaxis(_flipped(kernel), -1, 0), stride=1,
        padding=([max(b, 0) for b, _ in pairs], [max(a, 0) for _, a in pairs]),
        kernel_dilation=list(dilation), input_dilation=list(strides),
    )  # fmt: skip
    y = padded(y, tuple((min(b, 0), min(a, 0)) for b, a in pairs))
    return y if bias is None else y + bias


def product_conv_transpose(
    x: Array, kernel: Array, bias: Array = None, *, strides: Any, crop: Pairs, dilation: Any
) -> Array:
    """The same by ``product_conv``, the input stretched by hand."""
    for axis, stride in enumerate(strides, 1):
        if stride > 1:
            n = x.shape[axis]
            x = mx.expand_dims(x, axis + 1)
            x = mx.pad(x, [(0, stride - 1) if a == axis + 1 else (0, 0) for a in range(x.ndim)])
            x = x.reshape(*x.shape[:axis], n * stride, *x.shape[axis + 2 :])
            x = x[(slice(None),) * axis + (slice(0, (n - 1) * stride + 1),)]
    x = padded(x, _reach(kernel, dilation, crop))
    ones, none = (1,) * len(strides), ((0, 0),) * len(strides)
    return product_conv(x, _flipped(kernel), bias, strides=ones, padding=none, dilation=dilation)


# -- poolings ---------------------------------------------------------------------------------------
def max_pool(x: Array, *, window: Any, strides: Any, padding: Pairs) -> Array:
    """The largest of slices; MLX's gradient of a maximum is shared by equals, this one goes to the first."""
    return _largest(tuple(window), tuple(strides))(padded(x, padding, -math.inf))


@cache
def _largest(window: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    @mx.custom_function
    def largest(x: Array) -> Array:
        return reduce(mx.maximum, (x[cut] for cut in cuts(x.shape, window, strides)))

    @largest.vjp
    def backward(x: Array, dy: Array, y: Array) -> Array:
        places = list(cuts(x.shape, window, strides))
        best, first = x[places[0]], mx.zeros(dy.shape, mx.uint8 if len(places) < 256 else mx.int32)
        for index, cut in enumerate(places[1:], 1):
            first = mx.where(x[cut] > best, mx.array(index, first.dtype), first)
            best = mx.maximum(best, x[cut])
        zero = mx.array(0, dy.dtype)
        parts = [mx.where(first == index, dy, zero) for index in range(len(places))]
        if window == strides:
            return _interlaced(parts, window, x.shape)
        dx = mx.zeros(x.shape, dy.dtype)
        for cut, part in zip(places, parts, strict=True):
            dx[cut] = dx[cut] + part
        return dx

    return largest


def _interlaced(parts: list[Array], window: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """The cells of windows that do not overlap, at their places; 0 where no window is."""
    n, *lengths, channels = parts[0].shape
    rank = len(window)
    dx = mx.stack(parts, axis=rank + 1).reshape(n, *lengths, *window, channels)
    order = [0, *itertools.chain(*((i + 1, i + 1 + rank) for i in range(rank))), 2 * rank + 1]
    covered = [length * k for length, k in zip(lengths, window, strict=True)]
    dx = dx.transpose(order).reshape(n, *covered, channels)
    return padded(dx, tuple((0, full - c) for full, c in zip(shape[1:-1], covered, strict=True)))


def average_pool(x: Array, *, window: Any, strides: Any, padding: Pairs) -> Array:
    """A sum of slices, or one mean where the window is the whole picture."""
    if tuple(window) == tuple(x.shape[1:-1]) and not any(map(any, padding)):
        return mx.mean(x, axis=tuple(range(1, x.ndim - 1)), keepdims=True)
    counts = mx.array(_counts(x.shape, window, strides, padding), x.dtype)
    x = padded(x, padding)
    return reduce(mx.add, (x[cut] for cut in cuts(x.shape, window, strides))) / counts


def _counts(shape: tuple[int, ...], window: Any, strides: Any, padding: Pairs) -> np.ndarray:
    """How many cells under each window are not padding, along every spatial axis in turn."""
    counts = np.ones((1,) * len(shape))
    axes = zip(shape[1:-1], window, strides, padding, strict=True)
    for axis, (n, k, s, (before, after)) in enumerate(axes, 1):
        starts = np.arange(0, n + before + after - k + 1, s)
        each = np.minimum(starts + k, n + before) - np.maximum(starts, before)
        counts = counts * np.maximum(each, 0).reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return counts


# -- BatchNorm --------------------------------------------------------------------------------------
def batch_norm(
    x: Array, gamma: Array, beta: Array, mean: Array, variance: Array,
    *, axis: int, momentum: float, epsilon: float,
) -> Any:  # fmt: skip
    """The op's meaning with its gradient written out: fewer passes over memory than autodiff makes."""
    along = axis % x.ndim
    n = x.shape[along]
    rows = mx.moveaxis(x, along, -1).reshape(-1, n)
    gamma = mx.ones(n, x.dtype) if gamma is None else gamma
    beta = mx.zeros(n, x.dtype) if beta is None else beta
    y, batch_mean, batch_variance = _standardized(epsilon)(rows, gamma, beta)
    y = mx.moveaxis(y.reshape(*x.shape[:along], *x.shape[along + 1 :], n), -1, along)

    def blend(old: Array, new: Array) -> Array:
        return old * momentum + mx.stop_gradient(new) * (1 - momentum)

    return y, blend(mean, batch_mean), blend(variance, batch_variance)


BLOCK = 256


def column_sums(x: Array) -> Array:
    """Σ over the rows of x (rows, n): of blocks first, then of their sums.

    MLX adds one row after the other on a CPU; in float32 that loses two digits on 65536 rows.
    """
    rows, n = x.shape
    whole = rows - rows % BLOCK
    if whole == 0:
        return mx.sum(x, axis=0)
    total = mx.sum(mx.sum(x[:whole].reshape(-1, BLOCK, n), axis=1), axis=0)
    return total if whole == rows else total + mx.sum(x[whole:], axis=0)


@cache
def _standardized(epsilon: float) -> Any:
    """γ (x - m) / sqrt(v + ε) + β with the columns' means m and biased variances v, which are given too.
    x (rows, n); the gradient is that of the first output alone."""

    @mx.custom_function
    def standardized(x: Array, gamma: Array, beta: Array) -> Any:
        mean = column_sums(x) / x.shape[0]
        variance = column_sums(mx.square(x - mean)) / x.shape[0]
        return (x - mean) * (mx.rsqrt(variance + epsilon) * gamma) + beta, mean, variance

    @standardized.vjp
    def backward(primals: Any, cotangents: Any, outputs: Any) -> Any:
        (x, gamma, _), dy, (_, mean, variance) = primals, cotangents[0], outputs
        scale, rows = mx.rsqrt(variance + epsilon), x.shape[0]
        dbeta = column_sums(dy)
        dgamma = column_sums(dy * (x - mean)) * scale
        dx = (gamma * scale) * (dy - dbeta / rows - (x - mean) * (scale * dgamma / rows))
        return dx, dgamma, dbeta

    return standardized
