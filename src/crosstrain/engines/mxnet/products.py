"""Products of matrices on MXNet: ``dot`` and ``batch_dot``, for two and three axes, and dense layers."""

from __future__ import annotations

import math
from typing import Any

import mxnet as mx
import numpy as np

from crosstrain.engines.mxnet.values import Order, Value
from crosstrain.graph.evaluate import Ops


def dense_order(rank: int) -> Order:
    """(in, out) seen as (out, in)."""
    return (*range(rank - 2), rank - 1, rank - 2)


def dense(x: Value, kernel: Value, bias: Value | None = None) -> Value:
    units = kernel.shape[-1]
    rows = x.reshaped(math.prod(x.shape[:-1]), x.shape[-1])
    arguments = [rows.symbol, kernel.symbol_in(dense_order(2)), *([] if bias is None else [bias.symbol])]
    y = mx.sym.FullyConnected(*arguments, num_hidden=units, no_bias=bias is None, flatten=False)
    return Value(y, (rows.shape[0], units), x.dtype).reshaped(*x.shape[:-1], units)


def matmul(a: Value, b: Value) -> Value:
    if a.ndim == 1:
        y = matmul(a.reshaped(1, *a.shape), b)
        return y.reshaped(*y.shape[:-2], y.shape[-1])
    if b.ndim == 1:
        y = matmul(a, b.reshaped(*b.shape, 1))
        return y.reshaped(*y.shape[:-1])
    *_, rows, inner = a.shape
    columns = b.shape[-1]
    if b.ndim == 2:
        flat = a.reshaped(math.prod(a.shape[:-1]), inner)
        product = Value(mx.sym.dot(flat.symbol, b.symbol), (flat.shape[0], columns), a.dtype)
        return product.reshaped(*a.shape[:-1], columns)
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    left, right = (_batched(v, lead) for v in (a, b))
    y = Value(mx.sym.batch_dot(left.symbol, right.symbol), (math.prod(lead), rows, columns), a.dtype)
    return y.reshaped(*lead, rows, columns)


def _batched(x: Value, lead: tuple[int, ...]) -> Value:
    """A stack of matrices with its batch axes broadcast to ``lead`` and joined into one."""
    shape = (*lead, *x.shape[-2:])
    if x.shape != shape:
        wide = x.reshaped(*[1] * (len(shape) - x.ndim), *x.shape)
        x = Value(mx.sym.broadcast_to(wide.symbol, shape=shape), shape, x.dtype)
    return x.reshaped(math.prod(lead), *x.shape[-2:])


def einsum(ops: Ops, *inputs: Value, equation: str) -> Value:
    """Operand by operand: axes that nothing else names are summed, then one batched product of two."""
    terms, _, result = equation.replace(" ", "").partition("->")
    names, values = terms.split(","), list(inputs)
    while len(values) > 1:
        later = set(result).union(*names[2:])
        name, value = _product(ops, names[0], values[0], names[1], values[1], later)
        names, values = [name, *names[2:]], [value, *values[2:]]
    name, value = _summed(ops, names[0], values[0], set(result))
    return _ordered(ops, name, value, result)


def _summed(ops: Ops, name: str, value: Value, later: set[str]) -> tuple[str, Value]:
    summed = tuple(axis for axis, letter in enumerate(name) if letter not in later)
    result: Value = ops.sum(value, axis=summed) if summed else value
    return "".join(letter for letter in name if letter in later), result


def _ordered(ops: Ops, name: str, value: Value, order: str) -> Value:
    result: Value = ops.transpose(value, axes=tuple(name.index(letter) for letter in order))
    return result


def _product(ops: Ops, left: str, a: Value, right: str, b: Value, later: set[str]) -> tuple[str, Value]:
    """The product of two, summed over the axes that nothing ``later`` names."""
    left, a = _summed(ops, left, a, later | set(right))
    right, b = _summed(ops, right, b, later | set(left))
    shared = [letter for letter in left if letter in right]
    sizes = dict(zip(right, b.shape, strict=True)) | {
        letter: n for letter, n in zip(left, a.shape, strict=True) if n != 1 or letter not in right
    }
    batch = "".join(letter for letter in shared if letter in later)
    inner = "".join(letter for letter in shared if letter not in later)
    rows = "".join(letter for letter in left if letter not in right)
    columns = "".join(letter for letter in right if letter not in left)
    count = lambda letters: math.prod(sizes[letter] for letter in letters)

    def matrices(name: str, value: Value, first: str, second: str) -> Value:
        order = batch + first + second
        ordered = _ordered(ops, name, value, order)
        full: Value = ops.broadcast_to(ordered, shape=tuple(sizes[letter] for letter in order))
        return full.reshaped(count(batch), count(first), count(second))

    product = matmul(matrices(left, a, rows, inner), matrices(right, b, inner, columns))
    name = batch + rows + columns
    shape: tuple[Any, ...] = tuple(sizes[letter] for letter in name)
    return name, product.reshaped(*shape)
