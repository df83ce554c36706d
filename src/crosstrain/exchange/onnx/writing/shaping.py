"""The op vocabulary written as ONNX nodes: shaping, joining, cutting, gathering, padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from crosstrain.exchange.onnx.writing.emit import Emitter, Tensor, form, moved, reshaped
from crosstrain.exchange.onnx.writing.ops import Specs, alike, as_dtype
from crosstrain.graph.evaluate import UnsupportedOp
from crosstrain.graph.graph import TensorSpec
from crosstrain.graph.ops.shapes import axes_of

FAR = 2**63 - 1
"""ONNX's "to the end" of a slice."""


@form("reshape")
def reshape(e: Emitter, specs: Specs, x: Tensor, *, shape: Sequence[int]) -> Any:
    spec = TensorSpec(reshaped(x.shape, shape), x.dtype)
    if spec.shape == x.shape and x.shape.count(None) <= 1:
        return x
    if len(shape) == 2 and x.shape[0] is None and shape[0] == -1 and _cells(x.shape) == shape[1]:
        # One picture cell: its channels are in the same order first or last.
        one_cell = x.rank > 2 and all(n == 1 for n in x.shape[1:-1])
        return e.as_tensor(e.one("Flatten", x.first if x.first_only and one_cell else x.last, axis=1), spec)
    return e.as_tensor(e.one("Reshape", x.last, e.integers(shape)), spec)


def _cells(shape: Sequence[int | None]) -> int | None:
    """Numbers in one example; None where only the data knows."""
    return None if None in shape[1:] else math.prod(n or 0 for n in shape[1:])


@form("transpose")
def transpose(e: Emitter, specs: Specs, x: Tensor, *, axes: Sequence[int]) -> Any:
    axes = tuple(a % x.rank for a in axes)
    spec = TensorSpec(tuple(x.shape[a] for a in axes), x.dtype)
    if axes == tuple(range(x.rank)):
        return x
    if x.rank >= 3 and axes == (0, x.rank - 1, *range(1, x.rank - 1)):
        return e.as_tensor(x.first, spec)
    if x.rank >= 3 and axes == (0, *range(2, x.rank), 1):
        return e.as_tensor(x.last, spec, first=True)
    return e.as_tensor(e.transposed(x.last, axes), spec)


@form("expand_dims")
def expand_dims(e: Emitter, specs: Specs, x: Tensor, *, axis: int) -> Any:
    return e.as_tensor(e.one("Unsqueeze", x.last, e.integers([axis % (x.rank + 1)])), specs[0])


@form("squeeze")
def squeeze(e: Emitter, specs: Specs, x: Tensor, *, axis: Any) -> Any:
    axes = axes_of(x.rank, axis)
    if not axes:
        return x
    if x.first_only and set(range(1, x.rank - 1)) <= set(axes):
        return e.as_tensor(
            e.one("Squeeze", x.first, e.integers(sorted(moved(a, x.rank) for a in axes))), specs[0]
        )
    return e.as_tensor(e.one("Squeeze", x.last, e.integers(axes)), specs[0])


@form("concatenate")
def concatenate(e: Emitter, specs: Specs, *inputs: Tensor, axis: int) -> Any:
    inputs = tuple(alike(e, *inputs))
    rank = inputs[0].rank
    spec = TensorSpec(specs[0].shape, inputs[0].dtype)
    if rank >= 3 and any(t.first_only for t in inputs):
        return e.as_tensor(
            e.node("Concat", [t.first for t in inputs], axis=moved(axis, rank))[0], spec, first=True
        )
    return e.as_tensor(e.node("Concat", [t.last for t in inputs], axis=axis % rank)[0], spec)


@form("split")
def split(e: Emitter, specs: Specs, x: Tensor, *, sizes: Sequence[int], axis: int) -> tuple[Tensor, ...]:
    front = x.first_only
    at = moved(axis, x.rank) if front else axis % x.rank
    names = e.node("Split", [x.first if front else x.last, e.integers(sizes)], len(sizes), axis=at)
    return tuple(e.as_tensor(name, spec, first=front) for name, spec in zip(names, specs, strict=True))


@form("slice")
def slice_(e: Emitter, specs: Specs, x: Tensor, *, starts: Any, stops: Any, strides: Any) -> Any:
    rows = []
    for axis, (start, stop, step) in enumerate(zip(starts, stops, strides, strict=True)):
        if (start in (None, 0) and stop is None and step == 1) or (
            step == 1 and start in (None, 0) and stop is not None and stop == x.shape[axis]
        ):
            continue
        begin = start if start is not None else (0 if step > 0 else FAR)
        end = stop if stop is not None else (FAR if step > 0 else -FAR)
        at = moved(axis, x.rank) if x.first_only else axis
        rows.append((begin, end, at, step))
    if not rows:
        return x
    source = x.first if x.first_only else x.last
    name = e.one("Slice", source, *(e.integers(column) for column in zip(*rows, strict=True)))
    return e.as_tensor(name, TensorSpec(specs[0].shape, x.dtype), first=x.first_only)


@form("flip")
def flip(e: Emitter, specs: Specs, x: Tensor, *, axis: Any) -> Any:
    axes = axes_of(x.rank, axis)
    whole = (None,) * x.rank
    return e.ops.slice(
        x, starts=whole, stops=whole, strides=tuple(-1 if i in axes else 1 for i in range(x.rank))
    )


@form("tile")
def tile(e: Emitter, specs: Specs, x: Tensor, *, repeats: Sequence[int]) -> Any:
    return e.as_tensor(e.one("Tile", x.last, e.integers(repeats)), TensorSpec(specs[0].shape, x.dtype))


@form("repeat")
def repeat(e: Emitter, specs: Specs, x: Tensor, *, repeats: int, axis: int) -> Any:
    axis %= x.rank
    expanded = e.one("Unsqueeze", x.last, e.integers([axis + 1]))
    copies = e.one("Tile", expanded, e.integers(repeats if i == axis + 1 else 1 for i in range(x.rank + 1)))
    # 0 keeps an axis before the repeated one; of those behind it, the batch can be none.
    shape = [0] * axis + [-1] + [-2 if n is None else n for n in x.shape[axis + 1 :]]
    if -2 in shape:
        lengths = e.one("Shape", x.last)
        factors = e.integers(repeats if i == axis else 1 for i in range(x.rank))
        target = e.one("Mul", lengths, factors)
    else:
        target = e.integers(shape)
    return e.as_tensor(e.one("Reshape", copies, target), TensorSpec(specs[0].shape, x.dtype))


@form("broadcast_to")
def broadcast_to(e: Emitter, specs: Specs, x: Tensor, *, shape: Sequence[int]) -> Any:
    # ONNX's Expand broadcasts both ways: a 1 leaves an axis as it is.
    target = e.integers(1 if n == -1 else n for n in shape)
    return e.as_tensor(e.one("Expand", x.last, target), TensorSpec(specs[0].shape, x.dtype))


@form("full_like")
def full_like(e: Emitter, specs: Specs, x: Tensor, *, value: float) -> Any:
    if None not in x.shape:
        return e.constant(np.full([n or 0 for n in x.shape], value, x.dtype))
    filler = e.initialiser(np.asarray(value, x.dtype))
    return e.as_tensor(e.one("Expand", filler, e.one("Shape", x.last)), x.spec())


@form("pad")
def pad(
    e: Emitter, specs: Specs, x: Tensor, *, padding: Any, mode: str = "constant", value: float = 0.0
) -> Any:
    if not any(map(any, padding)):
        return x
    if mode == "symmetric":
        return _mirrored(e, x, padding)
    front = x.first_only
    order = [0, x.rank - 1, *range(1, x.rank - 1)] if front else list(range(x.rank))
    amounts = e.integers([padding[a][0] for a in order] + [padding[a][1] for a in order])
    inputs = [x.first if front else x.last, amounts]
    if mode == "constant":
        inputs.append(e.initialiser(np.asarray(value, x.dtype)))
    return e.as_tensor(e.node("Pad", inputs, mode=mode)[0], TensorSpec(specs[0].shape, x.dtype), first=front)


def _mirrored(e: Emitter, x: Tensor, padding: Any) -> Any:
    """Symmetric padding (the border repeated), which ONNX lacks: mirrored strips joined to either side."""
    for axis, (before, after) in enumerate(padding):
        parts = [x]
        whole = (slice(None),) * axis
        if before:
            parts.insert(0, e.ops.flip(x[(*whole, slice(0, before))], axis=axis))
        if after:
            parts.append(e.ops.flip(x[(*whole, slice(-after, None))], axis=axis))
        if len(parts) > 1:
            x = e.ops.concatenate(*parts, axis=axis)
    return x


@form("take")
def take(e: Emitter, specs: Specs, x: Tensor, indices: Tensor, *, axis: int) -> Any:
    if indices.dtype not in ("int32", "int64"):
        indices = as_dtype(e, indices, "int64")
    name = e.one("Gather", x.last, indices.last, axis=axis % x.rank)
    return e.as_tensor(name, TensorSpec(specs[0].shape, x.dtype))


@form("take_along_axis")
def take_along_axis(e: Emitter, specs: Specs, x: Tensor, indices: Tensor, *, axis: int) -> Any:
    if indices.dtype not in ("int32", "int64"):
        indices = as_dtype(e, indices, "int64")
    name = e.one("GatherElements", x.last, indices.last, axis=axis % x.rank)
    return e.as_tensor(name, TensorSpec(specs[0].shape, x.dtype))


@form("one_hot")
def one_hot(
    e: Emitter, specs: Specs, x: Tensor, *, classes: int, axis: int = -1, dtype: str = "float32"
) -> Any:
    """By comparison: ONNX's OneHot counts negative indices from the end, where zeros are due."""
    axis %= x.rank + 1
    along = [classes if i == axis else 1 for i in range(x.rank + 1)]
    numbers = e.constant(np.arange(classes, dtype=x.dtype).reshape(along))
    return as_dtype(e, e.ops.equal(e.ops.expand_dims(x, axis=axis), numbers), dtype)


@form("scan")
def scan(e: Emitter, specs: Specs, step: Any, state: Any, xs: Tensor, *, reverse: bool = False) -> Any:
    """Unrolled: one copy of the step's nodes for each moment."""
    if xs.shape[0] is None:
        raise UnsupportedOp(
            "ONNX: this recurrent layer is written moment by moment, which needs a fixed length"
        )
    moments = range(xs.shape[0])
    ys = []
    for t in reversed(moments) if reverse else moments:
        state, y = step(state, xs[t])
        ys.append(e.ops.expand_dims(y, axis=0))
    return state, e.ops.concatenate(*ys, axis=0)
