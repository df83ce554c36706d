"""Lowerings of ``keras.ops`` that rearrange values."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from keras.src.ops import core as kc
from keras.src.ops import numpy as knp

from crosstrain.errors import CrosstrainError
from crosstrain.graph.builder import run_dtype
from crosstrain.graph.keras_import.recorder import numbers
from crosstrain.graph.keras_import.registry import lowers
from crosstrain.graph.keras_import.tensors import BatchSize, Traced
from crosstrain.graph.keras_import.trace import Tracer


def batch_last(shape: Any) -> tuple[int, ...]:
    """A target shape with the batch written as -1."""
    return tuple(-1 if isinstance(s, BatchSize) or s is None else int(s) for s in shape)


@lowers(knp.Reshape)
def reshape(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    """A shape with one unknown length; -1 comes first if the batch stays the first axis."""
    shape = operation.newshape
    shape = batch_last((shape,) if isinstance(shape, int) else shape)
    if -1 not in shape or None not in x.shape:
        return t.op.reshape(x, shape=resolved(x.shape, shape))
    if shape.count(-1) == 2 and spec is None:
        inner = math.prod(x.shape[1:]) if x.shape[0] is None and None not in x.shape[1:] else 0
        known = math.prod(s for s in shape if s != -1)
        sizes = [s for s in operation.newshape if isinstance(s, BatchSize)]
        if inner and len(sizes) == 1:
            rest = inner // (known * sizes[0].factor)
            shape = tuple(
                rest if s == -1 and not isinstance(o, BatchSize) else s
                for s, o in zip(shape, operation.newshape, strict=True)
            )
    if shape.count(-1) > 1 or (spec is not None and spec.shape.count(None) != 1):
        raise CrosstrainError(
            f"{t.where} reshapes {x.shape} to {shape}, which leaves more than one length open; name the "
            "data (its shapes fill what the model leaves open), or give keras.Input the size"
        )
    place = shape.index(-1)
    if spec is not None and spec.shape[place] is not None:
        shape = tuple(-1 if s is None else s for s in spec.shape)
        place = shape.index(-1)
    if place != 0:
        raise CrosstrainError(
            f"{t.where} reshapes {x.shape} to {shape}; the batch has to stay the first axis (keep it in "
            "front with ops.shape(x)[0], and have another axis take what is left)"
        )
    return t.op.reshape(x, shape=shape)


def resolved(source: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """-1 replaced by its length if the whole input shape is known."""
    if -1 in shape and None not in source:
        missing = math.prod(source) // max(math.prod(s for s in shape if s != -1), 1)
        return tuple(missing if s == -1 else s for s in shape)
    return shape


@lowers(knp.Ravel)
def ravel(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    return t.op.reshape(x, shape=resolved(x.shape, (-1,)))


@lowers(knp.Transpose)
def transpose(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    rank = len(x.shape)
    axes = operation.axes or range(rank)[::-1]
    return t.op.transpose(x, axes=tuple(a % rank for a in axes))


@lowers(knp.Moveaxis, knp.Swapaxes)
def moveaxis(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    rank = len(x.shape)
    if isinstance(operation, knp.Swapaxes):
        axes = list(range(rank))
        axes[operation.axis1], axes[operation.axis2] = axes[operation.axis2], axes[operation.axis1]
    else:
        source = [s % rank for s in operation.source]
        axes = [i for i in range(rank) if i not in source]
        for place, axis in sorted(zip([d % rank for d in operation.destination], source, strict=True)):
            axes.insert(place, axis)
    return t.op.transpose(x, axes=axes)


@lowers(knp.ExpandDims)
def expand_dims(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    axes = operation.axis if isinstance(operation.axis, list | tuple) else [operation.axis]
    rank = len(x.shape) + len(axes)
    for axis in sorted(a % rank for a in axes):
        x = t.op.expand_dims(x, axis=axis)
    return x


@lowers(knp.Squeeze)
def squeeze(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    axis = operation.axis
    if axis is None:
        axis = tuple(i for i, s in enumerate(x.shape) if s == 1)
    return t.op.squeeze(x, axis=tuple(axis) if isinstance(axis, list) else axis)


def listed(xs: Any) -> list[Any]:
    return [xs[i] for i in range(len(xs))] if isinstance(xs, Traced) else list(xs)


@lowers(knp.Concatenate)
def concatenate(t: Tracer, operation: Any, spec: Any, xs: Any) -> Any:
    return t.op.concatenate(*[t.cast(x, run_dtype(spec.dtype)) for x in listed(xs)], axis=operation.axis)


@lowers(knp.Append)
def append(t: Tracer, operation: Any, spec: Any, a: Any, b: Any) -> Any:
    both = [t.cast(x, run_dtype(spec.dtype)) for x in (a, b)]
    if operation.axis is None:
        both = [t.op.reshape(x, shape=resolved(x.shape, (-1,))) for x in both]
    return t.op.concatenate(*both, axis=operation.axis or 0)


@lowers(knp.Stack)
def stack(t: Tracer, operation: Any, spec: Any, xs: Any) -> Any:
    return t.op.stack(*[t.cast(x, run_dtype(spec.dtype)) for x in listed(xs)], axis=operation.axis)


@lowers(knp.Hstack, knp.Vstack)
def side_by_side(t: Tracer, operation: Any, spec: Any, xs: Any) -> Any:
    parts = [t.cast(x, run_dtype(spec.dtype)) for x in listed(xs)]
    flat = len(parts[0].shape) == 1
    if isinstance(operation, knp.Vstack) and flat:
        parts, flat = [t.op.expand_dims(p, axis=0) for p in parts], False
    axis = 0 if isinstance(operation, knp.Vstack) or flat else 1
    return t.op.concatenate(*parts, axis=axis)


@lowers(knp.Split)
def split(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    length, cuts = x.shape[operation.axis], operation.indices_or_sections
    if length is None:
        raise CrosstrainError(f"{t.where} splits an axis of unknown length")
    if isinstance(cuts, int):
        sizes = (length // cuts,) * cuts
    else:
        edges = [0, *[int(c) for c in cuts], length]
        sizes = tuple(b - a for a, b in pairwise(edges))
    parts = t.op.split(x, sizes=sizes, axis=operation.axis)
    return list(parts) if isinstance(parts, tuple) else [parts]


@lowers(kc.Unstack)
def unstack(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    length = x.shape[operation.axis]
    if length is None:
        raise CrosstrainError(f"{t.where} unstacks an axis of unknown length")
    if length == 1:
        return [t.op.squeeze(x, axis=operation.axis)]
    parts = t.op.split(x, sizes=(1,) * length, axis=operation.axis)
    return [t.op.squeeze(p, axis=operation.axis) for p in parts]


@lowers(knp.Tile)
def tile(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    repeats = operation.repeats
    repeats = [repeats] if isinstance(repeats, int | BatchSize) else list(repeats)
    while len(x.shape) < len(repeats):
        x = t.op.expand_dims(x, axis=0)
    repeats = [1] * (len(x.shape) - len(repeats)) + repeats
    sizes = [(i, r) for i, r in enumerate(repeats) if isinstance(r, BatchSize)]
    if sizes:
        axis, size = sizes[0]
        if len(sizes) > 1 or x.shape[axis] != 1 or size.factor != 1:
            raise CrosstrainError(f"{t.where} tiles by the batch size an axis that is not of length 1")
        x = t.with_batch(x, axis, size)
        repeats[axis] = 1
    return t.op.tile(x, repeats=tuple(int(r) for r in repeats))


@lowers(knp.BroadcastTo)
def broadcast_to(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    shape = list(operation.shape)
    while len(x.shape) < len(shape):
        x = t.op.expand_dims(x, axis=0)
    for axis, size in enumerate(shape):
        if isinstance(size, BatchSize) and x.shape[axis] == 1:
            x = t.with_batch(x, axis, size)
    return t.op.broadcast_to(
        x, shape=tuple(-1 if length is None else int(s) for s, length in zip(shape, x.shape, strict=True))
    )


@lowers(knp.Repeat)
def repeat(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    repeats, axis = operation.repeats, operation.axis
    if axis is None:
        x, axis = t.op.reshape(x, shape=resolved(x.shape, (-1,))), 0
    if isinstance(repeats, BatchSize):
        if x.shape[axis] != 1 or repeats.factor != 1:
            raise CrosstrainError(f"{t.where} repeats by the batch size an axis that is not of length 1")
        return t.with_batch(x, axis % len(x.shape), repeats)
    counts = numbers(repeats).reshape(-1)
    if len(counts) == 1:
        return t.op.repeat(x, repeats=int(counts[0]), axis=axis)
    index = np.repeat(np.arange(len(counts)), counts)
    return t.op.take(x, t.ref(index.astype("int32")), axis=axis)


@lowers(knp.Flip, knp.Fliplr, knp.Flipud)
def flip(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    axis = {knp.Fliplr: 1, knp.Flipud: 0}.get(type(operation), getattr(operation, "axis", None))
    return t.op.flip(x, axis=tuple(range(len(x.shape))) if axis is None else axis)


@lowers(knp.Rot90)
def rot90(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    a, b = (axis % len(x.shape) for axis in operation.axes)
    axes = [b if i == a else a if i == b else i for i in range(len(x.shape))]
    turn = {
        0: lambda: x,
        1: lambda: t.op.transpose(t.op.flip(x, axis=b), axes=axes),
        2: lambda: t.op.flip(x, axis=(a, b)),
        3: lambda: t.op.flip(t.op.transpose(x, axes=axes), axis=b),
    }
    return turn[operation.k % 4]()


@lowers(knp.Roll)
def roll(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    shifts, axes = operation.shift, operation.axis
    if axes is None:
        raise CrosstrainError(f"{t.where} rolls a flattened tensor; give an axis")
    pairs = [(shifts, axes)] if isinstance(axes, int) else zip(shifts, axes, strict=True)
    for shift, axis in pairs:
        if x.shape[axis] is None:
            raise CrosstrainError(f"{t.where} rolls an axis of unknown length")
        x = t.op.roll(x, shift=int(shift), axis=axis)
    return x


@lowers(knp.Pad)
def pad(t: Tracer, operation: Any, spec: Any, x: Any, constant_values: Any = None) -> Any:
    pairs = [tuple(int(v) for v in p) for p in operation.pad_width]
    pairs = pairs * len(x.shape) if len(pairs) == 1 else pairs
    if operation.mode not in ("constant", "reflect", "symmetric"):
        raise CrosstrainError(
            f"{t.where} pads with mode {operation.mode!r}; crosstrain has constant, reflect and symmetric"
        )
    value = float(numbers(0.0 if constant_values is None else constant_values))
    return t.op.pad(x, padding=pairs, mode=operation.mode, value=value)


@lowers(knp.ZerosLike, knp.OnesLike, knp.FullLike, knp.EmptyLike)
def filled(t: Tracer, operation: Any, spec: Any, x: Any, fill_value: Any = None, dtype: Any = None) -> Any:
    value = {knp.ZerosLike: 0, knp.OnesLike: 1, knp.EmptyLike: 0}.get(type(operation), fill_value)
    like = t.cast(x, run_dtype(spec.dtype))
    if isinstance(value, Traced):
        return t.op.add(t.op.full_like(like, value=0), t.cast(value, run_dtype(spec.dtype)))
    return t.op.full_like(like, value=numbers(value).item())


@lowers(knp.Tril, knp.Triu)
def triangle(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    mask = (np.tril if isinstance(operation, knp.Tril) else np.triu)(np.ones(x.shape[-2:]), k=operation.k) > 0
    dtype = run_dtype(x.dtype)
    return t.op.where(t.ref(mask), x, t.cast(0, dtype))


@lowers(knp.Meshgrid)
def meshgrid(t: Tracer, operation: Any, spec: Any, *xs: Any) -> Any:
    raise CrosstrainError(
        f"{t.where} calls ops.meshgrid on tensors; use ops.broadcast_to or build it from constants"
    )
