"""Lowerings of ``keras.ops`` that reduce, sort or multiply matrices."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

from keras.src.ops import linalg as kl
from keras.src.ops import math as km
from keras.src.ops import nn as knn
from keras.src.ops import numpy as knp

from crosstrain.errors import CrosstrainError
from crosstrain.graph.builder import run_dtype
from crosstrain.graph.keras_import.ops.elementwise import common
from crosstrain.graph.keras_import.recorder import numbers
from crosstrain.graph.keras_import.registry import lowers
from crosstrain.graph.keras_import.tensors import Traced
from crosstrain.graph.keras_import.trace import Tracer

REDUCTIONS: dict[type, str] = {
    knp.Sum: "sum", knp.Mean: "mean", knp.Prod: "prod", knp.Max: "max", knp.Min: "min", knp.Amax: "max",
    knp.Amin: "min",
    knp.Any: "any", knp.All: "all", knp.Var: "variance", km.Logsumexp: "logsumexp",
}  # fmt: skip


def over(operation: Any) -> dict[str, Any]:
    """``axis`` and ``keepdims`` as attributes of an op."""
    axis = operation.axis
    return {"axis": tuple(axis) if isinstance(axis, list) else axis, "keepdims": bool(operation.keepdims)}


@lowers(*REDUCTIONS)
def reduction(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    op = REDUCTIONS[type(operation)]
    if getattr(operation, "initial", None) is not None:
        x = t.emit(op + "imum", x, operation.initial)
    return t.emit(op, t.cast(x, "bool" if op in ("any", "all") else run_dtype(spec.dtype)), **over(operation))


@lowers(knp.Std)
def std(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    return t.op.sqrt(t.op.variance(t.cast(x, run_dtype(spec.dtype)), **over(operation)))


@lowers(knp.CountNonzero)
def count_nonzero(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    axis = tuple(operation.axis) if operation.axis is not None else None
    return t.op.sum(t.cast(t.cast(x, "bool"), "int32"), axis=axis)


@lowers(knp.Ptp)
def ptp(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    return t.op.subtract(t.op.max(x, **over(operation)), t.op.min(x, **over(operation)))


@lowers(knp.Average)
def average(t: Tracer, operation: Any, spec: Any, x: Any, weights: Any = None) -> Any:
    dtype = run_dtype(spec.dtype)
    x = t.cast(x, dtype)
    if weights is None:
        return t.op.mean(x, axis=operation.axis)
    weights = t.cast(weights, dtype)
    if len(weights.shape) != len(x.shape):
        shape = [1] * len(x.shape)
        shape[operation.axis] = weights.shape[0]
        weights = t.op.reshape(weights, shape=tuple(shape))
    weights = t.op.add(weights, t.op.full_like(x, value=0.0))
    total = t.op.sum(weights, axis=operation.axis)
    return t.op.divide(t.op.sum(t.op.multiply(x, weights), axis=operation.axis), total)


@lowers(knp.Argmax, knp.Argmin)
def arg_extreme(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    op = "argmax" if isinstance(operation, knp.Argmax) else "argmin"
    x = t.cast(x, "int32") if x.dtype == "bool" else x
    if operation.axis is not None:
        return t.emit(op, x, axis=operation.axis, keepdims=bool(operation.keepdims))
    if x.shape and x.shape[0] is None:
        raise CrosstrainError(f"{t.where} takes {op} over the whole batch; give an axis")
    return t.emit(op, t.op.reshape(x, shape=(-1,)), axis=0)


@lowers(knp.Cumsum)
def cumsum(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    x = t.cast(x, run_dtype(spec.dtype))
    if operation.axis is None:
        return t.op.cumsum(t.op.reshape(x, shape=(-1,)), axis=0)
    return t.op.cumsum(x, axis=operation.axis)


@lowers(knp.Sort)
def sort(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    return t.op.sort(x, axis=operation.axis)


@lowers(knp.Argsort)
def argsort(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    rank = len(x.shape)
    axis = operation.axis % rank
    if x.shape[axis] is None:
        raise CrosstrainError(f"{t.where} sorts an axis of unknown length")
    swap = [rank - 1 if i == axis else axis if i == rank - 1 else i for i in range(rank)]
    transposed = x if axis == rank - 1 else t.op.transpose(x, axes=swap)
    _, order = t.op.top_k(t.op.negative(transposed), k=x.shape[axis])
    return order if axis == rank - 1 else t.op.transpose(order, axes=swap)


@lowers(km.TopK)
def top_k(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    return t.op.top_k(x, k=operation.k)


@lowers(knp.Median)
def median(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    x = t.cast(x, run_dtype(spec.dtype))
    rank = len(x.shape)
    axes = list(range(rank)) if operation.axis is None else sorted(a % rank for a in operation.axis)
    if len(axes) != 1 or x.shape[axes[0]] is None:
        raise CrosstrainError(
            f"{t.where} takes a median over several axes or the batch; crosstrain has it over one axis"
        )
    (axis,), length = axes, x.shape[axes[0]]
    ordered = t.op.sort(x, axis=axis)
    first, last = (length - 1) // 2, length // 2 + 1
    cut: dict[str, list[Any]] = {"starts": [None] * rank, "stops": [None] * rank, "strides": [1] * rank}
    cut["starts"][axis], cut["stops"][axis] = first, last
    return t.op.mean(t.op.slice(ordered, **cut), axis=axis, keepdims=bool(operation.keepdims))


@lowers(kl.Norm)
def norm(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    x = t.cast(x, run_dtype(spec.dtype))
    settings = over(operation)
    axes = settings["axis"]
    count = len(x.shape) if axes is None else len(axes)
    order = operation.ord
    if order in (None, "fro") or (order == 2 and count == 1):
        return t.op.sqrt(t.op.sum(t.op.square(x), **settings))
    if count != 1:
        raise CrosstrainError(
            f"{t.where} takes the matrix norm {order!r}; crosstrain has vector norms and 'fro'"
        )
    size = t.op.abs(x)
    if order == 1:
        return t.op.sum(size, **settings)
    if order == float("inf"):
        return t.op.max(size, **settings)
    if order == -float("inf"):
        return t.op.min(size, **settings)
    return t.op.power(t.op.sum(t.op.power(size, float(order)), **settings), 1.0 / order)


@lowers(knn.Moments)
def moments(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    axes = operation.axes
    settings = {
        "axis": tuple(axes) if isinstance(axes, list | tuple) else axes,
        "keepdims": operation.keepdims,
    }
    return t.op.mean(x, **settings), t.op.variance(x, **settings)


@lowers(knp.Matmul)
def matmul(t: Tracer, operation: Any, spec: Any, a: Any, b: Any) -> Any:
    dtype = run_dtype(spec.dtype)
    return t.op.matmul(t.cast(a, dtype), t.cast(b, dtype))


def contracted(t: Tracer, dtype: str, a: Any, b: Any, left: list[int], right: list[int]) -> Any:
    """Sum over pairs of axes; the result has the other axes of ``a``, then those of ``b``."""
    letters = iter(string.ascii_letters)
    first = [next(letters) for _ in a.shape]
    second = [next(letters) for _ in b.shape]
    for i, j in zip(left, right, strict=True):
        second[j % len(second)] = first[i % len(first)]
    rest = [x for i, x in enumerate(first) if i not in [k % len(first) for k in left]]
    rest += [x for i, x in enumerate(second) if i not in [k % len(second) for k in right]]
    equation = f"{''.join(first)},{''.join(second)}->{''.join(rest)}"
    return t.op.einsum(t.cast(a, dtype), t.cast(b, dtype), equation=equation)


@lowers(knp.Tensordot, spec=False)  # Keras's inference takes no integers among the axes
def tensordot(t: Tracer, operation: Any, spec: Any, a: Any, b: Any) -> Any:
    dtype = common(a, b)
    a, b = t.cast(a, dtype), t.cast(b, dtype)
    axes = operation.axes
    if isinstance(axes, int):
        left, right = list(range(len(a.shape) - axes, len(a.shape))), list(range(axes))
    else:
        left, right = ([x] if isinstance(x, int) else list(x) for x in axes)
    return contracted(t, dtype, a, b, left, right)


@lowers(knp.Dot)
def dot(t: Tracer, operation: Any, spec: Any, a: Any, b: Any) -> Any:
    dtype = run_dtype(spec.dtype)
    a, b = t.cast(a, dtype), t.cast(b, dtype)
    if not a.shape or not b.shape:
        return t.op.multiply(a, b)
    return contracted(t, dtype, a, b, [len(a.shape) - 1], [max(len(b.shape) - 2, 0)])


@lowers(knp.Inner, knp.Vdot)
def inner(t: Tracer, operation: Any, spec: Any, a: Any, b: Any) -> Any:
    dtype = run_dtype(spec.dtype)
    a, b = t.cast(a, dtype), t.cast(b, dtype)
    if isinstance(operation, knp.Vdot):
        return t.op.sum(t.op.multiply(a, b))
    return contracted(t, dtype, a, b, [len(a.shape) - 1], [len(b.shape) - 1])


@lowers(knp.Outer)
def outer(t: Tracer, operation: Any, spec: Any, a: Any, b: Any) -> Any:
    dtype = run_dtype(spec.dtype)
    a, b = t.cast(a, dtype), t.cast(b, dtype)
    if None in (*a.shape, *b.shape):
        raise CrosstrainError(f"{t.where} takes an outer product over the batch; use ops.einsum")
    column = t.op.reshape(a, shape=(math.prod(a.shape), 1))
    return t.op.multiply(column, t.op.reshape(b, shape=(1, math.prod(b.shape))))


@lowers(knp.Cross)
def cross(t: Tracer, operation: Any, spec: Any, a: Any, b: Any) -> Any:
    if {x % len(a.shape) - len(a.shape) for x in (operation.axisa, operation.axisb, operation.axisc)} != {
        -1
    } or a.shape[-1] != 3:
        raise CrosstrainError(
            f"{t.where} takes a cross product; crosstrain has it for three components on the last axis"
        )
    a, b = t.cast(a, "float32"), t.cast(b, "float32")
    (a0, a1, a2), (b0, b1, b2) = (t.op.split(x, sizes=(1, 1, 1), axis=-1) for x in (a, b))
    m, s = t.op.multiply, t.op.subtract
    parts = s(m(a1, b2), m(a2, b1)), s(m(a2, b0), m(a0, b2)), s(m(a0, b1), m(a1, b0))
    return t.op.concatenate(*parts, axis=-1)


def written_out(equation: str, ranks: list[int]) -> str:
    """An einsum equation in which every axis has a letter of its own: no ``...``, an explicit result."""
    equation = equation.replace(" ", "")
    terms, arrow, result = equation.partition("->")
    parts = terms.split(",")
    free = [c for c in string.ascii_letters if c not in equation]
    extra = [rank - len(part.replace("...", "")) for part, rank in zip(parts, ranks, strict=True)]
    dots = "".join(free[: max([0, *[e for p, e in zip(parts, extra, strict=True) if "..." in p]])])
    parts = [p.replace("...", dots[len(dots) - e :]) for p, e in zip(parts, extra, strict=True)]
    if not arrow:
        joined = "".join(p.replace("...", "") for p in terms.split(","))
        result = "..." * ("..." in terms) + "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
    return f"{','.join(parts)}->{result.replace('...', dots)}"


@lowers(knp.Einsum)
def einsum(t: Tracer, operation: Any, spec: Any, *operands: Any) -> Any:
    dtype = run_dtype(spec.dtype)
    operands = tuple(t.cast(o, dtype) for o in operands)
    equation = written_out(operation.subscripts, [len(o.shape) for o in operands])
    operands, equation = without_broadcasting(t, operands, equation)
    return t.op.einsum(*operands, equation=equation)


def without_broadcasting(t: Tracer, operands: Sequence[Any], equation: str) -> tuple[tuple[Any, ...], str]:
    """Operands whose axes of length 1 are gone where the same letter is longer elsewhere: NumPy repeats
    these, TensorFlow only behind ``...``."""
    terms, _, result = equation.partition("->")
    parts = terms.split(",")
    longer = {
        c
        for part, o in zip(parts, operands, strict=True)
        for c, n in zip(part, o.shape, strict=True)
        if n != 1
    }
    kept_operands, kept_parts = [], []
    for part, operand in zip(parts, operands, strict=True):
        short = tuple(
            i for i, (c, n) in enumerate(zip(part, operand.shape, strict=True)) if n == 1 and c in longer
        )
        kept_operands.append(t.op.squeeze(operand, axis=short) if short else operand)
        kept_parts.append("".join(c for i, c in enumerate(part) if i not in short))
    return tuple(kept_operands), f"{','.join(kept_parts)}->{result}"


@lowers(knp.Digitize, knp.SearchSorted, spec=False)
def digitize(t: Tracer, operation: Any, spec: Any, *arguments: Any) -> Any:
    """The number of bounds that are not above x (digitize) or below it (searchsorted from the left)."""
    if isinstance(operation, knp.Digitize):
        x, bounds, compare = *arguments, "greater_equal"
    else:
        bounds, x = arguments
        compare = "greater" if operation.side == "left" else "greater_equal"
    bounds = bounds if isinstance(bounds, Traced) else numbers(list(bounds))
    dtype = common(x, bounds)
    column = t.op.expand_dims(t.cast(x, dtype), axis=-1)
    return t.op.sum(t.cast(t.emit(compare, column, t.cast(bounds, dtype)), "int32"), axis=-1)


@lowers(knp.Diff)
def diff(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    rank = len(x.shape)
    axis = operation.axis % rank
    for _ in range(operation.n):
        starts: list[list[Any]] = [[None] * rank, [None] * rank]
        ends: list[list[Any]] = [[None] * rank, [None] * rank]
        starts[1][axis], ends[0][axis] = 1, -1
        low, high = (
            t.op.slice(x, starts=s, stops=e, strides=[1] * rank) for s, e in zip(starts, ends, strict=True)
        )
        x = t.op.subtract(high, low)
    return x


@lowers(knp.Trace, knp.Diagonal)
def diagonal(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    rank = len(x.shape)
    first, second = operation.axis1 % rank, operation.axis2 % rank
    if operation.offset != 0 or x.shape[first] != x.shape[second]:
        raise CrosstrainError(f"{t.where} takes a diagonal that is not the main one of a square matrix")
    letters = list(string.ascii_letters[:rank])
    letters[second] = letters[first]
    rest = "".join(x for i, x in enumerate(letters) if i not in (first, second))
    last = "" if isinstance(operation, knp.Trace) else letters[first]
    return t.op.einsum(t.cast(x, run_dtype(spec.dtype)), equation=f"{''.join(letters)}->{rest}{last}")


@lowers(knp.Bincount)
def bincount(t: Tracer, operation: Any, spec: Any, x: Any, *_: Any) -> Any:
    raise CrosstrainError(
        f"{t.where} uses ops.bincount, whose length depends on the data; use ops.one_hot and ops.sum"
    )


__all__ = ["contracted", "numbers", "over", "written_out"]
