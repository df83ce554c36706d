"""Native layers: those that become one op or depend on the phase, rather than being traced."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers as kl

from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import.ops.elementwise import rectified
from crosstrain.graph.keras_import.ops.nn import along, axes_of, convolved, transposed
from crosstrain.graph.keras_import.registry import native
from crosstrain.graph.keras_import.trace import Tracer


def activated(layer: Any, y: Any) -> Any:
    return y if layer.activation is None else layer.activation(y)


@native(kl.Dense)
def dense(t: Tracer, layer: Any, x: Any, **_: Any) -> Any:
    x = t.cast(x, "float32")
    y = t.op.dense(x, layer.kernel) if layer.bias is None else t.op.dense(x, layer.kernel, layer.bias)
    return activated(layer, y)


@native(kl.Conv1D, kl.Conv2D, kl.Conv3D)
def conv(t: Tracer, layer: Any, x: Any, **_: Any) -> Any:
    y = convolved(
        t, x, layer.kernel, layer.bias, strides=layer.strides, padding=layer.padding,
        dilation=layer.dilation_rate, data_format=layer.data_format,
    )  # fmt: skip
    return activated(layer, y)


@native(kl.DepthwiseConv1D, kl.DepthwiseConv2D)
def depthwise_conv(t: Tracer, layer: Any, x: Any, **_: Any) -> Any:
    y = convolved(
        t, x, layer.kernel, layer.bias, strides=layer.strides, padding=layer.padding,
        dilation=layer.dilation_rate, data_format=layer.data_format, depthwise=True,
    )  # fmt: skip
    return activated(layer, y)


@native(kl.SeparableConv1D, kl.SeparableConv2D)
def separable_conv(t: Tracer, layer: Any, x: Any, **_: Any) -> Any:
    y = convolved(
        t, x, layer.depthwise_kernel, None, strides=layer.strides, padding=layer.padding,
        dilation=layer.dilation_rate, data_format=layer.data_format, depthwise=True,
    )  # fmt: skip
    y = convolved(
        t,
        y,
        layer.pointwise_kernel,
        layer.bias,
        strides=1,
        padding="valid",
        dilation=1,
        data_format=layer.data_format,
    )
    return activated(layer, y)


@native(kl.Conv1DTranspose, kl.Conv2DTranspose, kl.Conv3DTranspose)
def conv_transpose(t: Tracer, layer: Any, x: Any, **_: Any) -> Any:
    y = transposed(
        t, x, layer.kernel, layer.bias, strides=layer.strides, padding=layer.padding,
        dilation=layer.dilation_rate,
        output_padding=layer.output_padding, data_format=layer.data_format,
    )  # fmt: skip
    return activated(layer, y)


@native(kl.BatchNormalization)
def batch_norm(t: Tracer, layer: Any, x: Any, training: Any = None, mask: Any = None, **_: Any) -> Any:
    if layer.renorm:
        raise CrosstrainError(
            f"{t.where} renormalises (renorm=True), which crosstrain does not support; use renorm=False, "
            "or GroupNormalization where batches are small"
        )
    if mask is not None and layer.trainable:
        return t.trace(layer, (x,), {"training": training, "mask": mask})
    x = t.cast(x, "float32")
    axis = layer.axis % len(x.shape)
    affine = (layer.gamma if layer.scale else None, layer.beta if layer.center else None)
    moving = (layer.moving_mean, layer.moving_variance)
    mode = t.phase_of(training) if layer.trainable else False
    if mode is False:
        return t.op.normalize(x, *affine, *moving, axis=axis, epsilon=layer.epsilon)
    settings = {"axis": axis, "momentum": layer.momentum, "epsilon": layer.epsilon}
    if mode is None:
        y, *new = t.op.batch_norm(x, *affine, *moving, **settings)
        for variable, value in zip(moving, new, strict=True):
            t.follow(variable, value)
        return y
    axes = tuple(i for i in range(len(x.shape)) if i != axis)
    batch = t.op.mean(x, axis=axes), t.op.variance(x, axis=axes)
    for variable, value in zip(moving, batch, strict=True):
        variable.assign(variable * layer.momentum + value * (1.0 - layer.momentum))
    return t.op.normalize(x, *affine, *batch, axis=axis, epsilon=layer.epsilon)


@native(kl.SpectralNormalization)
def spectral_normalization(t: Tracer, layer: Any, x: Any, **_: Any) -> Any:
    raise CrosstrainError(
        f"{t.where} overwrites the kernel that it trains on TensorFlow and PyTorch, and does not on JAX, so "
        "that in Keras its meaning depends on the backend; write a layer whose call divides the kernel by "
        "its largest singular value, with the vector u as a non-trainable weight (Miyato et al. 2018)"
    )


@native(kl.LayerNormalization)
def layer_norm(t: Tracer, layer: Any, x: Any, **_: Any) -> Any:
    x = t.cast(x, "float32")
    if getattr(layer, "rms_scaling", False):
        return layer.call(x)
    axes = axes_of(layer.axis, len(x.shape))
    gamma, beta = along(t, x, layer.gamma, axes), along(t, x, layer.beta, axes)
    return t.op.layer_norm(x, gamma, beta, axes=axes, epsilon=layer.epsilon)


@native(kl.Embedding)
def embedding(t: Tracer, layer: Any, x: Any, **_: Any) -> Any:
    x = x if x.dtype in ("int32", "int64") else t.cast(x, "int32")
    return t.op.take(layer.embeddings, x, axis=0)


def spread(layer: Any, value: Any) -> np.ndarray:
    """A fixed mean or variance, with its axes aligned to the last of those that ``layer`` keeps."""
    array = np.asarray(value, "float64")
    if array.ndim:
        shape = [1] * len(layer._broadcast_shape)
        for i in range(1, array.ndim + 1):
            shape[layer._keep_axis[-i]] = array.shape[-i]
        array = array.reshape(shape)
    return np.broadcast_to(array, layer._broadcast_shape)


@native(kl.Normalization)
def normalization(t: Tracer, layer: Any, x: Any, **_: Any) -> Any:
    """By the fixed statistics, with all their digits, or by the weights that ``adapt`` has set."""
    if layer.input_mean is not None:
        statistics = [spread(layer, value) for value in (layer.input_mean, layer.input_variance)]
        mean, variance = (t.tensor(str(t.ref(value))) for value in statistics)
    else:
        adapted = (layer.adapt_mean, layer.adapt_variance)
        mean, variance = (t.op.reshape(v, shape=layer._broadcast_shape) for v in adapted)
    x = t.cast(x, "float32")
    deviation = t.op.maximum(t.op.sqrt(variance), keras.config.epsilon())
    if layer.invert:
        return t.op.add(mean, t.op.multiply(x, deviation))
    return t.op.divide(t.op.subtract(x, mean), deviation)


@native(kl.ReLU)
def relu(t: Tracer, layer: Any, x: Any, **_: Any) -> Any:
    return rectified(t, x, layer.negative_slope, layer.max_value, layer.threshold)


@native(kl.Softmax)
def softmax(t: Tracer, layer: Any, x: Any, mask: Any = None, **_: Any) -> Any:
    return layer.call(x, mask=mask) if mask is not None else t.op.softmax(x, axis=layer.axis)


@native(kl.Reshape)
def reshape(t: Tracer, layer: Any, x: Any, **_: Any) -> Any:
    shape = layer.compute_output_shape(x.shape)[1:]
    if None in shape:
        raise CrosstrainError(f"{t.where} reshapes an axis of unknown length; give the input a fixed size")
    return t.op.reshape(x, shape=(-1, *shape))


@native(kl.Flatten)
def flatten(t: Tracer, layer: Any, x: Any, **_: Any) -> Any:
    if layer.data_format == "channels_first" and len(x.shape) > 2:
        rank = len(x.shape)
        x = t.op.transpose(x, axes=(0, *range(2, rank), 1))
    if len(x.shape) == 1:
        return t.op.expand_dims(x, axis=-1)
    shape = layer.compute_output_shape(x.shape)
    if shape[1] is None:
        raise CrosstrainError(f"{t.where} flattens an axis of unknown length; give the input a fixed size")
    return x if len(x.shape) == 2 else t.op.reshape(x, shape=(-1, shape[1]))


@native(kl.UpSampling1D, kl.UpSampling2D, kl.UpSampling3D)
def upsampling(t: Tracer, layer: Any, x: Any, **_: Any) -> Any:
    if getattr(layer, "interpolation", "nearest") != "nearest":
        return layer.call(x)
    data_format = getattr(layer, "data_format", "channels_last")
    size = (layer.size,) if isinstance(layer.size, int) else tuple(layer.size)
    first = data_format == "channels_first"
    if first:
        x = t.op.transpose(x, axes=(0, *range(2, len(x.shape)), 1))
    y = t.op.upsample_nearest(x, size=size)
    return t.op.transpose(y, axes=(0, len(y.shape) - 1, *range(1, len(y.shape) - 1))) if first else y
