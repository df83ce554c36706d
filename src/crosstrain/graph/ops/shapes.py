"""Shape rules that many ops share. ``None`` is the batch's length and stays ``None``."""

from __future__ import annotations

from typing import Any

from crosstrain.graph.node import TensorSpec


def _spec(shape: Any, dtype: str) -> TensorSpec:
    return TensorSpec(tuple(shape), dtype)


def same(x: TensorSpec, *_: TensorSpec | None, **__: Any) -> list[TensorSpec]:
    """Shape and dtype of the first input."""
    return [x]


def boolean(*inputs: TensorSpec, **_: Any) -> list[TensorSpec]:
    """The inputs broadcast against each other, as truth values."""
    return [_spec(broadcast(*inputs)[0].shape, "bool")]


def broadcast(*inputs: TensorSpec, **_: Any) -> list[TensorSpec]:
    """NumPy broadcasting; the dtype is the widest (bool < int32 < int64 < float32)."""
    rank = max(len(i.shape) for i in inputs)
    columns = zip(*[(1,) * (rank - len(i.shape)) + i.shape for i in inputs], strict=True)
    shape: list[int | None] = []
    for column in columns:
        sizes = {size for size in column if size != 1}
        known = sizes - {None}
        if len(known) > 1:
            raise ValueError(f"shapes {[i.shape for i in inputs]} do not broadcast")
        shape.append(known.pop() if known else None if sizes else 1)
    order = ["bool", "uint8", "int32", "int64", "float32"]
    dtype = max((i.dtype for i in inputs), key=lambda d: order.index(d) if d in order else len(order))
    return [_spec(shape, dtype)]


def axes_of(rank: int, axis: Any) -> tuple[int, ...]:
    """``axis`` (None: all, an int, or several) as non-negative ints."""
    if axis is None:
        return tuple(range(rank))
    return tuple(a % rank for a in ((axis,) if isinstance(axis, int) else axis))


def reduced(x: TensorSpec, *, axis: Any = None, keepdims: bool = False, **_: Any) -> list[TensorSpec]:
    """Without the reduced axes (or with ones in their place)."""
    axes = axes_of(len(x.shape), axis)
    if keepdims:
        return [_spec([1 if i in axes else s for i, s in enumerate(x.shape)], x.dtype)]
    return [_spec([s for i, s in enumerate(x.shape) if i not in axes], x.dtype)]


def windowed(length: int | None, size: int, stride: int, dilation: int, pad: tuple[int, int]) -> int | None:
    """Output length of a window that slides over a padded axis."""
    if length is None:
        return None
    return (length + sum(pad) - (size - 1) * dilation - 1) // stride + 1
