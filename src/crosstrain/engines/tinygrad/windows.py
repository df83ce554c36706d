"""Convolutions and poolings for tinygrad: on channels-last values, whose permutations cost it nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import reduce
from typing import Any

from tinygrad import Tensor

Pairs = tuple[tuple[int, int], ...]


def padded(x: Tensor, padding: Pairs, value: float = 0.0) -> Tensor:
    """Spatial axes padded with ``value``; a negative count takes cells away."""
    if not any(map(any, padding)):
        return x
    return x.pad((None, *(tuple(map(int, pair)) for pair in padding), None), value=value)


def cuts(x: Tensor, window: Any, strides: Any) -> Iterator[Tensor]:
    """For every position in the window, row by row: the strided slice of ``x`` under it."""
    axes = list(zip(x.shape[1:-1], window, strides, strict=True))
    lengths = [(n - k) // s + 1 for n, k, s in axes]
    for position in itertools.product(*map(range, window)):
        spatial = (
            slice(b, b + (n - 1) * s + 1, s) for b, n, s in zip(position, lengths, strides, strict=True)
        )
        yield x[(slice(None), *spatial)]


def conv(
    x: Tensor, kernel: Tensor, bias: Tensor | None = None,
    *, strides: Any, padding: Pairs, dilation: Any, groups: int = 1,
) -> Tensor:  # fmt: skip
    """One product of matrices for each group: the windows, laid out in rows, by the kernel.

    The fences (``contiguous``) keep tinygrad from computing the layer before, and backwards the layer after,
    anew inside the product, whose kernels would take longer to compile and to run.
    """
    *size, fan, out = map(int, kernel.shape)
    rank, groups, cells = len(size), int(groups), math.prod(size)
    x = padded(x, padding).contiguous().permute(0, rank + 1, *range(1, rank + 1))
    views = x._pool(tuple(size), tuple(map(int, strides)), tuple(map(int, dilation)))
    lengths = views.shape[2 : 2 + rank]
    rows = views.permute(0, *range(2, 2 + 2 * rank), 1)  # N, lengths…, size…, C_in
    if groups == 1:
        y = rows.reshape(-1, cells * fan).contiguous() @ kernel.reshape(cells * fan, out)
    else:
        parts = rows.reshape(-1, cells, groups, fan).permute(2, 0, 1, 3).reshape(groups, -1, cells * fan)
        weights = kernel.reshape(cells, fan, groups, out // groups).permute(2, 0, 1, 3)
        y = (parts.contiguous() @ weights.reshape(groups, cells * fan, -1)).permute(1, 0, 2)
    y = y.reshape(x.shape[0], *lengths, out).contiguous_backward()
    return y if bias is None else y + bias


def conv_transpose(
    x: Tensor, kernel: Tensor, bias: Tensor | None = None, *, strides: Any, crop: Pairs, dilation: Any
) -> Tensor:
    """A convolution of the stretched input with the turned kernel (spatial…, C_out, C_in)."""
    rank = len(strides)
    for axis, stride in enumerate(strides, 1):
        if stride > 1:
            n, shape = x.shape[axis], x.shape
            x = x.unsqueeze(axis + 1).pad(
                (*[None] * (axis + 1), (0, stride - 1), *[None] * (rank - axis + 1))
            )
            x = x.reshape(*shape[:axis], n * stride, *shape[axis + 1 :])
            x = x[(*[slice(None)] * axis, slice(0, (n - 1) * stride + 1))]
    reach = [(k - 1) * d for k, d in zip(kernel.shape, dilation, strict=False)]
    pairs = tuple((r - b, r - a) for r, (b, a) in zip(reach, crop, strict=True))
    flipped = kernel.flip(tuple(range(rank))).transpose(-1, -2)
    return conv(x, flipped, bias, strides=(1,) * rank, padding=pairs, dilation=dilation)


def max_pool(x: Tensor, *, window: Any, strides: Any, padding: Pairs) -> Tensor:
    """The largest of slices, the first of equals: tinygrad's own maximum shares its gradient among them."""
    places = cuts(padded(x, padding, -math.inf), window, strides)
    return reduce(lambda best, cut: (cut > best).where(cut, best), places)


def average_pool(x: Tensor, *, window: Any, strides: Any, padding: Pairs) -> Tensor:
    """The sum of the cells under the window by how many of them are not padding."""
    if tuple(window) == tuple(x.shape[1:-1]) and not any(map(any, padding)):
        return x.mean(tuple(range(1, x.ndim - 1)), keepdim=True)

    def total(values: Tensor) -> Tensor:
        return reduce(lambda a, b: a + b, cuts(padded(values, padding), window, strides))

    if not any(map(any, padding)):
        return total(x) / math.prod(window)
    return total(x) / total(x.detach().const_like(1))
