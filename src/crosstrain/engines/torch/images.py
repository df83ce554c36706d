"""Convolutions, poolings and BatchNorm on PyTorch, on images (N, C, spatial…).

Such an image is a permuted view of a channels-last value, which is what PyTorch calls the memory format
``channels_last``: oneDNN and cuDNN run their NHWC kernels on it, and nothing is copied. One spatial axis is
treated as two, the first of length 1: only so does PyTorch keep channels last.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from crosstrain.graph.ops.convolution import Pairs

_FIRST = {4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)}
_LAST = {4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}
_KERNEL = {4: (3, 2, 0, 1), 5: (4, 3, 0, 1, 2)}
_CONVOLUTIONS = {4: torch.conv2d, 5: torch.conv3d}
_TRANSPOSED = {4: torch.conv_transpose2d, 5: torch.conv_transpose3d}
_MAX_POOLS = {4: F.max_pool2d, 5: F.max_pool3d}
_AVERAGE_POOLS = {4: F.avg_pool2d, 5: F.avg_pool3d}


def channels_first(x: Tensor) -> Tensor:
    """(N, spatial…, C) as the view (N, C, spatial…)."""
    if x.ndim == 3:
        return x.unsqueeze(1).permute(0, 3, 1, 2)
    return x.permute(_FIRST[x.ndim])


def channels_last(y: Tensor, rank: int) -> Tensor:
    """The way back, to a value of ``rank`` axes."""
    if rank == 3:
        return y.permute(0, 2, 3, 1).squeeze(1)
    return y.permute(_LAST[rank])


def _kernel_view(kernel: Tensor) -> Tensor:
    """HWIO as the view OIHW."""
    return (kernel.unsqueeze(0) if kernel.ndim == 3 else kernel).permute(_KERNEL[max(kernel.ndim, 4)])


def _spatial(numbers: Iterable[int], missing: int) -> tuple[int, ...]:
    numbers = tuple(numbers)
    return (missing, *numbers) if len(numbers) == 1 else numbers


def flat_padding(padding: Iterable[tuple[int, int]]) -> list[int]:
    """Pairs by axis, in the order of F.pad: last axis first."""
    return [n for pair in reversed(tuple(padding)) for n in pair]


def conv(
    image: Tensor, kernel: Tensor, bias: Tensor | None = None,
    *, strides: Any, padding: Pairs, dilation: Any, groups: int = 1,
) -> Tensor:  # fmt: skip
    return _convolved(image, _kernel_view(kernel), bias, strides, padding, dilation, groups)


def depthwise_conv(
    image: Tensor, kernel: Tensor, bias: Tensor | None = None, *, strides: Any, padding: Pairs, dilation: Any
) -> Tensor:
    if kernel.ndim == 3:
        kernel = kernel.unsqueeze(0)
    if image.dtype == torch.float64 and image.device.type == "cpu":
        return _depthwise_by_windows(image, kernel, bias, strides, padding, dilation)
    *size, channels, multiplier = kernel.shape
    weight = kernel.movedim((-2, -1), (0, 1)).reshape(channels * multiplier, 1, *size)
    return _convolved(image, weight, bias, strides, padding, dilation, channels)


def _depthwise_by_windows(
    image: Tensor, kernel: Tensor, bias: Tensor | None, strides: Any, padding: Pairs, dilation: Any
) -> Tensor:
    """Shifted images times weights. PyTorch has a kernel for this in float32; on a CPU it convolves float64
    channel by channel, which takes ten times as long and more."""
    *size, channels, multiplier = kernel.shape
    image = F.pad(image, flat_padding(padding)).repeat_interleave(multiplier, dim=1)
    weights = kernel.reshape(*size, channels * multiplier, *[1] * len(size))
    axes = list(zip(image.shape[2:], size, _spatial(strides, 1), _spatial(dilation, 1), strict=True))
    counts = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in axes]
    y = None if bias is None else bias.view(-1, *[1] * len(size))
    for position in itertools.product(*map(range, size)):
        window = [
            slice(p * d, p * d + (count - 1) * s + 1, s)
            for p, count, (_, _, s, d) in zip(position, counts, axes, strict=True)
        ]
        part = image[(slice(None), slice(None), *window)] * weights[position]
        y = part if y is None else y + part
    assert y is not None
    return y


def _convolved(
    image: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    strides: Any,
    padding: Pairs,
    dilation: Any,
    groups: int,
) -> Tensor:
    if any(before != after for before, after in padding):
        image = F.pad(image, flat_padding(padding))
        padding = ((0, 0),) * len(padding)
    return _CONVOLUTIONS[image.ndim](
        image,
        weight,
        bias,
        _spatial(strides, 1),
        _spatial((b for b, _ in padding), 0),
        _spatial(dilation, 1),
        groups,
    )


def conv_transpose(
    image: Tensor, kernel: Tensor, bias: Tensor | None = None, *, strides: Any, crop: Pairs, dilation: Any
) -> Tensor:
    # PyTorch crops the same at both ends. What an end loses beyond that is cut off; zeros that an end gains
    # come before the bias.
    common = tuple(max(min(pair), 0) for pair in crop)
    rest = tuple((b - c, a - c) for (b, a), c in zip(crop, common, strict=True))
    gains = any(n < 0 for pair in rest for n in pair)
    y = _TRANSPOSED[image.ndim](
        image, _kernel_view(kernel), None if gains else bias, _spatial(strides, 1), _spatial(common, 0),
        0, 1, _spatial(dilation, 1),
    )  # fmt: skip
    if any(n for pair in rest for n in pair):
        y = F.pad(y, [-n for n in flat_padding(rest)])
    if gains and bias is not None:
        y = y + bias.view(-1, *[1] * (y.ndim - 2))
    return y


def _fits(padding: Pairs, window: Any) -> bool:
    """Whether PyTorch's own pooling takes this padding: alike at both ends, at most half the window."""
    return all(b == a and 2 * b <= size for (b, a), size in zip(padding, window, strict=True))


def max_pool(image: Tensor, *, window: Any, strides: Any, padding: Pairs) -> Tensor:
    if not _fits(padding, window):
        image = F.pad(image, flat_padding(padding), value=float("-inf"))
        padding = ((0, 0),) * len(padding)
    pads = _spatial((b for b, _ in padding), 0)
    return _MAX_POOLS[image.ndim](image, _spatial(window, 1), _spatial(strides, 1), pads)


def average_pool(image: Tensor, *, window: Any, strides: Any, padding: Pairs) -> Tensor:
    pool = _AVERAGE_POOLS[image.ndim]
    size, step = _spatial(window, 1), _spatial(strides, 1)
    if _fits(padding, window):
        return pool(image, size, step, _spatial((b for b, _ in padding), 0), count_include_pad=False)
    pads = flat_padding(padding)
    valid = F.pad(image.new_ones((1, 1, *image.shape[2:])), pads)
    return pool(F.pad(image, pads), size, step) / pool(valid, size, step)


def upsample_nearest(image: Tensor, *, size: tuple[int, ...]) -> Tensor:
    lengths = [n * k for n, k in zip(image.shape[2:], _spatial(size, 1), strict=True)]
    return F.interpolate(image, lengths, mode="nearest-exact")


def batch_norm(
    image: Tensor, gamma: Tensor | None, beta: Tensor | None, mean: Tensor, variance: Tensor,
    *, momentum: float, epsilon: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    count = image.numel() // image.shape[1]
    # PyTorch moves its running variance towards the unbiased variance, Keras towards the biased one. With
    # the old value made larger by n / (n - 1) before and the result smaller by it after, the biased one is
    # what went in. One value alone has no variance at all.
    unbiased = count / max(count - 1, 1)
    new_mean = mean.clone()
    new_variance = variance * unbiased
    y = torch.batch_norm(
        image, gamma, beta, new_mean, new_variance, True, 1 - momentum, epsilon, torch.backends.cudnn.enabled
    )
    return y, new_mean, new_variance / unbiased if count > 1 else variance * momentum


def normalize(
    image: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    *,
    epsilon: float,
) -> Tensor:
    if not (mean.requires_grad or variance.requires_grad):
        return F.batch_norm(image, mean, variance, gamma, beta, False, 0.0, epsilon)
    # PyTorch's own has no gradient for the statistics.
    along = (-1, *[1] * (image.ndim - 2))
    scale = torch.rsqrt(variance + epsilon)
    y = (image - mean.view(along)) * (scale if gamma is None else scale * gamma).view(along)
    return y if beta is None else y + beta.view(along)
