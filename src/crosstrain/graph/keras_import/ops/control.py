"""Lowerings of loops and branches in ``keras.ops``: loops of fixed length are unrolled."""

from __future__ import annotations

from typing import Any

import keras
from keras.src.ops import core as kc
from keras.src.ops import numpy as knp

from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import.registry import lowers
from crosstrain.graph.keras_import.tensors import Traced
from crosstrain.graph.keras_import.trace import Tracer

LONGEST = 256
"""The most iterations for which a loop is unrolled."""


def rounds(t: Tracer, what: str, length: Any) -> int:
    if not isinstance(length, int) or length > LONGEST:
        raise CrosstrainError(
            f"{t.where} loops with {what} over "
            f"{length if isinstance(length, int) else 'an unknown number of'} rounds; "
            f"crosstrain writes loops out, to {LONGEST} rounds of a fixed number"
        )
    return length


def first_length(xs: Any) -> Any:
    return keras.tree.flatten(xs)[0].shape[0]


def stacked(parts: list[Any]) -> Any:
    return keras.tree.map_structure(lambda *y: keras.ops.stack(y, axis=0), *parts)


@lowers(kc.Scan, spec=False)
def scan(t: Tracer, operation: Any, spec: Any, f: Any, init: Any, xs: Any = None) -> Any:
    length = rounds(t, "ops.scan", operation.length if operation.length is not None else first_length(xs))
    carry, ys = init, []
    for i in range(length)[:: -1 if operation.reverse else 1]:
        carry, y = f(carry, None if xs is None else keras.tree.map_structure(lambda x: x[i], xs))  # noqa: B023
        ys.append(y)
    ys = ys[::-1] if operation.reverse else ys
    return carry, None if not ys or ys[0] is None else stacked(ys)


@lowers(kc.Map, kc.VectorizedMap, spec=False)
def map_(t: Tracer, operation: Any, spec: Any, *arguments: Any) -> Any:
    f, xs = arguments if isinstance(operation, kc.Map) else (operation.function, *arguments)
    length = rounds(t, "ops.map", first_length(xs))
    return stacked([f(keras.tree.map_structure(lambda x: x[i], xs)) for i in range(length)])  # noqa: B023


@lowers(kc.ForiLoop, spec=False)
def fori_loop(t: Tracer, operation: Any, spec: Any, value: Any) -> Any:
    lower, upper = operation.lower, operation.upper
    rounds(t, "ops.fori_loop", upper - lower)
    for i in range(lower, upper):
        value = operation.body_fun(i, value)
    return value


@lowers(kc.Cond, spec=False)
def cond(t: Tracer, operation: Any, spec: Any, pred: Any, true_fn: Any, false_fn: Any) -> Any:
    """Both branches, of which ``where`` selects one."""
    if not isinstance(pred, Traced):
        return (true_fn if pred else false_fn)()
    before = t.state
    yes, no = true_fn(), false_fn()
    if t.state != before:
        raise CrosstrainError(
            f"{t.where} assigns a variable in a branch that depends on the data; use ops.where for its value"
        )
    return keras.tree.map_structure(lambda a, b: keras.ops.where(pred, a, b), yes, no)


@lowers(kc.Switch, kc.WhileLoop, spec=False)
def branch(t: Tracer, operation: Any, spec: Any, *arguments: Any, **named: Any) -> Any:
    raise CrosstrainError(
        f"{t.where} branches or loops on the values of tensors; use ops.where, or a loop of fixed length"
    )


@lowers(knp.Ndim, knp.Size, spec=False)
def sizes(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    """Called as operations (rather than as ``ops.ndim``), they are numbers in the graph."""
    number = len(x.shape) if isinstance(operation, knp.Ndim) else keras.ops.size(x)
    return number if isinstance(number, Traced) else t.cast(number, "int32")
