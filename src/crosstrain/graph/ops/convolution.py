"""Dense layers, convolutions and poolings, for any number of spatial axes.

x is (N, spatial…, C_in); padding is ``((before, after), …)``, one pair for each spatial axis.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from crosstrain.graph.ops.row import composite, primitive
from crosstrain.graph.ops.shapes import windowed

Pairs = tuple[tuple[int, int], ...]


def _dense_spec(x: Any, kernel: Any, bias: Any = None) -> Any:
    return [type(x)((*x.shape[:-1], kernel.shape[-1]), x.dtype)]


@composite(_dense_spec)
def dense(xp: Any, x: Any, kernel: Any, bias: Any = None) -> Any:
    """x (…, in) · kernel (in, out) + bias (out,)."""
    y = xp.matmul(x, kernel)
    return y if bias is None else y + bias


def _conv_spec(
    x: Any, kernel: Any, bias: Any = None, *, strides: Any, padding: Pairs, dilation: Any, groups: int = 1
) -> Any:
    spatial = map(windowed, x.shape[1:-1], kernel.shape, strides, dilation, padding)
    return [type(x)((x.shape[0], *spatial, kernel.shape[-1]), x.dtype)]


def _padded(x: Any, padding: Pairs, value: float = 0.0) -> Any:
    return np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=value)


def _windows(x: Any, size: Any, strides: Any, dilation: Any) -> Any:
    """For every position in the window: that position, and the view of ``x`` under it."""
    lengths = [
        (x.shape[i + 1] - (k - 1) * d - 1) // s + 1
        for i, (k, s, d) in enumerate(zip(size, strides, dilation, strict=True))
    ]
    for position in itertools.product(*map(range, size)):
        begin = [p * d for p, d in zip(position, dilation, strict=True)]
        cut = [slice(b, b + (n - 1) * s + 1, s) for b, n, s in zip(begin, lengths, strides, strict=True)]
        yield position, x[(slice(None), *cut)]


@primitive(_conv_spec)
def conv(
    x: Any, kernel: Any, bias: Any = None, *, strides: Any, padding: Pairs, dilation: Any, groups: int = 1
) -> Any:
    """Cross-correlation; kernel (spatial…, C_in / groups, C_out), bias (C_out,)."""
    *size, _, _ = kernel.shape
    y: Any = 0
    for position, view in _windows(_padded(x, padding), size, strides, dilation):
        y = y + _grouped_product(view, kernel[position], groups)
    return y if bias is None else y + bias


def _grouped_product(x: Any, weights: Any, groups: int) -> Any:
    """x (…, C_in) times weights (C_in / groups, C_out), each group of channels by its own columns."""
    fan, out = weights.shape
    if fan == 1 and groups > 1:
        return (x if out == groups else np.repeat(x, out // groups, axis=-1)) * weights[0]
    if groups == 1:  # one product of all places, not one for each row of a picture
        return (x.reshape(-1, fan) @ weights).reshape(*x.shape[:-1], out)
    by_group = x.reshape(-1, groups, fan).swapaxes(0, 1) @ weights.reshape(fan, groups, -1).swapaxes(0, 1)
    return by_group.swapaxes(0, 1).reshape(*x.shape[:-1], out)


def _depthwise_spec(
    x: Any, kernel: Any, bias: Any = None, *, strides: Any, padding: Pairs, dilation: Any
) -> Any:
    spatial = map(windowed, x.shape[1:-1], kernel.shape, strides, dilation, padding)
    return [type(x)((x.shape[0], *spatial, kernel.shape[-1] * kernel.shape[-2]), x.dtype)]


@composite(_depthwise_spec)
def depthwise_conv(
    xp: Any, x: Any, kernel: Any, bias: Any = None, *, strides: Any, padding: Pairs, dilation: Any
) -> Any:
    """Each channel by its own kernels; kernel (spatial…, C_in, multiplier), output channel c · m + j."""
    *size, channels, multiplier = kernel.shape
    grouped = xp.reshape(kernel, shape=(*size, 1, channels * multiplier))
    return xp.conv(
        x, grouped, bias, strides=strides, padding=padding, dilation=dilation, groups=int(channels)
    )


def _transposed_spec(
    x: Any, kernel: Any, bias: Any = None, *, strides: Any, crop: Pairs, dilation: Any
) -> Any:
    def length(n: int | None, k: int, s: int, d: int, c: tuple[int, int]) -> int | None:
        return None if n is None else (n - 1) * s + (k - 1) * d + 1 - sum(c)

    spatial = map(length, x.shape[1:-1], kernel.shape, strides, dilation, crop)
    return [type(x)((x.shape[0], *spatial, kernel.shape[-2]), x.dtype)]


@primitive(_transposed_spec)
def conv_transpose(x: Any, kernel: Any, bias: Any = None, *, strides: Any, crop: Pairs, dilation: Any) -> Any:
    """The gradient of ``conv`` as a layer; kernel (spatial…, C_out, C_in).

    The full output, (n - 1) · stride + (k - 1) · dilation + 1 long, loses ``crop`` cells at either end
    (negative: gains zeros), then the bias is added.
    """
    *size, out, _ = kernel.shape
    lengths = [
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip(x.shape[1:-1], strides, size, dilation, strict=True)
    ]
    full = np.zeros((x.shape[0], *lengths, out), x.dtype)
    for position in itertools.product(*map(range, size)):
        cut = [
            slice(p * d, p * d + (n - 1) * s + 1, s)
            for p, d, n, s in zip(position, dilation, x.shape[1:-1], strides, strict=True)
        ]
        full[(slice(None), *cut)] += x @ kernel[position].T
    grown = np.pad(full, ((0, 0), *[(max(-b, 0), max(-a, 0)) for b, a in crop], (0, 0)))
    cut = [slice(max(b, 0), n - max(a, 0)) for (b, a), n in zip(crop, grown.shape[1:-1], strict=True)]
    y = grown[(slice(None), *cut)]
    return y if bias is None else y + bias


def _pool_spec(x: Any, *, window: Any, strides: Any, padding: Pairs) -> Any:
    spatial = map(windowed, x.shape[1:-1], window, strides, (1,) * len(window), padding)
    return [type(x)((x.shape[0], *spatial, x.shape[-1]), x.dtype)]


@primitive(_pool_spec)
def max_pool(x: Any, *, window: Any, strides: Any, padding: Pairs) -> Any:
    """Largest value under the window; padding never wins."""
    views = [v for _, v in _windows(_padded(x, padding, -np.inf), window, strides, (1,) * len(window))]
    return np.max(np.stack(views), axis=0)


@primitive(_pool_spec)
def average_pool(x: Any, *, window: Any, strides: Any, padding: Pairs) -> Any:
    """Mean over the cells under the window that are not padding."""

    def total(values: Any) -> Any:
        return sum(v for _, v in _windows(_padded(values, padding), window, strides, (1,) * len(window)))

    return total(x) / total(np.ones((1, *x.shape[1:-1], 1), x.dtype))
