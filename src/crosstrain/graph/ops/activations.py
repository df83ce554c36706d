"""Keras's activation functions. At a kink the gradient is that of the branch ``x > 0``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crosstrain.graph.ops.row import composite, primitive
from crosstrain.graph.ops.shapes import same


@primitive(same)
def softmax(x: Any, *, axis: Any = -1) -> Any:
    """exp(x) / sum(exp(x)) along ``axis`` (an int or a tuple)."""
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


@primitive(same)
def log_softmax(x: Any, *, axis: Any = -1) -> Any:
    """log(softmax(x)) along ``axis``, without overflow."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@primitive(same)
def softplus(x: Any) -> Any:
    """log(1 + exp(x)), without overflow."""
    return np.logaddexp(x, 0)


@composite(same)
def linear(xp: Any, x: Any) -> Any:
    """x."""
    return x


@composite(same)
def relu6(xp: Any, x: Any) -> Any:
    """min(max(x, 0), 6)."""
    return xp.relu(x) - xp.relu(x - 6)


@composite(same)
def leaky_relu(xp: Any, x: Any, *, negative_slope: float) -> Any:
    """x where x > 0, else slope · x."""
    return xp.where(x > 0, x, negative_slope * x)


@composite(same)
def elu(xp: Any, x: Any, *, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha (exp(x) - 1) (Clevert et al. 2015)."""
    return xp.where(x > 0, x, alpha * xp.expm1(x - xp.relu(x)))


@composite(same)
def selu(xp: Any, x: Any) -> Any:
    """Scaled elu (Klambauer et al. 2017)."""
    return 1.0507009873554805 * xp.elu(x, alpha=1.6732632423543772)


@composite(same)
def celu(xp: Any, x: Any, *, alpha: float = 1.0) -> Any:
    """max(x, 0) + alpha (exp(min(x, 0) / alpha) - 1)."""
    return xp.relu(x) + alpha * xp.expm1((x - xp.relu(x)) / alpha)


@composite(same)
def gelu(xp: Any, x: Any, *, approximate: bool) -> Any:
    """x · Φ(x), Φ the normal distribution's function, or its tanh approximation (Hendrycks 2016)."""
    if approximate:
        return 0.5 * x * (1 + xp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1 + xp.erf(x / math.sqrt(2)))


@composite(same)
def silu(xp: Any, x: Any) -> Any:
    """x · sigmoid(x)."""
    return x * xp.sigmoid(x)


@composite(same)
def softsign(xp: Any, x: Any) -> Any:
    """x / (1 + |x|)."""
    return x / (1 + xp.abs(x))


@composite(same)
def log_sigmoid(xp: Any, x: Any) -> Any:
    """log(sigmoid(x))."""
    return -xp.softplus(-x)


@composite(same)
def hard_sigmoid(xp: Any, x: Any) -> Any:
    """relu6(x + 3) / 6 (Keras 3's)."""
    return xp.relu6(x + 3) / 6


@composite(same)
def hard_silu(xp: Any, x: Any) -> Any:
    """x · hard_sigmoid(x)."""
    return x * xp.hard_sigmoid(x)


@composite(same)
def hard_tanh(xp: Any, x: Any) -> Any:
    """x limited to [-1, 1]."""
    return xp.clip(x, minimum=-1.0, maximum=1.0)


@composite(same)
def tanh_shrink(xp: Any, x: Any) -> Any:
    """x - tanh(x)."""
    return x - xp.tanh(x)


@composite(same)
def soft_shrink(xp: Any, x: Any, *, threshold: float = 0.5) -> Any:
    """x moved towards 0 by ``threshold``."""
    return xp.relu(x - threshold) - xp.relu(-x - threshold)


@composite(same)
def hard_shrink(xp: Any, x: Any, *, threshold: float = 0.5) -> Any:
    """x where |x| > threshold, else 0."""
    return xp.where(xp.abs(x) > threshold, x, xp.full_like(x, value=0.0))


@composite(same)
def threshold(xp: Any, x: Any, *, threshold: float, value: float) -> Any:
    """x where x > threshold, else ``value``."""
    return xp.where(x > threshold, x, xp.full_like(x, value=value))


@composite(same)
def squareplus(xp: Any, x: Any, *, b: float = 4.0) -> Any:
    """(x + sqrt(x² + b)) / 2."""
    return (x + xp.sqrt(x * x + b)) / 2


@composite(
    lambda x, *, axis=-1: [
        type(x)(tuple(s // 2 if i == axis % len(x.shape) else s for i, s in enumerate(x.shape)), x.dtype)
    ]
)
def glu(xp: Any, x: Any, *, axis: int = -1) -> Any:
    """First half of ``axis`` · sigmoid(second half)."""
    half = x.shape[axis] // 2
    a, b = xp.split(x, sizes=(half, half), axis=axis)
    return a * xp.sigmoid(b)
