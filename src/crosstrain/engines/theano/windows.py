"""Convolutions and poolings on Theano, between channels-last values and its channels-first kernels."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import theano.tensor as T
from theano.tensor.nnet import abstract_conv

Variable = Any
Pairs = tuple[tuple[int, int], ...]


def channels_first(x: Variable) -> Variable:
    """(N, spatial…, C) as (N, C, spatial…)."""
    return x.dimshuffle(0, x.ndim - 1, *range(1, x.ndim - 1))


def channels_last(x: Variable) -> Variable:
    return x.dimshuffle(0, *range(2, x.ndim), 1)


def padded(x: Variable, padding: Any, value: float = 0.0) -> Variable:
    """``(before, after)`` for each axis, negative ones cut off."""
    cut = tuple(slice(max(-b, 0), -max(-a, 0) or None) for b, a in padding)
    x, grow = x[cut], [(max(b, 0), max(a, 0)) for b, a in padding]
    if not any(map(any, grow)):
        return x
    lengths = [x.shape[axis] + b + a for axis, (b, a) in enumerate(grow)]
    room = T.alloc(np.asarray(value, x.dtype), *lengths)
    inside = tuple(slice(b, -a or None) for b, a in grow)
    return T.set_subtensor(room[inside], x)


def conv(
    x: Variable, kernel: Variable, bias: Variable = None, *, strides: Any, padding: Pairs, dilation: Any,
    groups: int = 1,
) -> Variable:  # fmt: skip
    rank = x.ndim - 2
    if rank == 1:  # as pictures of one row
        y = conv(
            x.dimshuffle(0, "x", 1, 2), kernel.dimshuffle("x", 0, 1, 2), strides=(1, *strides),
            padding=((0, 0), *padding), dilation=(1, *dilation), groups=groups,
        )[:, 0]  # fmt: skip
    else:
        image, filters = channels_first(x), kernel.dimshuffle(rank + 1, rank, *range(rank))
        settings = {
            "subsample": tuple(strides), "filter_flip": False, "filter_dilation": tuple(dilation),
            "num_groups": groups,
        }  # fmt: skip
        if rank == 2:
            y = T.nnet.conv2d(image, filters, border_mode=tuple(map(tuple, padding)), **settings)
        else:
            image = padded(image, ((0, 0), (0, 0), *padding))
            y = T.nnet.conv3d(image, filters, border_mode="valid", **settings)
        y = channels_last(y)
    return y if bias is None else y + bias


def conv_transpose(
    x: Variable, kernel: Variable, bias: Variable = None, *, strides: Any, crop: Pairs, dilation: Any
) -> Variable:
    rank = x.ndim - 2
    if rank == 1:
        y = conv_transpose(
            x.dimshuffle(0, "x", 1, 2), kernel.dimshuffle("x", 0, 1, 2), strides=(1, *strides),
            crop=((0, 0), *crop), dilation=(1, *dilation),
        )[:, 0]  # fmt: skip
        return y if bias is None else y + bias
    filters = kernel.dimshuffle(rank + 1, rank, *range(rank))
    lengths = [
        (x.shape[i + 1] - 1) * strides[i] + (kernel.shape[i] - 1) * dilation[i] + 1 for i in range(rank)
    ]
    function = {2: abstract_conv.conv2d_grad_wrt_inputs, 3: abstract_conv.conv3d_grad_wrt_inputs}[rank]
    y = function(
        channels_first(x), filters, input_shape=(None, None, *lengths), border_mode="valid",
        subsample=tuple(strides), filter_flip=False, filter_dilation=tuple(dilation),
    )  # fmt: skip
    y = padded(channels_last(y), ((0, 0), *((-b, -a) for b, a in crop), (0, 0)))
    return y if bias is None else y + bias


def _views(x: Variable, window: Any, strides: Any) -> Iterator[Variable]:
    """For every position in the window, the cells of ``x`` under it."""
    lengths = [(x.shape[i + 1] - k) // s + 1 for i, (k, s) in enumerate(zip(window, strides, strict=True))]
    for position in itertools.product(*map(range, window)):
        cuts = [slice(p, p + (n - 1) * s + 1, s) for p, n, s in zip(position, lengths, strides, strict=True)]
        yield x[(slice(None), *cuts)]


def max_pool(x: Variable, *, window: Any, strides: Any, padding: Pairs) -> Variable:
    """Cell by cell, fused into one loop by Theano's compiler. Its own pooling gives the gradient to every
    largest value under a window; Keras gives it to the first."""
    largest = None
    for view in _views(padded(x, ((0, 0), *padding, (0, 0)), -np.inf), window, strides):
        largest = view if largest is None else T.switch(T.ge(largest, view), largest, view)
    return largest


def average_pool(x: Variable, *, window: Any, strides: Any, padding: Pairs) -> Variable:
    around = ((0, 0), *padding, (0, 0))
    total = sum(_views(padded(x, around), window, strides))
    if not any(map(any, padding)):
        return total / np.asarray(np.prod(window), x.dtype)
    ones = T.alloc(np.asarray(1, x.dtype), 1, *(x.shape[i + 1] for i in range(x.ndim - 2)), 1)
    counts = sum(_views(padded(ones, around), window, strides))
    return total / T.patternbroadcast(counts, [axis in (0, x.ndim - 1) for axis in range(x.ndim)])
