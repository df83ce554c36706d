"""Moving values about: shapes, joining, cutting, gathering, padding."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crosstrain.graph.ops.row import composite, primitive
from crosstrain.graph.ops.shapes import axes_of, same


def _reshape_spec(x: Any, *, shape: tuple[int, ...]) -> Any:
    known = math.prod(s for s in shape if s != -1)
    if None not in x.shape:
        total = math.prod(x.shape)
        if (-1 in shape and (not known or total % known)) or (-1 not in shape and total != known):
            raise ValueError(f"{x.shape} cannot be given the shape {shape}")
        return [type(x)(tuple(total // known if s == -1 else s for s in shape), x.dtype)]
    if shape.count(-1) != 1:
        raise ValueError(f"{x.shape} includes the batch, so its new shape has to have -1 for it, not {shape}")
    return [type(x)(tuple(None if s == -1 else s for s in shape), x.dtype)]


@primitive(_reshape_spec)
def reshape(x: Any, *, shape: tuple[int, ...]) -> Any:
    """Row-major. ``shape`` has -1 where an axis is the batch."""
    return np.reshape(x, shape)


@primitive(lambda x, *, axes: [type(x)(tuple(x.shape[a] for a in axes), x.dtype)])
def transpose(x: Any, *, axes: tuple[int, ...]) -> Any:
    """Axes in a new order."""
    return np.transpose(x, axes)


def _expanded(x: Any, *, axis: int) -> Any:
    shape = list(x.shape)
    shape.insert(axis % (len(shape) + 1), 1)
    return [type(x)(tuple(shape), x.dtype)]


@primitive(_expanded)
def expand_dims(x: Any, *, axis: int) -> Any:
    """A new axis of length 1."""
    return np.expand_dims(x, axis)


@primitive(
    lambda x, *, axis: [
        type(x)(tuple(s for i, s in enumerate(x.shape) if i not in axes_of(len(x.shape), axis)), x.dtype)
    ]
)
def squeeze(x: Any, *, axis: Any) -> Any:
    """Without axes of length 1 (an int or a tuple of them)."""
    return np.squeeze(x, axis)


def _concatenated(*inputs: Any, axis: int) -> Any:
    shape = list(inputs[0].shape)
    lengths = [i.shape[axis] for i in inputs]
    shape[axis] = None if None in lengths else sum(lengths)
    return [type(inputs[0])(tuple(shape), inputs[0].dtype)]


@primitive(_concatenated)
def concatenate(*inputs: Any, axis: int) -> Any:
    """Joined along an axis."""
    return np.concatenate(inputs, axis=axis)


@composite(
    lambda *inputs, axis: [
        _expanded(inputs[0], axis=axis)[0].__class__(
            tuple(
                len(inputs) if i == axis % (len(inputs[0].shape) + 1) else s
                for i, s in enumerate(_expanded(inputs[0], axis=axis)[0].shape)
            ),
            inputs[0].dtype,
        )
    ]
)
def stack(xp: Any, *inputs: Any, axis: int) -> Any:
    """Joined along a new axis."""
    return xp.concatenate(*[xp.expand_dims(i, axis=axis) for i in inputs], axis=axis)


def _split_spec(x: Any, *, sizes: tuple[int, ...], axis: int) -> Any:
    cut = lambda n: tuple(n if i == axis % len(x.shape) else s for i, s in enumerate(x.shape))
    return [type(x)(cut(n), x.dtype) for n in sizes]


@primitive(_split_spec)
def split(x: Any, *, sizes: tuple[int, ...], axis: int) -> Any:
    """Cut into parts of the given sizes; one output each."""
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=axis))


def _slice_spec(x: Any, *, starts: Any, stops: Any, strides: Any) -> Any:
    def length(size: int | None, start: int, stop: int | None, step: int) -> int | None:
        return None if size is None else len(range(*slice(start, stop, step).indices(size)))

    return [type(x)(tuple(map(length, x.shape, starts, stops, strides)), x.dtype)]


@primitive(_slice_spec, name="slice")
def slice_(x: Any, *, starts: Any, stops: Any, strides: Any) -> Any:
    """Python slices, one for each axis: ``x[starts[0]:stops[0]:strides[0], …]``.

    A start or stop may be None (from the end that the stride begins at, to the other); strides may be
    negative.
    """
    return x[tuple(map(slice, starts, stops, strides))]


@primitive(
    lambda x, *, repeats: [
        type(x)(tuple(None if s is None else s * r for s, r in zip(x.shape, repeats, strict=True)), x.dtype)
    ]
)
def tile(x: Any, *, repeats: tuple[int, ...]) -> Any:
    """The whole repeated along each axis; one count for each axis."""
    return np.tile(x, repeats)


def _repeated(x: Any, *, repeats: int, axis: int) -> Any:
    return [
        type(x)(
            tuple(
                s * repeats if i == axis % len(x.shape) and s is not None else s
                for i, s in enumerate(x.shape)
            ),
            x.dtype,
        )
    ]


@primitive(_repeated)
def repeat(x: Any, *, repeats: int, axis: int) -> Any:
    """Each element repeated along ``axis``: [a, b] → [a, a, b, b]."""
    return np.repeat(x, repeats, axis=axis)


def _broadcast_spec(x: Any, *, shape: tuple[int, ...]) -> Any:
    current = (*[1] * (len(shape) - len(x.shape)), *x.shape)
    return [
        type(x)(tuple(length if s == -1 else s for s, length in zip(shape, current, strict=True)), x.dtype)
    ]


@primitive(_broadcast_spec)
def broadcast_to(x: Any, *, shape: tuple[int, ...]) -> Any:
    """Broadcast to ``shape``; -1 keeps the length of an axis that ``x`` has."""
    lead = len(shape) - x.ndim
    return np.broadcast_to(x, [x.shape[i - lead] if s == -1 else s for i, s in enumerate(shape)])


@primitive(same)
def full_like(x: Any, *, value: float) -> Any:
    """An array like ``x`` that holds ``value`` everywhere."""
    return np.full_like(x, value)


@primitive(same)
def flip(x: Any, *, axis: Any) -> Any:
    """Reversed along an axis, or several."""
    return np.flip(x, axis)


@composite(same)
def roll(xp: Any, x: Any, *, shift: int, axis: int) -> Any:
    """Moved on by ``shift`` along ``axis``; what falls off comes back at the other end."""
    length = x.shape[axis]
    cut = shift % length
    if cut == 0:
        return x
    left, right = xp.split(x, sizes=(length - cut, cut), axis=axis)
    return xp.concatenate(right, left, axis=axis)


def _padded(x: Any, *, padding: Any, mode: str = "constant", value: float = 0.0) -> Any:
    return [
        type(x)(
            tuple(None if s is None else s + sum(p) for s, p in zip(x.shape, padding, strict=True)), x.dtype
        )
    ]


@primitive(_padded)
def pad(x: Any, *, padding: Any, mode: Any = "constant", value: float = 0.0) -> Any:
    """``(before, after)`` for each axis; mode constant, reflect or symmetric."""
    if mode == "constant":
        return np.pad(x, padding, constant_values=value)
    return np.pad(x, padding, mode=mode)


def _take_spec(x: Any, indices: Any, *, axis: int) -> Any:
    axis %= len(x.shape)
    return [type(x)((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype)]


@primitive(_take_spec)
def take(x: Any, indices: Any, *, axis: int) -> Any:
    """Rows of ``x`` along ``axis``, by index (an embedding's look-up)."""
    return np.take(x, indices, axis=axis)


@primitive(lambda x, indices, *, axis: [type(x)(indices.shape, x.dtype)])
def take_along_axis(x: Any, indices: Any, *, axis: int) -> Any:
    """As NumPy's: indices have the rank of ``x``."""
    return np.take_along_axis(x, indices, axis=axis)


def _one_hot_spec(x: Any, *, classes: int, axis: int = -1, dtype: str = "float32") -> Any:
    shape = list(x.shape)
    shape.insert(axis % (len(shape) + 1), classes)
    return [type(x)(tuple(shape), dtype)]


@primitive(_one_hot_spec)
def one_hot(x: Any, *, classes: int, axis: int = -1, dtype: str = "float32") -> Any:
    """A new axis that holds 1 at the index and 0 elsewhere; zeros for an index out of range."""
    hot = (x[..., None] == np.arange(classes)).astype(dtype)
    return np.moveaxis(hot, -1, axis)


def _upsampled(x: Any, *, size: tuple[int, ...]) -> Any:
    lengths = (None if s is None else s * k for s, k in zip(x.shape[1:-1], size, strict=True))
    return [type(x)((x.shape[0], *lengths, x.shape[-1]), x.dtype)]


@composite(_upsampled)
def upsample_nearest(xp: Any, x: Any, *, size: tuple[int, ...]) -> Any:
    """Spatial axes (1 … rank-2) repeated ``size`` times each. x (N, …, C)."""
    for axis, count in enumerate(size, start=1):
        if count != 1:
            x = xp.repeat(x, repeats=count, axis=axis)
    return x
