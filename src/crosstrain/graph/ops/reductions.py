"""Sums and extremes along axes, sorting, and products of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain.graph.ops.row import composite, primitive
from crosstrain.graph.ops.shapes import axes_of, reduced, same


def _truth(x: Any, **attributes: Any) -> Any:
    return [type(x)(reduced(x, **attributes)[0].shape, "bool")]


for key, function in {
    "sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "prod": np.prod, "any": np.any,
    "all": np.all,
}.items():  # fmt: skip

    def reduce(x: Any, *, axis: Any = None, keepdims: bool = False, _f: Any = function) -> Any:
        """NumPy's reduction over ``axis`` (None: all, an int or a tuple), in the dtype of ``x``."""
        kind = {"dtype": x.dtype} if _f in (np.sum, np.prod) else {}
        return _f(x, axis=axis, keepdims=keepdims, **kind)

    primitive(_truth if key in ("any", "all") else reduced, name=key)(reduce)


def _index_spec(x: Any, *, axis: Any, keepdims: bool = False) -> Any:
    return [type(x)(reduced(x, axis=axis, keepdims=keepdims)[0].shape, "int32")]


@primitive(_index_spec)
def argmax(x: Any, *, axis: int, keepdims: bool = False) -> Any:
    """Index (int32) of the first largest value along ``axis``."""
    return np.argmax(x, axis=axis, keepdims=keepdims).astype("int32")


@composite(_index_spec)
def argmin(xp: Any, x: Any, *, axis: int, keepdims: bool = False) -> Any:
    """Index (int32) of the first smallest value along ``axis``."""
    return xp.argmax(-x, axis=axis, keepdims=keepdims)


@composite(reduced)
def variance(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Biased variance: the mean of (x - mean)²."""
    centred = x - xp.mean(x, axis=axis, keepdims=True)
    return xp.mean(xp.square(centred), axis=axis, keepdims=keepdims)


@composite(reduced)
def logsumexp(xp: Any, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))), shifted by the largest value."""
    shift = xp.stop_gradient(xp.max(x, axis=axis, keepdims=True))
    total = xp.log(xp.sum(xp.exp(x - shift), axis=axis, keepdims=True)) + shift
    return total if keepdims else xp.squeeze(total, axis=axes_of(len(x.shape), axis))


@primitive(same)
def cumsum(x: Any, *, axis: int) -> Any:
    """Running sum along ``axis``."""
    return np.cumsum(x, axis=axis, dtype=x.dtype)


@primitive(same)
def sort(x: Any, *, axis: int = -1) -> Any:
    """Ascending along ``axis``."""
    return np.sort(x, axis=axis)


@primitive(lambda x, *, k: [type(x)((*x.shape[:-1], k), d) for d in (x.dtype, "int32")])
def top_k(x: Any, *, k: int) -> Any:
    """The ``k`` largest of the last axis, descending, and their indices (int32)."""
    order = np.argsort(-x, axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(x, order, axis=-1), order.astype("int32")


def _matmul_spec(a: Any, b: Any) -> Any:
    from crosstrain.graph.ops.shapes import broadcast

    left, right = (
        (a.shape if len(a.shape) > 1 else (1, *a.shape)),
        (b.shape if len(b.shape) > 1 else (*b.shape, 1)),
    )
    batch = broadcast(type(a)(left[:-2]), type(a)(right[:-2]))[0].shape
    shape = (*batch, *(left[-2:-1] if len(a.shape) > 1 else ()), *(right[-1:] if len(b.shape) > 1 else ()))
    return [type(a)(shape, a.dtype)]


@primitive(_matmul_spec)
def matmul(a: Any, b: Any) -> Any:
    """Matrix product over the last two axes, batch axes broadcast."""
    return np.matmul(a, b)


def _einsum_spec(*inputs: Any, equation: str) -> Any:
    terms, _, result = equation.replace(" ", "").partition("->")
    sizes: dict[str, int | None] = {}
    for term, spec in zip(terms.split(","), inputs, strict=True):
        sizes.update(
            {
                letter: size
                for letter, size in zip(term, spec.shape, strict=True)
                if size != 1 or letter not in sizes
            }
        )
    return [type(inputs[0])(tuple(sizes[letter] for letter in result), inputs[0].dtype)]


@primitive(_einsum_spec)
def einsum(*inputs: Any, equation: str) -> Any:
    """Einstein summation. The equation names every axis (the importer writes out ``...``)."""
    return np.einsum(equation, *inputs, optimize=True)
