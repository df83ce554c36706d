"""Lowerings of ``keras.ops.nn``: convolutions, poolings, normalisation, attention, losses."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras.src.ops import nn as knn

from crosstrain.errors import CrosstrainError
from crosstrain.graph.builder import run_dtype
from crosstrain.graph.keras_import.registry import lowers
from crosstrain.graph.keras_import.trace import Tracer
from crosstrain.graph.keras_import.windows import channels_back, channels_last, crop_of, each, padding_of


def convolved(
    t: Tracer,
    x: Any,
    kernel: Any,
    bias: Any,
    *,
    strides: Any,
    padding: str,
    dilation: Any,
    data_format: Any,
    depthwise: bool = False,
) -> Any:
    """A convolution with Keras's arguments, as one with explicit padding; groups follow from the shapes."""
    x, kernel = t.cast(x, "float32"), t.cast(kernel, "float32")
    x = channels_last(t, x, data_format)
    rank = len(x.shape) - 2
    strides, dilation = each(strides, rank), each(dilation, rank)
    pads = padding_of(t, padding, x.shape[1:-1], kernel.shape[:rank], strides, dilation)
    settings = {"strides": strides, "padding": pads, "dilation": dilation}
    inputs = (x, kernel) if bias is None else (x, kernel, bias)
    if depthwise:
        y = t.op.depthwise_conv(*inputs, **settings)
    else:
        y = t.op.conv(*inputs, **settings, groups=x.shape[-1] // kernel.shape[-2])
    return channels_back(t, y, data_format)


@lowers(knn.Conv, knn.DepthwiseConv)
def conv(t: Tracer, operation: Any, spec: Any, x: Any, kernel: Any) -> Any:
    return convolved(
        t, x, kernel, None, strides=operation.strides, padding=operation.padding,
        dilation=operation.dilation_rate,
        data_format=operation.data_format, depthwise=isinstance(operation, knn.DepthwiseConv),
    )  # fmt: skip


@lowers(knn.SeparableConv)
def separable_conv(t: Tracer, operation: Any, spec: Any, x: Any, depthwise: Any, pointwise: Any) -> Any:
    y = convolved(
        t, x, depthwise, None, strides=operation.strides, padding=operation.padding,
        dilation=operation.dilation_rate,
        data_format=operation.data_format, depthwise=True,
    )  # fmt: skip
    return convolved(
        t, y, pointwise, None, strides=1, padding="valid", dilation=1, data_format=operation.data_format
    )


def transposed(
    t: Tracer,
    x: Any,
    kernel: Any,
    bias: Any,
    *,
    strides: Any,
    padding: str,
    output_padding: Any,
    dilation: Any,
    data_format: Any,
) -> Any:
    """A transposed convolution with Keras's arguments, as one with an explicit crop."""
    x = channels_last(t, t.cast(x, "float32"), data_format)
    rank = len(x.shape) - 2
    crop = crop_of(padding, x.shape, kernel.shape, strides, output_padding, dilation)
    inputs = (x, kernel) if bias is None else (x, kernel, bias)
    y = t.op.conv_transpose(*inputs, strides=each(strides, rank), crop=crop, dilation=each(dilation, rank))
    return channels_back(t, y, data_format)


@lowers(knn.ConvTranspose)
def conv_transpose(t: Tracer, operation: Any, spec: Any, x: Any, kernel: Any) -> Any:
    return transposed(
        t, x, kernel, None, strides=operation.strides, padding=operation.padding,
        dilation=operation.dilation_rate,
        output_padding=operation.output_padding, data_format=operation.data_format,
    )  # fmt: skip


@lowers(knn.MaxPool, knn.AveragePool)
def pool(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    x = channels_last(t, t.cast(x, "float32"), operation.data_format)
    rank = len(x.shape) - 2
    window = each(operation.pool_size, rank)
    strides = window if operation.strides is None else each(operation.strides, rank)
    pads = padding_of(t, operation.padding, x.shape[1:-1], window, strides, (1,) * rank)
    op = "max_pool" if isinstance(operation, knn.MaxPool) else "average_pool"
    return channels_back(
        t, t.emit(op, x, window=window, strides=strides, padding=pads), operation.data_format
    )


@lowers(knn.AdaptiveAveragePool, knn.AdaptiveMaxPool, spec=False)  # Keras 3.15.1 infers a rank too many
def adaptive_pool(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    """Cell i of n covers [floor(i L / n), ceil((i + 1) L / n)) of an axis of length L."""
    x = channels_last(t, t.cast(x, "float32"), operation.data_format)
    rank = len(x.shape) - 2
    size = each(operation.output_size, rank)
    reduce = "max" if isinstance(operation, knn.AdaptiveMaxPool) else "mean"
    for axis, (cells, length) in enumerate(zip(size, x.shape[1:-1], strict=True), start=1):
        if length is None:
            raise CrosstrainError(f"{t.where} pools an axis of unknown length; give the input a fixed size")
        parts = []
        for i in range(cells):
            starts, stops = [None] * (rank + 2), [None] * (rank + 2)
            starts[axis], stops[axis] = i * length // cells, -(-(i + 1) * length // cells)
            part = t.op.slice(x, starts=starts, stops=stops, strides=[1] * (rank + 2))
            parts.append(t.emit(reduce, part, axis=axis, keepdims=True))
        x = t.op.concatenate(*parts, axis=axis)
    return channels_back(t, x, operation.data_format)


@lowers(knn.Sparsemax)
def sparsemax(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    """Martins and Astudillo 2016, but exactly as in Keras, which adds up the cumulative sums over the support
    where the paper takes the last of them."""
    axis = operation.axis % len(x.shape)
    length = x.shape[axis]
    if length is None:
        raise CrosstrainError(f"{t.where} takes sparsemax along an axis of unknown length")
    shape = [length if i == axis else 1 for i in range(len(x.shape))]
    ranks = t.ref(np.arange(1.0, length + 1).reshape(shape))
    ordered = t.op.flip(t.op.sort(x, axis=axis), axis=axis)
    excess = t.op.subtract(t.op.cumsum(ordered, axis=axis), 1.0)
    support = t.op.cast(t.op.greater(ordered, t.op.divide(excess, ranks)), dtype="float32")
    count = t.op.sum(support, axis=axis, keepdims=True)
    total = t.op.sum(t.op.multiply(t.op.cumsum(ordered, axis=axis), support), axis=axis, keepdims=True)
    return t.op.relu(t.op.subtract(x, t.op.divide(t.op.subtract(total, 1.0), count)))


@lowers(knn.BatchNorm)
def batch_norm(
    t: Tracer,
    operation: Any,
    spec: Any,
    x: Any,
    mean: Any,
    variance: Any,
    offset: Any = None,
    scale: Any = None,
) -> Any:
    return t.op.normalize(
        t.cast(x, "float32"), scale, offset, mean, variance, axis=operation.axis, epsilon=operation.epsilon
    )


def axes_of(axis: Any, rank: int) -> tuple[int, ...]:
    return tuple(sorted(a % rank for a in ([axis] if isinstance(axis, int) else axis)))


def along(t: Tracer, x: Any, value: Any, axes: tuple[int, ...]) -> Any:
    """A scale or offset, shaped so that it lies along ``axes`` of ``x``."""
    if value is None or axes == (len(x.shape) - 1,) or len(value.shape) == len(x.shape):
        return value
    return t.op.reshape(value, shape=[s if i in axes else 1 for i, s in enumerate(x.shape)])


@lowers(knn.LayerNorm)
def layer_norm(t: Tracer, operation: Any, spec: Any, x: Any, gamma: Any = None, beta: Any = None) -> Any:
    x = t.cast(x, "float32")
    axes = axes_of(operation.axis, len(x.shape))
    epsilon = keras.config.epsilon() if operation.epsilon is None else operation.epsilon
    gamma, beta = along(t, x, gamma, axes), along(t, x, beta, axes)
    if not operation.rms_scaling:
        return t.op.layer_norm(x, gamma, beta, axes=axes, epsilon=epsilon)
    y = t.op.multiply(x, t.op.rsqrt(t.op.add(t.op.variance(x, axis=axes, keepdims=True), epsilon)))
    return y if gamma is None else t.op.multiply(y, gamma)


@lowers(knn.RMSNorm)
def rms_norm(t: Tracer, operation: Any, spec: Any, x: Any, scale: Any = None) -> Any:
    epsilon = keras.config.epsilon() if operation.epsilon is None else operation.epsilon
    return t.op.rms_norm(
        t.cast(x, "float32"), scale, axes=axes_of(operation.axis, len(x.shape)), epsilon=epsilon
    )


@lowers(knn.Normalize)
def normalize(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    """x / max(norm, epsilon); for order 2 the inverse norm is limited to 1 / epsilon."""
    x = t.cast(x, "float32")
    epsilon = keras.config.epsilon() if operation.epsilon is None else operation.epsilon
    axis = tuple(operation.axis) if isinstance(operation.axis, list | tuple) else operation.axis
    if operation.order == 2:
        inverse = t.op.rsqrt(t.op.sum(t.op.square(x), axis=axis, keepdims=True))
        return t.op.multiply(x, t.op.minimum(inverse, 1.0 / epsilon))
    size = keras.ops.norm(x, ord=operation.order, axis=axis, keepdims=True)
    return t.op.divide(x, t.op.maximum(size, epsilon))


@lowers(knn.DotProductAttention)
def attention(
    t: Tracer,
    operation: Any,
    spec: Any,
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    scale: Any = None,
) -> Any:
    """softmax(scale · query keyᵀ + bias) value over (batch, length, heads, size); masked scores are -inf in
    effect; groups of query heads share a key head where there are fewer of those."""
    if operation.attn_logits_soft_cap is not None:
        raise CrosstrainError(f"{t.where} caps attention scores, which crosstrain does not support")
    query, key, value = (t.cast(x, "float32") for x in (query, key, value))
    heads, shared = query.shape[2], key.shape[2]
    if heads != shared:
        key, value = (t.op.repeat(x, repeats=heads // shared, axis=2) for x in (key, value))
    scale = 1.0 / np.sqrt(key.shape[-1]) if scale is None else scale
    scores = t.op.multiply(t.op.einsum(query, key, equation="btnh,bsnh->bnts"), float(scale))
    if bias is not None:
        scores = t.op.add(scores, t.cast(bias, "float32"))
    if operation.is_causal:
        long, wide = query.shape[1], key.shape[1]
        if long is None or wide is None:
            raise CrosstrainError(f"{t.where} is causal over an unknown length; give the input a fixed size")
        causal = t.ref(np.tril(np.ones((1, 1, long, wide), bool)))
        mask = causal if mask is None else t.op.logical_and(t.cast(mask, "bool"), causal)
    if mask is not None:
        lowest = -0.7 * float(np.finfo("float32").max)
        scores = t.op.where(t.cast(mask, "bool") if not isinstance(mask, str) else mask, scores, lowest)
    return t.op.einsum(t.op.softmax(scores, axis=-1), value, equation="bnts,bsnh->btnh")


@lowers(knn.CategoricalCrossentropy, knn.SparseCategoricalCrossentropy)
def crossentropy(t: Tracer, operation: Any, spec: Any, target: Any, output: Any) -> Any:
    sparse = isinstance(operation, knn.SparseCategoricalCrossentropy)
    output = t.cast(output, "float32")
    rank = len(output.shape)
    axis = operation.axis % rank
    if axis != rank - 1:
        order = [i for i in range(rank) if i != axis] + [axis]
        output = t.op.transpose(output, axes=order)
        target = target if sparse else t.op.transpose(target, axes=order)
    if sparse:
        if len(target.shape) == rank and target.shape[-1] == 1:
            target = t.op.squeeze(target, axis=-1)
        target = target if "int" in target.dtype else t.cast(target, "int64")
        return t.op.sparse_categorical_crossentropy(target, output, from_logits=operation.from_logits)
    return t.op.categorical_crossentropy(t.cast(target, "float32"), output, from_logits=operation.from_logits)


@lowers(knn.BinaryCrossentropy)
def binary_crossentropy(t: Tracer, operation: Any, spec: Any, target: Any, output: Any) -> Any:
    return t.op.binary_crossentropy(
        t.cast(target, "float32"), t.cast(output, "float32"), from_logits=operation.from_logits
    )


@lowers(knn.CTCLoss)
def ctc_loss(
    t: Tracer, operation: Any, spec: Any, target: Any, output: Any, target_length: Any, output_length: Any
) -> Any:
    lengths = [t.cast(x, "int32") for x in (target_length, output_length)]
    return t.op.ctc_loss(
        t.cast(target, "int32"), t.cast(output, "float32"), *lengths, blank=int(operation.mask_index)
    )


@lowers(knn.DepthToSpace, knn.SpaceToDepth)
def blocks(t: Tracer, operation: Any, spec: Any, x: Any) -> Any:
    """Channels to blocks of cells and back; channels are the slowest within a block."""
    size = operation.block_size
    x = channels_last(t, x, operation.data_format)
    _, height, width, channels = x.shape
    if height is None or width is None:
        raise CrosstrainError(f"{t.where} rearranges a picture of unknown size; give the input a fixed size")
    if isinstance(operation, knn.DepthToSpace):
        depth = channels // size**2
        x = t.op.reshape(x, shape=(-1, height, width, size, size, depth))
        x = t.op.transpose(x, axes=(0, 1, 3, 2, 4, 5))
        y = t.op.reshape(x, shape=(-1, height * size, width * size, depth))
    else:
        x = t.op.reshape(x, shape=(-1, height // size, size, width // size, size, channels))
        x = t.op.transpose(x, axes=(0, 1, 3, 2, 4, 5))
        y = t.op.reshape(x, shape=(-1, height // size, width // size, channels * size**2))
    return channels_back(t, y, operation.data_format)


__all__ = ["along", "axes_of", "convolved", "run_dtype", "transposed"]
