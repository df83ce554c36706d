"""Lowerings of ``keras.ops.image``: resampling as constant matrices, padding, cropping, grey."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras.src.ops import image as ki

from crosstrain.errors import CrosstrainError
from crosstrain.graph.builder import run_dtype
from crosstrain.graph.keras_import.registry import lowers
from crosstrain.graph.keras_import.trace import Tracer


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys's cubic with a = -1/2."""
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x >= 2, 0.0, np.where(x >= 1, far, near))


def _lanczos(radius: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.where(x > radius, 0.0, np.sinc(x) * np.sinc(x / radius))


KERNELS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "bilinear": lambda x: np.maximum(0.0, 1 - x),
    "bicubic": _cubic,
    "lanczos3": _lanczos(3),
    "lanczos5": _lanczos(5),
}


def interpolation(length: int, cells: int, method: str, antialias: bool) -> np.ndarray:
    """The (cells, length) matrix that resamples an axis; cell centres are at half pixels, weights beyond
    the border fall away and the rest are scaled to sum to 1 (TensorFlow's rule)."""
    scale = length / cells
    spread = max(scale, 1.0) if antialias else 1.0
    centres = (np.arange(cells) + 0.5) * scale
    distance = np.abs(np.arange(length)[None, :] + 0.5 - centres[:, None]) / spread
    weights = KERNELS[method](distance)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@lowers(ki.Resize)
def resize(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    if operation.crop_to_aspect_ratio or operation.pad_to_aspect_ratio:
        raise CrosstrainError(
            f"{t.where} resizes with crop_to_aspect_ratio or pad_to_aspect_ratio, which crosstrain does "
            "not support"
        )
    first = operation.data_format == "channels_first"
    rank, dtype = len(x.shape), run_dtype(x.dtype)
    axes = (rank - 2, rank - 1) if first else (rank - 3, rank - 2)
    method = operation.interpolation
    for axis, cells in zip(axes, operation.size, strict=True):
        length, cells = x.shape[axis], int(cells)
        if length is None:
            raise CrosstrainError(f"{t.where} resizes a picture of unknown size; give the input a fixed size")
        if cells == length:
            continue
        if method == "nearest":
            if cells % length == 0:
                x = t.op.repeat(x, repeats=cells // length, axis=axis)
            else:
                index = np.minimum(np.floor((np.arange(cells) + 0.5) * length / cells), length - 1)
                x = t.op.take(x, t.ref(index.astype("int32")), axis=axis)
            continue
        letters = "abcd"[:rank]
        source = letters[axis]
        matrix = t.ref(interpolation(length, cells, method, operation.antialias))
        equation = f"{letters},z{source}->{letters.replace(source, 'z')}"
        x = t.op.einsum(t.cast(x, "float32"), matrix, equation=equation)
    return x if dtype == "float32" or run_dtype(x.dtype) == dtype else t.cast(t.op.round(x), dtype)


@lowers(ki.RGBToGrayscale)
def grey(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    axis = -3 if operation.data_format == "channels_first" else -1
    shape = [1] * len(x.shape)
    shape[axis] = 3
    weights = np.asarray([0.2989, 0.5870, 0.1140]).reshape(shape)
    return t.op.sum(t.op.multiply(t.cast(x, "float32"), t.ref(weights)), axis=axis, keepdims=True)


def edges(before: Any, after: Any, target: Any, length: int | None, sign: int) -> tuple[int, int]:
    """(before, after) of an axis from two of: before, after, target length."""
    if target is None:
        return int(before or 0), int(after or 0)
    difference = sign * (int(target) - (length or 0))
    if before is None and after is None:
        return difference // 2, difference - difference // 2
    return (
        (difference - int(after), int(after)) if before is None else (int(before), difference - int(before))
    )


@lowers(ki.PadImages, ki.CropImages)
def borders(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    pad = isinstance(operation, ki.PadImages)
    word, sign = ("padding", 1) if pad else ("cropping", -1)
    rank = len(x.shape)
    axes = (rank - 2, rank - 1) if operation.data_format == "channels_first" else (rank - 3, rank - 2)
    pairs = [(0, 0)] * rank
    sides = (("top", "bottom", "height"), ("left", "right", "width"))
    for axis, (before, after, size) in zip(axes, sides, strict=True):
        amounts = [getattr(operation, f"{side}_{word}") for side in (before, after)]
        pairs[axis] = edges(amounts[0], amounts[1], getattr(operation, f"target_{size}"), x.shape[axis], sign)
    if pad:
        return t.op.pad(x, padding=pairs)
    starts = [b if (b, a) != (0, 0) else None for b, a in pairs]
    stops = [
        None if n is None or (b, a) == (0, 0) else n - a for n, (b, a) in zip(x.shape, pairs, strict=True)
    ]
    return t.op.slice(x, starts=starts, stops=stops, strides=[1] * rank)


@lowers(ki.ExtractPatches)
def patches(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    """Windows laid out along the channels: a convolution with a kernel of ones and zeros."""
    from crosstrain.graph.keras_import.ops.nn import convolved
    from crosstrain.graph.keras_import.windows import each

    first = operation.data_format == "channels_first"
    channels, rank = x.shape[1 if first else -1], len(x.shape) - 2
    size = each(operation.size, rank)
    cells = math.prod(size)
    kernel = np.eye(cells * channels).reshape(*size, channels, cells * channels)
    return convolved(
        t, x, t.tensor(str(t.ref(kernel))), None, strides=operation.strides, padding=operation.padding,
        dilation=operation.dilation_rate, data_format=operation.data_format,
    )  # fmt: skip
