"""Convolutions, poolings and BatchNorm on Paddle, on images (N, C, spatial…) and kernels (C_out, C_in, …).

One spatial axis is treated as two, the first of length 1. On a CPU some gradients and the bias have forms
of their own, several times faster than Paddle's kernels; docs/engines/paddle.md has the measurements.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, _C_ops
from paddle.autograd import PyLayer

from crosstrain.graph.ops.convolution import Pairs

FEW_FILTERS = 16
"""Up to so many, a kernel's gradient is faster as a product with the columns of the image."""
SOME_FILTERS = 64
"""Up to so many, an image's gradient is faster as a convolution with the turned kernel."""


COLUMNS = 4 * 2**20
"""Bytes of columns at a time, so that they stay in the processor's cache."""


def flat(padding: Iterable[tuple[int, int]]) -> list[int]:
    """Pairs by axis as Paddle's list: first axis first."""
    return [n for pair in padding for n in pair]


def _spatial(numbers: Iterable[int], missing: int) -> list[int]:
    numbers = list(numbers)
    return [missing, *numbers] if len(numbers) == 1 else numbers


def _pairs(padding: Pairs) -> Pairs:
    return ((0, 0), *padding) if len(padding) == 1 else tuple(padding)


def _two_axes(image: Tensor) -> Tensor:
    return image.unsqueeze(2) if image.ndim == 3 else image


def _back(y: Tensor, rank: int) -> Tensor:
    return y.squeeze(2) if rank == 3 else y


def padded(image: Tensor, padding: Pairs, value: float = 0.0) -> Tensor:
    """Spatial axes padded with ``value``."""
    if not any(map(any, padding)):
        return image
    return F.pad(image, [0, 0, 0, 0, *flat(padding)], value=value, pad_from_left_axis=True)


# -- convolutions ---------------------------------------------------------------------------------
def conv(
    image: Tensor, kernel: Tensor, bias: Tensor | None = None,
    *, strides: Any, padding: Pairs, dilation: Any, groups: int = 1,
) -> Tensor:  # fmt: skip
    rank = image.ndim
    image, kernel, padding = _two_axes(image), _two_axes(kernel), _pairs(padding)
    strides, dilation = _spatial(strides, 1), _spatial(dilation, 1)
    on_cpu = image.place.is_cpu_place()
    if image.ndim == 4 and groups == 1:
        y = (_cpu_conv if on_cpu else _native_conv)(image, kernel, strides, padding, dilation)
    else:
        function = F.conv2d if image.ndim == 4 else F.conv3d
        y = function(image, kernel, None, strides, flat(padding), dilation, groups)
    return _back(y if bias is None else _with_bias(y, bias, on_cpu), rank)


def depthwise_conv(
    image: Tensor, kernel: Tensor, bias: Tensor | None = None, *, strides: Any, padding: Pairs, dilation: Any
) -> Tensor:
    """Kernel (multiplier, C, spatial…)."""
    multiplier, channels, *size = kernel.shape
    joined = kernel.transpose([1, 0, *range(2, kernel.ndim)]).reshape([channels * multiplier, 1, *size])
    return conv(
        image, joined, bias, strides=strides, padding=padding, dilation=dilation, groups=int(channels)
    )


def conv_transpose(
    image: Tensor, kernel: Tensor, bias: Tensor | None = None, *, strides: Any, crop: Pairs, dilation: Any
) -> Tensor:
    """Kernel (C_in, C_out, spatial…)."""
    rank = image.ndim
    image, kernel, crop = _two_axes(image), _two_axes(kernel), _pairs(crop)
    function = F.conv2d_transpose if image.ndim == 4 else F.conv3d_transpose
    y = function(image, kernel, stride=_spatial(strides, 1), dilation=_spatial(dilation, 1))
    cut = [slice(max(b, 0), n - max(a, 0)) for (b, a), n in zip(crop, y.shape[2:], strict=True)]
    y = padded(y[(slice(None), slice(None), *cut)], tuple((max(-b, 0), max(-a, 0)) for b, a in crop))
    return _back(y if bias is None else _with_bias(y, bias, image.place.is_cpu_place()), rank)


def _native_conv(image: Tensor, kernel: Tensor, strides: Any, padding: Pairs, dilation: Any) -> Tensor:
    return _C_ops.conv2d(image, kernel, strides, flat(padding), "EXPLICIT", dilation, 1, "NCHW")


def _cpu_conv(image: Tensor, kernel: Tensor, strides: Any, padding: Pairs, dilation: Any) -> Tensor:
    filters, size = kernel.shape[0], kernel.shape[2:]
    simple = dilation == [1, 1] and paddle.is_grad_enabled()
    same = strides == [1, 1] and all(b + a == k - 1 for (b, a), k in zip(padding, size, strict=True))
    own_image = simple and same and filters <= SOME_FILTERS and not image.stop_gradient
    own_kernel = simple and filters <= FEW_FILTERS and not kernel.stop_gradient
    y = _native_conv(
        image.detach() if own_image else image, kernel.detach() if own_kernel else kernel,
        strides, padding, dilation,
    )  # fmt: skip
    if own_image:
        y = _ImageGradient.apply(y, image, kernel.detach(), padding)
    if own_kernel:
        y = _KernelGradient.apply(y, kernel, image.detach(), strides, padding)
    return y


class _ImageGradient(PyLayer):  # type: ignore[misc]
    """A convolution's result with the gradient for its image as a convolution of its own (stride 1, as
    many cells out as in); Paddle's kernel scatters columns instead."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, image: Tensor, kernel: Tensor, padding: Pairs) -> Tensor:
        ctx.on, ctx.padding = not y.stop_gradient, padding
        ctx.save_for_backward(kernel)
        return y.view(y.shape)  # given back itself, it would count as written over

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor, None]:
        (kernel,) = ctx.saved_tensor()
        flipped = paddle.flip(kernel.transpose([1, 0, 2, 3]), [2, 3])
        rest = tuple((k - 1 - b, k - 1 - a) for (b, a), k in zip(ctx.padding, kernel.shape[2:], strict=True))
        return dy if ctx.on else None, _native_conv(dy, flipped, [1, 1], rest, [1, 1]), None


class _KernelGradient(PyLayer):  # type: ignore[misc]
    """A convolution's result with the gradient for its kernel as columns of the image times dy, in the
    order of factors that MKL is not slow at when there are few filters."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, kernel: Tensor, image: Tensor, strides: Any, padding: Pairs) -> Tensor:
        ctx.on, ctx.strides, ctx.padding, ctx.shape = not y.stop_gradient, strides, padding, kernel.shape
        ctx.save_for_backward(image)
        return y.view(y.shape)  # given back itself, it would count as written over

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor, None]:
        (image,) = ctx.saved_tensor()
        (top, bottom), (left, right) = ctx.padding
        size = ctx.shape[2:]
        rows = dy.reshape([dy.shape[0], dy.shape[1], -1])
        bytes_each = image.shape[1] * math.prod(size) * rows.shape[2] * image.element_size()
        few = max(1, COLUMNS // bytes_each)
        each = []  # by example (C_in · size, C_out)
        for start in range(0, image.shape[0], few):
            part = slice(start, start + few)
            columns = F.unfold(image[part], size, ctx.strides, [top, left, bottom, right])
            each.append(paddle.matmul(columns, rows[part], transpose_y=True))
        kernel = paddle.concat(each).sum(0).t().reshape(ctx.shape)
        return dy if ctx.on else None, kernel, None


def _with_bias(y: Tensor, bias: Tensor, on_cpu: bool) -> Tensor:
    if not on_cpu:
        return y + bias.reshape([1, -1, *[1] * (y.ndim - 2)])
    return _Bias.apply(y, bias)


class _Bias(PyLayer):  # type: ignore[misc]
    """y + bias, written over y, which nothing else reads. Paddle's own sum of an image and a vector, and its
    gradient, take about as long as the convolution."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, bias: Tensor) -> Tensor:
        ctx.on = not y.stop_gradient, not bias.stop_gradient
        n, channels = y.shape[:2]
        rows = y.reshape([n * channels, -1]).add_(paddle.tile(bias, [n]).unsqueeze(1))
        return rows.reshape(y.shape)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor | None]:
        for_y, for_bias = ctx.on
        n, channels = dy.shape[:2]
        rows = dy.reshape([n * channels, -1])
        sums = paddle.matmul(rows, paddle.ones([rows.shape[1]], dy.dtype)).reshape([n, channels]).sum(0)
        return dy if for_y else None, sums if for_bias else None


# -- poolings -------------------------------------------------------------------------------------
def _fits(padding: Pairs, window: Any) -> bool:
    """Whether Paddle's own pooling takes this padding: alike at both ends, less than the window."""
    return all(b == a and b < size for (b, a), size in zip(padding, window, strict=True))


def max_pool(image: Tensor, *, window: Any, strides: Any, padding: Pairs) -> Tensor:
    rank = image.ndim
    image, padding = _two_axes(image), _pairs(padding)
    window, strides = _spatial(window, 1), _spatial(strides, 1)
    if not _fits(padding, window):
        image, padding = padded(image, padding, -np.inf), ((0, 0),) * len(padding)
    return _back(_largest(image, window, strides, [before for before, _ in padding]), rank)


def _largest(image: Tensor, window: Any, strides: Any, padding: list[int]) -> Tensor:
    flat_image = image.ndim == 4
    if image.place.is_cpu_place() and not image.stop_gradient and paddle.is_grad_enabled():
        # The form that notes where the largest was has a gradient six times faster than the plain form's,
        # which looks for it again. But where all is NaN it notes -1, and its gradient would write there.
        function = _C_ops.max_pool2d_with_index if flat_image else _C_ops.max_pool3d_with_index
        y, places = function(image, window, strides, padding, False, False, False)
        if int(places.min()) >= 0:
            return y
    return (F.max_pool2d if flat_image else F.max_pool3d)(image, window, strides, padding)


def average_pool(image: Tensor, *, window: Any, strides: Any, padding: Pairs) -> Tensor:
    rank = image.ndim
    image, padding = _two_axes(image), _pairs(padding)
    window, strides = _spatial(window, 1), _spatial(strides, 1)
    pool = F.avg_pool2d if image.ndim == 4 else F.avg_pool3d
    if _fits(padding, window):
        y = pool(image, window, strides, [b for b, _ in padding], exclusive=True)
    else:
        inside = padded(paddle.ones([1, 1, *image.shape[2:]], image.dtype), padding)
        y = pool(padded(image, padding), window, strides) / pool(inside, window, strides)
    return _back(y, rank)


def upsample_nearest(image: Tensor, *, size: tuple[int, ...]) -> Tensor:
    for axis, count in enumerate(size, start=2):
        if count != 1:
            image = paddle.repeat_interleave(image, count, axis)
    return image


def all_or_none(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, all of them with a gradient if one has: some of Paddle's gradient kernels fail, or give 0
    for the others, where they are not asked for every parameter's."""
    if all(t.stop_gradient for t in tensors):
        return tensors
    differentiable = []
    for tensor in tensors:
        if tensor.stop_gradient:
            tensor = tensor.detach()
            tensor.stop_gradient = False
        differentiable.append(tensor)
    return tuple(differentiable)


# -- BatchNorm ------------------------------------------------------------------------------------
def native_norm(
    image: Tensor, gamma: Tensor | None, beta: Tensor | None, mean: Tensor, variance: Tensor,
    epsilon: float, training: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Paddle's kernel on (N, C, …) or (N, C): the normalised image, the mean and the variance that it
    used. In training ``mean`` and ``variance`` are written over with the batch's."""
    channels = image.shape[1]
    gamma = paddle.ones([channels], image.dtype) if gamma is None else gamma
    beta = paddle.zeros([channels], image.dtype) if beta is None else beta
    image, gamma, beta = all_or_none(image, gamma, beta)
    y, mean, variance, *_ = _C_ops.batch_norm(
        image, mean, variance, gamma, beta, not training, 0.0, epsilon, "NCHW", not training, False
    )
    return y, mean, variance
