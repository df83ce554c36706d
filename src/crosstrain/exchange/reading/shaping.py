"""Values in other shapes: reshaping around the batch, padding, reductions, constants as long as the batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from crosstrain.exchange.reading.axes import behind
from crosstrain.exchange.reading.values import BATCH, Reader, Value


def length_of(size: int | None) -> int:
    return BATCH if size is None else size


def reshaped(r: Reader, x: Value, target: Sequence[int]) -> Value:
    """A value in another shape, in which -1 is to be found out and ``BATCH`` the batch's length."""
    lengths = r.lengths(x)
    total = math.prod(lengths)
    dims = _with_open_batch(r, x, list(target), total)
    rest = math.prod(d for d in dims if d != -1)
    if -1 in dims:
        if dims.count(-1) > 1 or not rest or total % rest:
            raise r.refusal(f"cannot give {x.shape} the shape {list(target)}")
        dims = [total // rest if d == -1 else d for d in dims]
    if math.prod(dims) != total:
        raise r.refusal(f"cannot give {x.shape} the shape {list(target)}")
    if x.filled is not None:
        return Value(r, [None if d % BATCH == 0 else d for d in dims], x.dtype, filled=x.filled)
    ones = 0
    while total and total % BATCH == 0 and dims and dims[0] == 1:
        dims, ones = dims[1:], ones + 1
    if None in x.shape[1:] or any(d and d % BATCH == 0 for d in dims[1:]):
        result = _around_the_batch(r, x, dims)
        for _ in range(ones):
            result = r.as_value(r.emit("expand_dims", result.first, axis=0))
        return result
    shape = tuple(-1 if d and d % BATCH == 0 else d for d in dims)
    # One cell alone: its channels are in the same order first or last.
    alike = x.last_only and all(s == 1 for s in x.shape[2:])
    ref = x.last if alike else x.first
    own = tuple(-1 if s is None else s for s in r.builder.specs[ref].shape)
    ref = ref if shape == own else r.emit("reshape", ref, shape=shape)
    for _ in range(ones):
        ref = r.emit("expand_dims", ref, axis=0)
    return r.as_value(ref)


def _around_the_batch(r: Reader, x: Value, dims: list[int]) -> Value:
    """A reshape of (a…, batch, b…) into (c…, batch, d…): the batch goes to the front and back again."""
    if None not in x.shape or BATCH not in dims:
        raise r.refusal("mixes the batch with another axis")
    before, after = x.shape.index(None), dims.index(BATCH)
    lengths = r.lengths(x)
    if math.prod(lengths[:before]) != math.prod(dims[:after]):
        raise r.refusal("mixes the batch with another axis")
    front = r.transposed(x.first, (before, *(a for a in range(x.rank) if a != before)))
    rest = [d for i, d in enumerate(dims) if i != after]
    flat = r.emit("reshape", front, shape=(-1, *rest))
    order = list(range(1, len(dims)))
    return r.as_value(r.transposed(flat, (*order[:after], 0, *order[after:])))


def _with_open_batch(r: Reader, x: Value, dims: list[int], total: int) -> list[int]:
    """A file for batches of one fixed length writes that length into shapes; the batch takes its place."""
    fixed = r.fixed_batch
    if fixed is None or not x.shape or x.shape[0] is not None or not dims or dims[0] != fixed:
        return dims
    rest = math.prod(d for d in dims[1:] if d != -1)
    fits = (total // BATCH) % rest == 0 if -1 in dims[1:] else rest == total // BATCH
    return [BATCH, *dims[1:]] if fits else dims


def filled(r: Reader, lengths: Sequence[int], value: Any) -> Value:
    """A constant of one number, as long as the batch."""
    array = np.asarray(value).reshape(())
    shape = [None if d and d % BATCH == 0 else int(d) for d in lengths]
    return Value(r, shape, r.dtype(array.dtype.name), filled=float(array))


def padded(r: Reader, ref: str, pairs: Sequence[tuple[int, int]], mode: str, value: float) -> str:
    """``ref`` with ``(before, after)`` laid on each axis; negative numbers cut off."""
    if any(min(p) < 0 for p in pairs):
        starts = [max(-before, 0) or None for before, _ in pairs]
        stops = [min(after, 0) or None for _, after in pairs]
        ref = r.emit("slice", ref, starts=starts, stops=stops, strides=[1] * len(pairs))
        pairs = [(max(before, 0), max(after, 0)) for before, after in pairs]
    if not any(map(any, pairs)):
        return ref
    if mode == "constant":
        return r.emit("pad", ref, padding=pairs, mode=mode, value=value)
    if mode == "reflect":
        return r.emit("pad", ref, padding=pairs, mode=mode)
    for axis, (before, after) in enumerate(pairs):
        ref = _bordered(r, ref, axis, before, after, mode)
    return ref


def _bordered(r: Reader, ref: str, axis: int, before: int, after: int, mode: str) -> str:
    """Modes ``edge`` (the border cell repeated) and ``wrap`` (what lies at the other end)."""

    def cut(start: int | None, stop: int | None) -> str:
        rank = len(r.builder.specs[ref].shape)
        starts, stops = ([end if a == axis else None for a in range(rank)] for end in (start, stop))
        return r.emit("slice", ref, starts=starts, stops=stops, strides=[1] * rank)

    if not before and not after:
        return ref
    parts = [ref]
    if mode == "edge":
        if before:
            parts.insert(0, r.emit("repeat", cut(None, 1), repeats=before, axis=axis))
        if after:
            parts.append(r.emit("repeat", cut(-1, None), repeats=after, axis=axis))
    elif mode == "wrap":
        parts = [*([cut(-before, None)] if before else []), ref, *([cut(None, after)] if after else [])]
    else:
        raise r.refusal(f"pads in the mode {mode!r}")
    return r.emit("concatenate", *parts, axis=axis)


def interpolated(r: Reader, ref: str, matrix: np.ndarray, axis: int) -> str:
    """A matrix (new, old) applied along an axis."""
    new, old = matrix.shape
    if np.all((matrix == 0) | (matrix == 1)) and np.all(matrix.sum(1) == 1):
        source = matrix.argmax(1)
        if new % old == 0 and np.array_equal(source, np.repeat(np.arange(old), new // old)):
            return r.emit("repeat", ref, repeats=new // old, axis=axis)
        return r.emit("take", ref, r.builder.constant(source, "int32"), axis=axis)
    rank = len(r.builder.specs[ref].shape)
    letters = "abcdefgh"[:rank]
    result = letters[:axis] + "z" + letters[axis + 1 :]
    equation = f"{letters},z{letters[axis]}->{result}"
    return r.emit("einsum", ref, r.builder.constant(matrix, "float32"), equation=equation)


def reduced(r: Reader, x: Value, op: str, axes: Sequence[int], keep: bool) -> Value:
    """A reduction along ``axes`` in the order of axes that costs no transpose; of none, the value itself."""
    places = tuple(sorted(a % x.rank for a in axes)) if x.rank else ()
    if not places:
        return x
    # Without its spatial axes a value is the same in both orders.
    if x.last_only and (keep or set(range(2, x.rank)) <= set(places)):
        places_behind = tuple(sorted(behind(a, x.rank) for a in places))
        return r.as_value(r.emit(op, x.last, axis=places_behind, keepdims=keep), last=keep)
    return r.as_value(r.emit(op, x.first, axis=places, keepdims=keep))
