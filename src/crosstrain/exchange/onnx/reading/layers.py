"""Reads ONNX's layers as ops of the vocabulary: convolutions, poolings, normalisation, dropout."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from crosstrain.exchange.onnx.reading.ops import _value
from crosstrain.exchange.onnx.reading.values import NodeView, reads
from crosstrain.exchange.reading.shaping import padded
from crosstrain.exchange.reading.values import Reader, Value

Pairs = list[tuple[int, int]]
Lengths = Sequence[int]


# -- windows ----------------------------------------------------------------------------------------
def padding(r: Reader, n: NodeView, x: Value, size: Lengths, strides: Lengths, dilation: Lengths) -> Pairs:
    """``(before, after)`` for each spatial axis, from ``pads`` or ``auto_pad``."""
    mode, spatial = n.get("auto_pad", "NOTSET"), x.rank - 2
    if mode in ("NOTSET", ""):
        flat = n.get("pads") or [0] * (2 * spatial)
        return list(zip(flat[:spatial], flat[spatial:], strict=True))
    if mode == "VALID":
        return [(0, 0)] * spatial
    pairs = []
    for length, k, s, d in zip(x.shape[2:], size, strides, dilation, strict=True):
        if length is None:
            raise r.refusal(f"has auto_pad {mode} on an axis whose length only the data knows")
        total = max((-(-length // s) - 1) * s + (k - 1) * d + 1 - length, 0)
        half = total // 2
        pairs.append((half, total - half) if mode == "SAME_UPPER" else (total - half, half))
    return pairs


@reads("Conv")
def conv(r: Reader, n: NodeView) -> Value:
    x, w, b = _value(r, n), _value(r, n, 1), n.input(2)
    spatial, groups = x.rank - 2, n.get("group", 1)
    size = [s or 1 for s in w.shape[2:]]
    strides, dilation = n.get("strides") or [1] * spatial, n.get("dilations") or [1] * spatial
    pairs = padding(r, n, x, size, strides, dilation)
    bias = None if b is None else r.parameter(b)
    shared: dict[str, Any] = {"strides": strides, "padding": pairs, "dilation": dilation}
    if groups > 1 and groups == x.shape[1] and w.shape[1] == 1 and w.array is not None:
        grouped = w.array.reshape(groups, -1, *size)
        kernel = r.parameter(w, np.ascontiguousarray(np.moveaxis(grouped, (0, 1), (-2, -1))))
        return r.as_value(r.emit("depthwise_conv", x.last, kernel, bias, **shared), last=True)
    kernel = _transposed_kernel(r, w)
    return r.as_value(r.emit("conv", x.last, kernel, bias, **shared, groups=groups), last=True)


def _transposed_kernel(r: Reader, w: Value) -> str:
    """(a, b, spatial…) as a weight (spatial…, b, a)."""
    axes = (*range(2, w.rank), 1, 0)
    if w.array is None:
        return r.transposed(w.first, axes)
    return r.parameter(w, np.ascontiguousarray(np.transpose(w.array, axes)))


@reads("ConvTranspose")
def conv_transpose(r: Reader, n: NodeView) -> Value:
    x, w, b = _value(r, n), _value(r, n, 1), n.input(2)
    spatial, groups = x.rank - 2, n.get("group", 1)
    size = [s or 1 for s in w.shape[2:]]
    strides, dilation = n.get("strides") or [1] * spatial, n.get("dilations") or [1] * spatial
    crop = _crop(r, n, x, size, strides, dilation)
    shared: dict[str, Any] = {"strides": strides, "crop": crop, "dilation": dilation}
    bias = None if b is None else r.parameter(b)
    kernel = _transposed_kernel(r, w)
    if groups == 1:
        return r.as_value(r.emit("conv_transpose", x.last, kernel, bias, **shared), last=True)
    width = (x.shape[1] or 0) // groups
    parts = r.several("split", x.last, sizes=[width] * groups, axis=-1)
    kernels = r.several("split", kernel, sizes=[width] * groups, axis=-1)
    group_outputs = [r.emit("conv_transpose", p, k, **shared) for p, k in zip(parts, kernels, strict=True)]
    whole = r.as_value(r.emit("concatenate", *group_outputs, axis=-1), last=True)
    return whole if bias is None else r.as_value(r.emit("add", whole.last, bias), last=True)


def _crop(r: Reader, n: NodeView, x: Value, size: Lengths, strides: Lengths, dilation: Lengths) -> Pairs:
    """What the full result loses at either end (negative: gains)."""
    spatial = x.rank - 2
    extra = n.get("output_padding") or [0] * spatial
    mode, output_shape = n.get("auto_pad", "NOTSET"), n.get("output_shape")
    if not output_shape and mode in ("NOTSET", "", "VALID"):
        flat = (n.get("pads") if mode != "VALID" else None) or [0] * (2 * spatial)
        return [(b, a - e) for b, a, e in zip(flat[:spatial], flat[spatial:], extra, strict=True)]
    crop = []
    for i, length in enumerate(x.shape[2:]):
        if length is None:
            raise r.refusal("has its padding depend on a length that only the data knows")
        full = (length - 1) * strides[i] + (size[i] - 1) * dilation[i] + 1
        goal = output_shape[len(output_shape) - spatial + i] if output_shape else length * strides[i]
        total = max(full + extra[i] - goal, 0) if not output_shape else full + extra[i] - goal
        half = total // 2
        before = half if mode == "SAME_UPPER" else total - half
        crop.append((before, full - goal - before))
    return crop


def _pooling(r: Reader, n: NodeView, x: Value) -> tuple[list[int], list[int], list[int], Pairs, Pairs]:
    """Window, strides, dilation, the padding asked for, and what ``ceil_mode`` adds to it."""
    window = n.get("kernel_shape")
    strides, dilation = n.get("strides") or [1] * len(window), n.get("dilations") or [1] * len(window)
    pairs = padding(r, n, x, window, strides, dilation)
    more: Pairs = [(0, 0)] * len(window)
    if n.get("ceil_mode", 0):
        for i, length in enumerate(x.shape[2:]):
            if length is None:
                raise r.refusal("rounds up a length that only the data knows")
            reach = (window[i] - 1) * dilation[i] + 1
            before, after = pairs[i]
            count = -(-(length + before + after - reach) // strides[i]) + 1
            if (count - 1) * strides[i] >= length + before:
                count -= 1
            more[i] = (0, max((count - 1) * strides[i] + reach - length - before - after, 0))
    return window, strides, dilation, pairs, more


@reads("MaxPool")
def max_pool(r: Reader, n: NodeView) -> Value:
    if len(n.outputs) > 1:
        raise r.refusal("also gives the places of the largest values")
    x = _value(r, n)
    window, strides, dilation, pairs, more = _pooling(r, n, x)
    both = [(b + m, a + k) for (b, a), (m, k) in zip(pairs, more, strict=True)]
    if any(d != 1 for d in dilation):
        whole = padded(r, x.last, [(0, 0), *both, (0, 0)], "constant", float("-inf"))
        views = _views(r, whole, window, strides, dilation)
        return r.as_value(_joined(r, "maximum", views), last=True)
    return r.as_value(r.emit("max_pool", x.last, window=window, strides=strides, padding=both), last=True)


@reads("AveragePool")
def average_pool(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    window, strides, dilation, pairs, more = _pooling(r, n, x)
    source = x.last
    if n.get("count_include_pad", 0):
        source = padded(r, source, [(0, 0), *pairs, (0, 0)], "constant", 0.0)
        pairs = [(0, 0)] * len(window)
    both = [(b + m, a + k) for (b, a), (m, k) in zip(pairs, more, strict=True)]
    if any(d != 1 for d in dilation):
        shape = r.builder.specs[source].shape
        if None in shape[1:-1]:
            raise r.refusal("has a dilated window on an axis whose length only the data knows")
        around = [(0, 0), *both, (0, 0)]
        ones = np.pad(np.ones((1, *(s or 1 for s in shape[1:-1]), 1)), around)
        counts = r.builder.constant(_sums(ones, window, strides, dilation), "float32")
        wide = padded(r, source, around, "constant", 0.0)
        total = _joined(r, "add", _views(r, wide, window, strides, dilation))
        return r.as_value(r.emit("divide", total, counts), last=True)
    return r.as_value(r.emit("average_pool", source, window=window, strides=strides, padding=both), last=True)


def _cuts(shape: Sequence[int | None], window: Any, strides: Any, dilation: Any) -> Any:
    """Slices of the spatial axes, one for each cell of the window."""
    for cell in itertools.product(*map(range, window)):
        cut = []
        for length, place, k, s, d in zip(shape[1:-1], cell, window, strides, dilation, strict=True):
            count = ((length or 0) - (k - 1) * d - 1) // s + 1
            cut.append((place * d, place * d + (count - 1) * s + 1, s))
        yield cut


def _views(r: Reader, ref: str, window: Any, strides: Any, dilation: Any) -> list[str]:
    shape = r.builder.specs[ref].shape
    if None in shape[1:-1]:
        raise r.refusal("has a dilated window on an axis whose length only the data knows")
    return [
        r.emit(
            "slice", ref, starts=[None, *(c[0] for c in cut), None], stops=[None, *(c[1] for c in cut), None],
            strides=[1, *(c[2] for c in cut), 1],
        )
        for cut in _cuts(shape, window, strides, dilation)
    ]  # fmt: skip


def _sums(array: np.ndarray, window: Any, strides: Any, dilation: Any) -> np.ndarray:
    cuts = _cuts(array.shape, window, strides, dilation)
    parts = [array[(slice(None), *(slice(*c) for c in cut))] for cut in cuts]
    total: np.ndarray = np.sum(parts, axis=0)
    return total


def _joined(r: Reader, op: str, refs: list[str]) -> str:
    joined = refs[0]
    for ref in refs[1:]:
        joined = r.emit(op, joined, ref)
    return joined


@reads("GlobalAveragePool", "GlobalMaxPool")
def global_pool(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    op = "mean" if n.op == "GlobalAveragePool" else "max"
    return r.as_value(r.emit(op, x.last, axis=tuple(range(1, x.rank - 1)), keepdims=True), last=True)


# -- normalisation ----------------------------------------------------------------------------------
@reads("BatchNormalization")
def batch_norm(r: Reader, n: NodeView) -> Value:
    if n.get("training_mode", 0) or len(n.outputs) > 1:
        raise r.refusal("is in training mode; export the network in inference mode")
    x = _value(r, n)
    gamma, beta, mean, variance = (_value(r, n, i) for i in range(1, 5))
    front = x.rank <= 2
    source = x.first if front else x.last
    refs = [r.parameter(gamma), r.parameter(beta)]
    refs += [r.parameter(v, trainable=False) for v in (mean, variance)]
    epsilon = n.get("epsilon", 1e-5)
    if mean.array is None or variance.array is None:
        return r.as_value(r.emit("normalize", source, *refs, axis=-1, epsilon=epsilon), last=not front)
    y, new_mean, new_variance = r.several(
        "batch_norm", source, *refs, axis=-1, momentum=n.get("momentum", 0.9), epsilon=epsilon
    )
    r.updates |= {refs[2][1:]: new_mean, refs[3][1:]: new_variance}
    return r.as_value(y, last=not front)


@reads("InstanceNormalization")
def instance_norm(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    gamma, beta = r.parameter(_value(r, n, 1)), r.parameter(_value(r, n, 2))
    axes = tuple(range(1, x.rank - 1))
    ref = r.emit("layer_norm", x.last, gamma, beta, axes=axes, epsilon=n.get("epsilon", 1e-5))
    return r.as_value(ref, last=True)


@reads("LayerNormalization")
def layer_norm(r: Reader, n: NodeView) -> Any:
    x, beta = _value(r, n), n.input(2)
    axes = tuple(range(n.get("axis", -1) % x.rank, x.rank))
    epsilon = n.get("epsilon", 1e-5)
    shift = None if beta is None else r.parameter(beta)
    y = r.as_value(
        r.emit("layer_norm", x.first, r.parameter(_value(r, n, 1)), shift, axes=axes, epsilon=epsilon)
    )
    if len(n.outputs) == 1:
        return y
    mean = r.as_value(r.emit("mean", x.first, axis=axes, keepdims=True))
    spread = r.as_value(r.emit("variance", x.first, axis=axes, keepdims=True))
    scale = r.elementwise("rsqrt", r.elementwise("add", spread, r.numbers(epsilon, spread)))
    return (y, mean, scale)[: len(n.outputs)]


@reads("LRN")
def local_response(r: Reader, n: NodeView) -> Value:
    """x / (bias + alpha / size · Σ x²)^beta over ``size`` neighbouring channels."""
    x, size = _value(r, n), n.get("size")
    channels = x.shape[1]
    if channels is None:
        raise r.refusal("has no fixed number of channels")
    squares = r.emit("square", x.last)
    wide = padded(r, squares, [(0, 0)] * (x.rank - 1) + [((size - 1) // 2, size // 2)], "constant", 0.0)
    whole: list[int | None] = [None] * (x.rank - 1)
    parts = [
        r.emit("slice", wide, starts=[*whole, i], stops=[*whole, i + channels], strides=[1] * x.rank)
        for i in range(size)
    ]
    total = r.as_value(_joined(r, "add", parts), last=True)
    share = r.elementwise("multiply", total, r.numbers(n.get("alpha", 1e-4) / size, total))
    base = r.elementwise("add", share, r.numbers(n.get("bias", 1.0), total))
    return r.elementwise("divide", x, r.elementwise("power", base, r.numbers(n.get("beta", 0.75), total)))


@reads("LpNormalization")
def lp_normalization(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    axis, two = n.get("axis", -1) % x.rank, n.get("p", 2) == 2
    each = r.elementwise("square" if two else "abs", x)
    total = r.as_value(r.emit("sum", each.first, axis=axis, keepdims=True))
    norm = r.elementwise("sqrt", total) if two else total
    none = r.elementwise("equal", norm, r.numbers(0, norm))
    return r.elementwise("divide", x, r.elementwise("where", none, r.numbers(1, norm), norm))


@reads("Dropout")
def dropout(r: Reader, n: NodeView) -> Value:
    if len(n.outputs) > 1:
        raise r.refusal("also gives its mask")
    x = _value(r, n)
    ratio = n.constant(1, "ratio")
    rate = 0.5 if ratio is None else float(np.asarray(ratio).reshape(()))
    if rate == 0.0:
        return x
    on = n.constant(2)
    if on is not None and bool(np.asarray(on).reshape(())):
        raise r.refusal("is in training mode; export the network in inference mode")
    last = x.last_only
    seed, salt = r.builder.seed(), r.builder.next_salt()
    return r.as_value(r.emit("dropout", x.last if last else x.first, seed, rate=rate, salt=salt), last=last)
