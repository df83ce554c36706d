"""Sums and extremes along axes, sorting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from crosstrain.exchange.reading.shaping import reduced
from crosstrain.exchange.reading.values import Value
from crosstrain.exchange.torch_import.values import AtenNode, TorchReader, operand, reads

PLAIN = {
    "sum": "sum", "mean": "mean", "amax": "max", "amin": "min", "max": "max", "min": "min", "prod": "prod",
    "logsumexp": "logsumexp", "any": "any", "all": "all",
}  # fmt: skip


def _along(x: Value, dims: Any) -> Sequence[int]:
    """The axes of an argument ``dim``: all where it names none."""
    return range(x.rank) if dims is None or dims == [] else [dims] if isinstance(dims, int) else dims


@reads(*PLAIN)
def plain(r: TorchReader, n: AtenNode) -> Any:
    x, dims, keep = operand(n), n.get("dim"), bool(n.get("keepdim", False))
    if n.op in ("max", "min") and "other" in n.arguments:
        return r.elementwise(f"{n.op}imum", *(r.number_or_value(v, n.dtype) for v in (x, n["other"])))
    if n.op not in ("any", "all"):
        x = r.number_or_value(x, n.dtype)
    value = reduced(r, x, PLAIN[n.op], _along(x, dims), keep)
    if n.op in ("max", "min") and isinstance(dims, int):
        index = r.as_value(r.emit(f"arg{n.op}", x.first, axis=dims % x.rank, keepdims=keep))
        return value, index
    return value


@reads("argmax", "argmin")
def argument(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n)
    if n["dim"] is None:
        raise r.refusal("is over all axes at once")
    return r.as_value(r.emit(n.op, x.first, axis=n["dim"] % x.rank, keepdims=bool(n["keepdim"])))


@reads("var", "std")
def variance(r: TorchReader, n: AtenNode) -> Value:
    """Counted over n - correction (1, unless it says otherwise)."""
    x, dims, keep = operand(n), n.get("dim"), bool(n.get("keepdim", False))
    correction = n.get("correction", 1) if "unbiased" not in n.arguments else int(n["unbiased"])
    value = reduced(r, x, "variance", _along(x, dims), keep)
    if correction:
        value = r.elementwise("multiply", value, _corrected(r, x, dims, correction))
    return r.elementwise("sqrt", value) if n.op.startswith("std") else value


@reads("var_mean", "std_mean")
def variance_and_mean(r: TorchReader, n: AtenNode) -> tuple[Value, Value]:
    x = operand(n)
    mean = reduced(r, x, "mean", _along(x, n.get("dim")), bool(n.get("keepdim", False)))
    return variance(r, n), mean


def _corrected(r: TorchReader, x: Value, dims: Any, correction: float) -> Value:
    """n / (n - correction), n being the numbers along ``dims``; a batch is counted when it is there."""
    lengths = [x.shape[a] for a in _along(x, dims)]
    known = math.prod(length for length in lengths if length is not None)
    if None not in lengths:
        return r.as_value(r.builder.constant(known / (known - correction), "float32"))
    count = r.emit("multiply", r.examples(), r.builder.constant(float(known), "float32"))
    less = r.emit("subtract", count, r.builder.constant(float(correction), "float32"))
    return r.as_value(r.emit("divide", count, less))


@reads("linalg_vector_norm", "norm")
def norm(r: TorchReader, n: AtenNode) -> Value:
    x, dims, keep = operand(n), n.get("dim"), bool(n.get("keepdim", False))
    order = n.get("ord", n.get("p", 2))
    if order not in (1, 2):
        raise r.refusal(f"is of order {order}")
    each = r.elementwise("square" if order == 2 else "abs", x)
    total = reduced(r, each, "sum", _along(each, dims), keep)
    return r.elementwise("sqrt", total) if order == 2 else total


@reads("cumsum")
def cumsum(r: TorchReader, n: AtenNode) -> Value:
    x = r.number_or_value(operand(n), n.dtype)
    return r.as_value(r.emit("cumsum", x.first, axis=n["dim"] % x.rank))


@reads("topk", "sort")
def sort(r: TorchReader, n: AtenNode) -> tuple[Value, Value]:
    x = operand(n)
    axis = n["dim"] % x.rank
    largest = bool(n["largest"] if n.op == "topk" else n["descending"])
    k = n["k"] if n.op == "topk" else x.shape[axis]
    if axis != x.rank - 1 or k is None:
        raise r.refusal("is along another axis than the last")
    source = x.first if largest else r.emit("negative", x.first)
    values, indices = r.several("top_k", source, k=int(k))
    return r.as_value(values if largest else r.emit("negative", values)), r.as_value(indices)
