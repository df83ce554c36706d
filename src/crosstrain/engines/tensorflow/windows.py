"""Dense layers, convolutions and poolings on TensorFlow, channels-last as the vocabulary is.

Kernels that TensorFlow lacks on a CPU (grouped or dilated convolutions in float64, three-dimensional
pooling in float64, explicit padding under XLA) are put together from those that it has everywhere.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

Tensor = Any
Implementation = Callable[..., Any]
Pairs = Sequence[tuple[int, int]]
Padding = str | list[list[int]]

ONE_DNN = platform.machine() in ("x86_64", "AMD64") and os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "1"
"""Whether oneDNN's kernels are surely there: they know grouped convolutions, which Eigen's do not."""


def lengths_of(x: Tensor) -> list[Any]:
    """The shape, with a scalar tensor for each length that is not known before the run."""
    static = x.shape.as_list()
    if None not in static:
        return list(static)
    dynamic = tf.shape(x)
    return [dynamic[i] if n is None else n for i, n in enumerate(static)]


# -- dense layers and convolutions ------------------------------------------------------------------
def dense(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """One matrix product over all rows: a batched one with a shared kernel is far slower."""
    rows = x if x.shape.rank == 2 else tf.reshape(x, [-1, x.shape[-1]])
    y = tf.matmul(rows, kernel)
    if bias is not None:
        y = tf.nn.bias_add(y, bias)
    return y if x.shape.rank == 2 else tf.reshape(y, [*lengths_of(x)[:-1], kernel.shape[-1]])


def matmul(a: Tensor, b: Tensor) -> Tensor:
    if b.shape.rank == 2 and a.shape.rank > 2:
        return dense(a, b)
    if a.shape.rank == 1 or b.shape.rank == 1:
        left, right = a.shape.rank == 1, b.shape.rank == 1
        y = tf.matmul(a[None] if left else a, b[:, None] if right else b)
        return tf.squeeze(y, [axis for axis, drop in ((-2, left), (-1, right)) if drop])
    return tf.matmul(a, b)


def _padding(lengths: Sequence[Any], size: Sequence[int], strides: Sequence[int], padding: Pairs) -> Padding:
    """``VALID`` or ``SAME`` where they mean these pads, which every kernel knows; else the pads."""
    if not any(map(any, padding)):
        return "VALID"
    same, explicit = [], [[0, 0], *map(list, padding), [0, 0]]
    for n, k, s in zip(lengths, size, strides, strict=True):
        if n is None:
            return explicit
        beyond = (-(-n // s) - 1) * s + k - n
        if beyond < 0 and len(size) == 3:
            # TensorFlow 2.21's conv3d in float64 begins too late where the last window ends before the end.
            return explicit
        total = max(beyond, 0)
        same.append((total // 2, total - total // 2))
    return "SAME" if same == [tuple(p) for p in padding] else explicit


def _padded(x: Tensor, padding: Padding, value: float = 0.0) -> tuple[Tensor, str]:
    """``x`` and a padding that is a name: explicit pads are written into the tensor."""
    if isinstance(padding, str):
        return x, padding
    return tf.pad(x, padding, constant_values=tf.constant(value, x.dtype)), "VALID"


def _stuffed(kernel: Tensor, dilation: Sequence[int]) -> Tensor:
    """The kernel with zeros between its cells: what a dilated kernel looks like from outside."""
    for axis, d in enumerate(dilation):
        shape = kernel.shape.as_list()
        if d > 1 and shape[axis] > 1:
            before, k, after = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
            cells = tf.pad(tf.reshape(kernel, [before, k, 1, after]), [[0, 0], [0, 0], [0, d - 1], [0, 0]])
            row = tf.reshape(cells, [before, k * d, after])[:, : (k - 1) * d + 1]
            kernel = tf.reshape(row, [*shape[:axis], (k - 1) * d + 1, *shape[axis + 1 :]])
    return kernel


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
    one = partial(_plain_conv, strides=strides, padding=padding, dilation=dilation)
    if groups == 1 or (ONE_DNN and x.dtype == tf.float32 and len(strides) == 2 and max(dilation) == 1):
        y = one(x, kernel)
    else:  # Eigen has no gradient of a grouped convolution
        y = tf.concat(list(map(one, tf.split(x, groups, -1), tf.split(kernel, groups, -1))), -1)
    return y if bias is None else tf.nn.bias_add(y, bias)


def _plain_conv(x: Tensor, kernel: Tensor, *, strides: Any, padding: Pairs, dilation: Any) -> Tensor:
    if max(dilation) > 1 and max(strides) == 1:
        x, _ = _padded(x, [[0, 0], *map(list, padding), [0, 0]])
        return tf.nn.convolution(x, kernel, 1, "VALID", dilations=list(dilation))
    if max(dilation) > 1:
        kernel = _stuffed(kernel, dilation)
    # Padding first is faster on a CPU than a convolution that is told explicit pads.
    x, how = _padded(x, _padding(x.shape[1:-1], kernel.shape[:-2], strides, padding))
    if len(strides) == 2:
        return tf.nn.conv2d(x, kernel, list(strides), how)
    if x.shape[-1] == 1 and max(strides) > 1:
        # TensorFlow 2.21's conv3d of one channel is wrong for some windows and strides: not of two.
        x = tf.pad(x, [[0, 0]] * 4 + [[0, 1]])
        kernel = tf.pad(kernel, [[0, 0]] * 3 + [[0, 1], [0, 0]])
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
    x, how = _padded(x, _padding(x.shape[1:-1], kernel.shape[:-2], step, padding))
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
    batch, *lengths, _ = lengths_of(x)
    full = [(n - 1) * s + k for n, s, k in zip(lengths, strides, size, strict=True)]
    # What the kernel crops on its own is not computed; in three dimensions it knows no crop but SAME's.
    inner = [(max(before, 0), max(after, 0)) for before, after in crop]
    cropped = [n - sum(pair) for n, pair in zip(full, inner, strict=True)]
    how = _padding(cropped, size, strides, inner)
    cropping: tuple[slice, ...] = ()
    if len(strides) == 3 and not isinstance(how, str):
        cropping = tuple(slice(b, n - a) for (b, a), n in zip(inner, full, strict=True))
        cropped, how = full, "VALID"
    function = tf.nn.conv2d_transpose if len(strides) == 2 else tf.nn.conv3d_transpose
    y = function(x, kernel, [batch, *cropped, out], list(strides), how)
    if cropping:
        y = y[(slice(None), *cropping)]
    if any(min(pair) < 0 for pair in crop):
        y = tf.pad(y, [[0, 0], *[[max(-before, 0), max(-after, 0)] for before, after in crop], [0, 0]])
    return y if bias is None else tf.nn.bias_add(y, bias)


# -- pooling ----------------------------------------------------------------------------------------
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


max_pool, average_pool = _planar(_max_pool), _planar(_average_pool)
