"""Lowerings of Fourier transforms: products with matrices of cosines and sines, in real arithmetic."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
from keras.src.ops import math as km

from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import.registry import lowers
from crosstrain.graph.keras_import.trace import Tracer

LONGEST = 2048
"""The longest axis that is transformed: the size of its matrices grows with the square."""

Pair = tuple[Any, Any]


def waves(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """cos and -sin of 2 π n k / rows, (rows, columns): a real transform's two halves. The product n k is
    taken modulo the length first, which keeps the angles exact."""
    turns = np.outer(np.arange(rows), np.arange(columns)) % rows
    angle = 2 * np.pi * turns / rows
    return np.cos(angle), -np.sin(angle)


def along(t: Tracer, x: Any, matrix: np.ndarray, axis: int) -> Any:
    """``x`` times ``matrix`` (old length, new length) along an axis."""
    letters = string.ascii_lowercase[: len(x.shape)]
    equation = f"{letters},{letters[axis]}z->{letters.replace(letters[axis], 'z')}"
    return t.op.einsum(x, t.ref(matrix), equation=equation)


def transformed(t: Tracer, pair: Pair, axis: int, inverse: bool) -> Pair:
    """The transform of (real, imaginary) along one axis."""
    real, imaginary = pair
    axis %= len(real.shape)
    length = real.shape[axis]
    check(t, length)
    cos, sin = waves(length, length)
    if inverse:
        cos, sin = cos / length, -sin / length
    re = t.op.subtract(along(t, real, cos, axis), along(t, imaginary, sin, axis))
    im = t.op.add(along(t, real, sin, axis), along(t, imaginary, cos, axis))
    return re, im


def check(t: Tracer, length: int | None) -> None:
    if length is None or length > LONGEST:
        raise CrosstrainError(
            f"{t.where} takes a Fourier transform of an axis of length {length or 'unknown'}; crosstrain "
            f"writes it as a product with a matrix, for a known length of at most {LONGEST}"
        )


AXES: dict[type, tuple[int, ...]] = {km.FFT: (-1,), km.FFT2: (-1, -2), km.IFFT2: (-1, -2)}


@lowers(*AXES)
def fft(t: Tracer, operation: Any, spec: Any, x: Any) -> Pair:
    pair = t.cast(x[0], "float32"), t.cast(x[1], "float32")
    for axis in AXES[type(operation)]:
        pair = transformed(t, pair, axis, inverse=isinstance(operation, km.IFFT2))
    return pair


def fitted(t: Tracer, x: Any, length: int) -> Any:
    """The last axis cropped or padded with zeros to a length."""
    size, rank = x.shape[-1], len(x.shape)
    if size == length:
        return x
    if size < length:
        return t.op.pad(x, padding=[(0, 0)] * (rank - 1) + [(0, length - size)])
    return t.op.slice(x, starts=[None] * rank, stops=[None] * (rank - 1) + [length], strides=[1] * rank)


@lowers(km.RFFT)
def rfft(t: Tracer, operation: Any, spec: Any, x: Any) -> Pair:
    check(t, x.shape[-1])
    length = operation.fft_length or x.shape[-1]
    x = fitted(t, t.cast(x, "float32"), length)
    cos, sin = waves(length, length // 2 + 1)
    axis = len(x.shape) - 1
    return along(t, x, cos, axis), along(t, x, sin, axis)


@lowers(km.IRFFT)
def irfft(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    """All but the first frequency, and the last of an even length, count twice: for themselves and for their
    mirror images."""
    real, imaginary = (t.cast(v, "float32") for v in x)
    check(t, real.shape[-1])
    length = operation.fft_length or 2 * (real.shape[-1] - 1)
    count = length // 2 + 1
    real, imaginary = fitted(t, real, count), fitted(t, imaginary, count)
    cos, sin = waves(length, count)
    twice = np.full(count, 2.0)
    twice[0] = 1.0
    if length % 2 == 0:
        twice[-1] = 1.0
    axis = len(real.shape) - 1
    scale = (twice / length)[:, None]
    return t.op.add(along(t, real, cos.T * scale, axis), along(t, imaginary, sin.T * scale, axis))
