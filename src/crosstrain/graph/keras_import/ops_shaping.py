"""Lowerings of ``keras.ops`` that move values about."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from keras.src.ops import core as kc
from keras.src.ops import nn as knn
from keras.src.ops import numpy as knp

from crosstrain.errors import CrosstrainError
from crosstrain.graph.builder import run_dtype
from crosstrain.graph.keras_import.registry import lowers
from crosstrain.graph.keras_import.tensors import BatchSize, Traced
from crosstrain.graph.keras_import.trace import Tracer, numbers


def batch_last(shape: Any) -> tuple[int, ...]:
    """A target shape with the batch written as -1."""
    return tuple(-1 if isinstance(s, BatchSize) or s is None else int(s) for s in shape)


@lowers(knp.Reshape)
def reshape(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    """A shape with one unknown length; where the batch stays in front the graph says so."""
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
            shape = tuple(rest if s == -1 and not isinstance(o, BatchSize) else s for s, o in zip(shape, operation.newshape, strict=True))
    if shape.count(-1) > 1 or (spec is not None and spec.shape.count(None) != 1):
        raise CrosstrainError(f"{t.where} reshapes {x.shape} to {shape}, which leaves more than one length open")
    place = shape.index(-1)
    if spec is not None and spec.shape[place] is not None:
        shape = tuple(-1 if s is None else s for s in spec.shape)
        place = shape.index(-1)
    if place != 0:
        raise CrosstrainError(f"{t.where} reshapes {x.shape} to {shape}; the batch has to stay the first axis")
    return t.op.reshape(x, shape=shape)


def resolved(source: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """-1 replaced by its length, where all of the source is known."""
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
        sizes = tuple(b - a for a, b in zip(edges, edges[1:], strict=False))
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
    return t.op.broadcast_to(x, shape=tuple(-1 if have is None else int(s) for s, have in zip(shape, x.shape, strict=True)))


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
        raise CrosstrainError(f"{t.where} pads with mode {operation.mode!r}; crosstrain has constant, reflect and symmetric")
    value = float(numbers(0.0 if constant_values is None else constant_values))
    return t.op.pad(x, padding=pairs, mode=operation.mode, value=value)


@lowers(knp.Take)
def take(t: Tracer, operation: Any, spec: Any, x: Any, indices: Any) -> Any:
    axis = operation.axis
    x = x if isinstance(x, Traced) else t.tensor(str(t.ref(x)))
    if axis is None:
        x, axis = t.op.reshape(x, shape=resolved(x.shape, (-1,))), 0
    return t.op.take(x, whole(t, indices, x.shape[axis]), axis=axis)


def whole(t: Tracer, indices: Any, length: int | None) -> Any:
    """Indices as integers, counted from the front."""
    if not isinstance(indices, Traced):
        fixed = numbers(indices).astype("int32")
        return t.tensor(str(t.ref(np.where(fixed < 0, fixed + (length or 0), fixed))))
    dtype = indices.dtype if "int" in indices.dtype else "int32"
    return t.cast(indices, run_dtype(dtype))


@lowers(knp.TakeAlongAxis)
def take_along_axis(t: Tracer, operation: Any, spec: Any, x: Any, indices: Any) -> Any:
    axis = operation.axis
    if axis is None:
        raise CrosstrainError(f"{t.where} calls ops.take_along_axis without an axis")
    return t.op.take_along_axis(x, whole(t, indices, x.shape[axis]), axis=axis)


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


@lowers(knn.OneHot)
def one_hot(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    if operation.sparse:
        raise CrosstrainError(f"{t.where} makes a sparse one_hot; use sparse=False")
    x = x if "int" in x.dtype else t.cast(x, "int32")
    return t.op.one_hot(x, classes=operation.num_classes, axis=operation.axis, dtype=run_dtype(spec.dtype))


@lowers(knn.MultiHot)
def multi_hot(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    hot = t.op.one_hot(t.cast(x, "int32"), classes=operation.num_classes, axis=operation.axis, dtype="float32")
    axis = 1 if len(x.shape) > 1 else 0
    return t.cast(t.op.max(hot, axis=axis), run_dtype(spec.dtype))


@lowers(kc.Slice)
def slice_(t: Tracer, operation: Any, spec: Any, x: Any, starts: Any) -> Any:
    if isinstance(starts, Traced):
        raise CrosstrainError(f"{t.where} slices at positions that depend on the data; use ops.take")
    begin = [int(s) for s in numbers(starts)]
    whole_axis = [isinstance(n, BatchSize) or n is None for n in operation.shape]
    starts = [None if w else b for b, w in zip(begin, whole_axis, strict=True)]
    stops = [None if w else b + int(n) for b, n, w in zip(begin, operation.shape, whole_axis, strict=True)]
    return t.op.slice(x, starts=starts, stops=stops, strides=[1] * len(begin))


@lowers(kc.SliceUpdate)
def slice_update(t: Tracer, operation: Any, spec: Any, x: Any, starts: Any, updates: Any) -> Any:
    """Padded updates where the slice is, ``x`` elsewhere."""
    begin = [int(s) for s in numbers(starts)]
    updates = t.cast(updates, run_dtype(x.dtype))
    after = [0 if n is None else n - b - u for n, b, u in zip(x.shape, begin, updates.shape, strict=True)]
    padding = list(zip(begin, after, strict=True))
    inside = t.op.pad(t.op.full_like(updates, value=1), padding=padding)
    return t.op.where(t.cast(inside, "bool"), t.op.pad(updates, padding=padding), x)


@lowers(knp.GetItem, spec=False)
def getitem(t: Tracer, operation: Any, spec: Any, x: Any, key: Any) -> Any:
    keys = list(key) if isinstance(key, tuple | list) else [key]
    if sum(k is Ellipsis for k in keys) == 0:
        keys.append(Ellipsis)
    place = next(i for i, k in enumerate(keys) if k is Ellipsis)
    used = sum(k is not None and k is not Ellipsis for k in keys)
    keys[place : place + 1] = [slice(None)] * (len(x.shape) - used)
    starts: list[Any] = []
    stops: list[Any] = []
    strides: list[int] = []
    squeezed, new, gathers, axis = [], [], [], 0
    for k in keys:
        if k is None:
            new.append(axis - len(squeezed) + len(new))
            continue
        single = isinstance(k, int | np.integer)
        if isinstance(k, slice):
            if any(isinstance(v, Traced) for v in (k.start, k.stop, k.step)):
                raise CrosstrainError(f"{t.where} slices at positions that depend on the data; use ops.take")
            cut = k
        elif single:
            cut = slice(int(k), None if k == -1 else int(k) + 1)
            squeezed.append(axis)
        else:
            cut = slice(None)
            gathers.append((axis, k))
        starts.append(cut.start)
        stops.append(cut.stop)
        strides.append(1 if cut.step is None else cut.step)
        axis += 1
    if any((a, b, c) != (None, None, 1) for a, b, c in zip(starts, stops, strides, strict=True)):
        x = t.op.slice(x, starts=starts, stops=stops, strides=strides)
    if len(gathers) > 1 or (gathers and (squeezed or new)):
        raise CrosstrainError(f"{t.where} indexes several axes at once; use ops.take or ops.take_along_axis")
    for where, indices in gathers:
        x = t.op.take(x, whole(t, indices, x.shape[where]), axis=where)
    if squeezed:
        x = t.op.squeeze(x, axis=tuple(squeezed))
    for where in new:
        x = t.op.expand_dims(x, axis=where)
    return x


@lowers(knp.Meshgrid)
def meshgrid(t: Tracer, operation: Any, spec: Any, *xs: Any) -> Any:
    raise CrosstrainError(f"{t.where} calls ops.meshgrid on tensors; use ops.broadcast_to or build it from constants")
