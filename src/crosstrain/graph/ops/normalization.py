"""Normalisation layers, with Keras's statistics: biased variances, ``momentum`` the part that is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from crosstrain.graph.node import Node
from crosstrain.graph.ops.row import composite
from crosstrain.graph.ops.shapes import same


def _along(xp: Any, x: Any, value: Any, axis: int) -> Any:
    """A vector, shaped so that it lies along ``axis`` of ``x``."""
    if value is None or axis % len(x.shape) == len(x.shape) - 1:
        return value
    shape = [1] * len(x.shape)
    shape[axis] = value.shape[0]
    return xp.reshape(value, shape=tuple(shape))


def _inference(node: Node, training: bool) -> Node:
    if training:
        return node
    attributes = {k: v for k, v in node.attributes.items() if k != "momentum"}
    return replace(node, op="normalize", attributes=attributes, outputs=node.outputs[:1])


@composite(lambda x, gamma, beta, mean, variance, **_: [x, mean, variance], phase=_inference)
def batch_norm(
    xp: Any,
    x: Any,
    gamma: Any,
    beta: Any,
    mean: Any,
    variance: Any,
    *,
    axis: int,
    momentum: float,
    epsilon: float,
) -> Any:
    """Normalised by the batch's own mean and biased variance; also the next moving statistics.

    moving = momentum · moving + (1 - momentum) · batch. gamma and beta may be None. In inference the
    node becomes ``normalize``. (Ioffe and Szegedy 2015; statistics as in Keras.)
    """
    axes = tuple(i for i in range(len(x.shape)) if i != axis % len(x.shape))
    batch_mean, batch_variance = xp.mean(x, axis=axes), xp.variance(x, axis=axes)
    y = xp.normalize(x, gamma, beta, batch_mean, batch_variance, axis=axis, epsilon=epsilon)
    blend = lambda old, new: old * momentum + xp.stop_gradient(new) * (1 - momentum)
    return y, blend(mean, batch_mean), blend(variance, batch_variance)


@composite(same)
def normalize(
    xp: Any, x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, *, axis: int, epsilon: float
) -> Any:
    """gamma · (x - mean) / sqrt(variance + epsilon) + beta, along ``axis``."""
    scale = xp.rsqrt(variance + epsilon)
    if gamma is not None:
        scale = scale * gamma
    y = (x - _along(xp, x, mean, axis)) * _along(xp, x, scale, axis)
    return y if beta is None else y + _along(xp, x, beta, axis)


@composite(same)
def layer_norm(
    xp: Any, x: Any, gamma: Any = None, beta: Any = None, *, axes: tuple[int, ...], epsilon: float
) -> Any:
    """Normalised over ``axes`` of each example; gamma and beta broadcast against ``x``."""
    mean = xp.mean(x, axis=axes, keepdims=True)
    scale = xp.rsqrt(xp.variance(x, axis=axes, keepdims=True) + epsilon)
    y = (x - mean) * (scale if gamma is None else scale * gamma)
    return y if beta is None else y + beta


@composite(same)
def rms_norm(xp: Any, x: Any, gamma: Any = None, *, axes: tuple[int, ...], epsilon: float) -> Any:
    """x / sqrt(mean(x²) + epsilon) · gamma (Zhang and Sennrich 2019)."""
    y = x * xp.rsqrt(xp.mean(xp.square(x), axis=axes, keepdims=True) + epsilon)
    return y if gamma is None else y * gamma
