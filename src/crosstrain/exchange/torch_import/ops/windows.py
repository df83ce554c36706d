"""Convolutions and poolings."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain.exchange.reading.shaping import padded
from crosstrain.exchange.reading.values import Value
from crosstrain.exchange.torch_import.layouts import Layout, kernel
from crosstrain.exchange.torch_import.values import AtenNode, TorchReader, operand, reads, spread

Pairs = list[tuple[int, int]]


def _padding(r: TorchReader, n: AtenNode, size: list[int], dilation: list[int]) -> Pairs:
    amount = n["padding"]
    if amount == "valid":
        return [(0, 0)] * len(size)
    if amount == "same":
        totals = [d * (k - 1) for k, d in zip(size, dilation, strict=True)]
        return [(t // 2, t - t // 2) for t in totals]
    return [(p, p) for p in spread(amount, len(size))]


@reads("conv1d", "conv2d", "conv3d")
def conv(r: TorchReader, n: AtenNode) -> Value:
    x, weight, groups = operand(n, "input"), n["weight"], int(n["groups"])
    size = [int(s) for s in weight.shape[2:]]
    if x.rank != len(size) + 2:
        raise r.refusal("is of one example without a batch")
    dilation = spread(n["dilation"], len(size))
    settings: dict[str, Any] = {
        "strides": spread(n["stride"], len(size)), "padding": _padding(r, n, size, dilation),
        "dilation": dilation,
    }  # fmt: skip
    bias = r.placed(n["bias"])
    if groups > 1 and groups == x.shape[1] and weight.shape[1] == 1:
        each = weight.shape[0] // groups
        rank = len(size)
        layout: Layout = (
            ("reshape", (groups, each, *size)), ("transpose", (*range(2, rank + 2), 0, 1)),
        )  # fmt: skip
        return r.as_value(
            r.emit("depthwise_conv", x.last, r.placed(weight, layout), bias, **settings), last=True
        )
    ref = r.emit("conv", x.last, r.placed(weight, kernel(weight.rank)), bias, **settings, groups=groups)
    return r.as_value(ref, last=True)


@reads("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(r: TorchReader, n: AtenNode) -> Value:
    x, weight, groups = operand(n, "input"), n["weight"], int(n["groups"])
    count = weight.rank - 2
    if x.rank != weight.rank:
        raise r.refusal("is of one example without a batch")
    pads, more = spread(n["padding"], count), spread(n["output_padding"], count)
    settings: dict[str, Any] = {
        "strides": spread(n["stride"], count), "dilation": spread(n["dilation"], count),
        "crop": [(p, p - e) for p, e in zip(pads, more, strict=True)],
    }  # fmt: skip
    ref, bias = r.placed(weight, kernel(weight.rank)), r.placed(n["bias"])
    if groups == 1:
        return r.as_value(r.emit("conv_transpose", x.last, ref, bias, **settings), last=True)
    sizes = ((x.shape[1] or 0) // groups,) * groups
    parts = r.several("split", x.last, sizes=sizes, axis=-1)
    kernels = r.several("split", ref, sizes=sizes, axis=-1)
    each = [r.emit("conv_transpose", p, k, **settings) for p, k in zip(parts, kernels, strict=True)]
    whole = r.emit("concatenate", *each, axis=-1)
    return r.as_value(whole if bias is None else r.emit("add", whole, bias), last=True)


def _window(r: TorchReader, n: AtenNode, x: Value, count: int) -> tuple[list[int], list[int], Pairs, Pairs]:
    """Window, strides, padding, and what ``ceil_mode`` adds to it."""
    if x.rank != count + 2:
        raise r.refusal("is of one example without a batch")
    window = spread(n["kernel_size"], count)
    strides = spread(n.get("stride") or window, count)
    pairs = [(p, p) for p in spread(n["padding"], count)]
    more: Pairs = [(0, 0)] * count
    if n.get("ceil_mode", False):
        for i, length in enumerate(x.shape[2:]):
            if length is None:
                raise r.refusal("rounds up a length that only the data knows")
            before, after = pairs[i]
            steps = -(-(length + before + after - window[i]) // strides[i]) + 1
            if (steps - 1) * strides[i] >= length + before:
                steps -= 1
            more[i] = (0, max((steps - 1) * strides[i] + window[i] - length - before - after, 0))
    return window, strides, pairs, more


@reads("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices")
def max_pool(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n)
    count = x.rank - 2
    if any(d != 1 for d in spread(n["dilation"], count)):
        raise r.refusal("has a dilated window")
    window, strides, pairs, more = _window(r, n, x, count)
    both = [(b, a + m) for (b, a), (_, m) in zip(pairs, more, strict=True)]
    return r.as_value(r.emit("max_pool", x.last, window=window, strides=strides, padding=both), last=True)


@reads("avg_pool1d", "avg_pool2d", "avg_pool3d")
def average_pool(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n)
    count = x.rank - 2
    window, strides, pairs, more = _window(r, n, x, count)
    source, divisor = x.last, n.get("divisor_override")
    if n["count_include_pad"] or divisor:
        source = padded(r, source, [(0, 0), *pairs, (0, 0)], "constant", 0.0)
        pairs = [(0, 0)] * count
    if divisor and any(map(any, more)):
        raise r.refusal("has a divisor of its own and rounds up")
    both = [(b, a + m) for (b, a), (_, m) in zip(pairs, more, strict=True)]
    y = r.as_value(r.emit("average_pool", source, window=window, strides=strides, padding=both), last=True)
    if divisor:
        y = r.elementwise("multiply", y, r.numbers(float(np.prod(window)) / divisor, y))
    return y


@reads("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
       "adaptive_max_pool2d", "adaptive_max_pool3d")  # fmt: skip
def adaptive(r: TorchReader, n: AtenNode) -> Any:
    """Cell i of n averages (or takes the largest of) cells floor(i L / n) to ceil((i + 1) L / n)."""
    x, average = operand(n), "avg" in n.op
    lengths, goals = x.shape[2:], list(n.lengths[2:])
    if None in lengths:
        raise r.refusal("is of a length that only the data knows")
    known = [int(s or 0) for s in lengths]
    if all(g == 1 for g in goals):
        ref = r.emit("mean" if average else "max", x.last, axis=tuple(range(1, x.rank - 1)), keepdims=True)
    elif all(length % g == 0 for length, g in zip(known, goals, strict=True)):
        window = [length // g for length, g in zip(known, goals, strict=True)]
        none = [(0, 0)] * len(window)
        op = "average_pool" if average else "max_pool"
        ref = r.emit(op, x.last, window=window, strides=window, padding=none)
    else:
        ref = x.last
        for axis, (length, goal) in enumerate(zip(known, goals, strict=True), start=1):
            ref = _uneven(r, ref, axis, length, goal, average)
    value = r.as_value(ref, last=True)
    return value if average else (value, None)


def _uneven(r: TorchReader, ref: str, axis: int, length: int, goal: int, average: bool) -> str:
    rank = len(r.builder.specs[ref].shape)
    parts = []
    for i in range(goal):
        starts, stops = ([None if a != axis else place for a in range(rank)]
                         for place in (i * length // goal, -(-(i + 1) * length // goal)))  # fmt: skip
        part = r.emit("slice", ref, starts=starts, stops=stops, strides=[1] * rank)
        parts.append(r.emit("mean" if average else "max", part, axis=axis, keepdims=True))
    return parts[0] if goal == 1 else r.emit("concatenate", *parts, axis=axis)
