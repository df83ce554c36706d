"""Lowerings of ``keras.ops`` that select values by index."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras.src.ops import core as kc
from keras.src.ops import nn as knn
from keras.src.ops import numpy as knp

from crosstrain.errors import CrosstrainError
from crosstrain.graph.builder import run_dtype
from crosstrain.graph.keras_import.ops.shaping import resolved
from crosstrain.graph.keras_import.recorder import numbers
from crosstrain.graph.keras_import.registry import lowers
from crosstrain.graph.keras_import.tensors import BatchSize, Traced
from crosstrain.graph.keras_import.trace import Tracer


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


@lowers(knn.OneHot)
def one_hot(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    if operation.sparse:
        raise CrosstrainError(f"{t.where} makes a sparse one_hot; use sparse=False")
    x = x if "int" in x.dtype else t.cast(x, "int32")
    return t.op.one_hot(x, classes=operation.num_classes, axis=operation.axis, dtype=run_dtype(spec.dtype))


@lowers(knn.MultiHot)
def multi_hot(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    hot = t.op.one_hot(
        t.cast(x, "int32"), classes=operation.num_classes, axis=operation.axis, dtype="float32"
    )
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
    """Padded updates inside the slice, ``x`` elsewhere."""
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
    squeezed: list[int] = []
    new: list[int] = []
    gathers: list[tuple[int, Any]] = []
    axis = 0
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
