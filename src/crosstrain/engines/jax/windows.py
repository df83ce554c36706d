"""Convolutions, poolings and BatchNorm for JAX, native and in forms that XLA compiles better for a CPU.

XLA fuses elementwise work into whatever reads it, and for a weight gradient that reader is a transposing
copy: it recomputes the layers before in the worst order of memory. A *fence* (``optimization_barrier``)
makes it compute such a value once. It costs nothing, but XLA's CPU compiler keeps fences only where
``COMPILER`` asks for it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Array = Any
Pairs = tuple[tuple[int, int], ...]

COMPILER: Mapping[str, Any] = {
    # Keep fences until fusion is done.
    "xla_disable_hlo_passes": "cse_barrier_expander",
    # YNNPACK for matrix products and sums, not for convolutions: Eigen's are faster (4 times for a 4x4
    # kernel with 100 channels), above all those of weight gradients.
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE",
}
"""How XLA is to compile for a CPU."""

MOST_CELLS = 25
"""Poolings of more cells are left to ``lax.reduce_window``: the code would grow with them."""
MOST_SLICES = 121
"""Likewise, of channelwise convolutions."""

fence: Callable[[Any], Any] = lax.optimization_barrier


def views(x: Array, window: Any, strides: Any, dilation: Any = None) -> Iterator[Array]:
    """For every position in the window, row by row: the strided slice of ``x`` that lies under it."""
    dilation = dilation or (1,) * len(window)
    axes = list(zip(x.shape[1:-1], window, strides, dilation, strict=True))
    lengths = [(n - (k - 1) * d - 1) // s + 1 for n, k, s, d in axes]
    for position in itertools.product(*map(range, window)):
        begin = [p * d for p, d in zip(position, dilation, strict=True)]
        end = [b + (n - 1) * s + 1 for b, n, s in zip(begin, lengths, strides, strict=True)]
        yield lax.slice(x, (0, *begin, 0), (x.shape[0], *end, x.shape[-1]), (1, *strides, 1))


def padded(x: Array, padding: Pairs, value: float = 0.0) -> Array:
    """Spatial axes padded with ``value``."""
    if not any(map(any, padding)):
        return x
    return lax.pad(x, jnp.asarray(value, x.dtype), [(0, 0, 0), *((b, a, 0) for b, a in padding), (0, 0, 0)])


# -- convolutions -----------------------------------------------------------------------------------
def layout(spatial: int, kernel: str = "IO") -> tuple[str, str, str]:
    """Channels-last dimension numbers; ``kernel`` orders the last two axes of the kernel."""
    axes = "DHW"[-spatial:]
    return f"N{axes}C", f"{axes}{kernel}", f"N{axes}C"


def native_conv(
    x: Array, kernel: Array, *, strides: Any, padding: Pairs, dilation: Any, groups: int = 1
) -> Array:
    """lax's own."""
    return lax.conv_general_dilated(
        x, kernel, strides, padding, rhs_dilation=dilation,
        dimension_numbers=layout(len(strides)), feature_group_count=groups,
    )  # fmt: skip


def cpu_conv(
    x: Array, kernel: Array, *, strides: Any, padding: Pairs, dilation: Any, groups: int = 1
) -> Array:
    """Fenced; channel by channel as products of shifted slices, groups one after the other: XLA's own form
    of a grouped weight gradient is tens of times slower than its plain convolution."""
    x = fence(x)
    settings = {"strides": strides, "padding": padding, "dilation": dilation}
    if groups == 1:
        y = native_conv(x, kernel, **settings)
    elif kernel.shape[-2] == 1:
        y = channelwise_conv(x, kernel, groups, **settings)
    else:
        parts = zip(jnp.split(x, groups, -1), jnp.split(kernel, groups, -1), strict=True)
        y = jnp.concatenate([native_conv(a, b, **settings) for a, b in parts], axis=-1)
    return fence(y)


def channelwise_conv(
    x: Array, kernel: Array, groups: int, *, strides: Any, padding: Pairs, dilation: Any
) -> Array:
    """Each channel by its own kernels; kernel (spatial…, 1, C · m), output channel c · m + j."""
    *size, _, out = kernel.shape
    weights = kernel.reshape(*size, groups, out // groups)
    y = channelwise(padded(x, padding), weights, tuple(strides), tuple(dilation))
    return y.reshape(*y.shape[:-2], out)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def channelwise(x: Array, weights: Array, strides: tuple[int, ...], dilation: tuple[int, ...]) -> Array:
    """``x`` (batch, spatial…, C), without padding, by ``weights`` (spatial…, C, m): (batch, spatial…, C, m).

    A sum of products of slices, which XLA computes in one pass; large windows as lax's own convolution. The
    gradient of the weights is written out: XLA sums over a whole batch in the worst order of memory.
    """
    *size, channels, multiplier = weights.shape
    if math.prod(size) > MOST_SLICES:
        kernel = weights.reshape(*size, 1, -1)
        none = ((0, 0),) * len(size)
        y = native_conv(x, kernel, strides=strides, padding=none, dilation=dilation, groups=channels)
        return y.reshape(*y.shape[:-1], channels, multiplier)
    cells = zip(views(x, size, strides, dilation), weights.reshape(-1, channels, multiplier), strict=True)
    if multiplier == 1:
        return sum(view * weight[:, 0] for view, weight in cells)[..., None]
    return sum(view[..., None] * weight for view, weight in cells)


def _channelwise_forward(x: Array, weights: Array, strides: Any, dilation: Any) -> Any:
    return channelwise(x, weights, strides, dilation), (x, weights)


def _channelwise_backward(strides: Any, dilation: Any, inputs: tuple[Array, Array], dy: Array) -> Any:
    x, weights = inputs
    _, pull = jax.vjp(lambda x: channelwise.fun(x, weights, strides, dilation), x)
    return *pull(dy), _channelwise_weights(x, dy, weights, strides, dilation)


def _channelwise_weights(x: Array, dy: Array, weights: Array, strides: Any, dilation: Any) -> Array:
    """The gradient of the weights: loops over examples and over the window's rows, each turn of which runs
    along memory. Sums are those of float32 at least."""
    rows, *columns, channels, multiplier = weights.shape
    x = jnp.repeat(x, multiplier, axis=-1) if multiplier > 1 else x
    dy = dy.reshape(*dy.shape[:-2], channels * multiplier)
    length = (dy.shape[1] - 1) * strides[0] + 1
    exact = jnp.promote_types(x.dtype, jnp.float32)

    def add_example(sums: Array, example: tuple[Array, Array]) -> tuple[Array, None]:
        x, dy = example

        def of_row(_: None, row: Array) -> tuple[None, Array]:
            under = lax.dynamic_slice_in_dim(x, row * dilation[0], length, axis=0)
            cells = views(under[None], (1, *columns), strides, dilation)
            return None, jnp.stack([jnp.sum(cell[0] * dy, axis=0, dtype=exact) for cell in cells])

        return sums + lax.scan(of_row, None, jnp.arange(rows))[1], None

    zeros = jnp.zeros((rows, math.prod(columns), *dy.shape[2:]), exact)
    sums, _ = lax.scan(add_example, zeros, (x, dy))
    return sums.sum(axis=tuple(range(2, sums.ndim - 1))).reshape(weights.shape).astype(weights.dtype)


channelwise.defvjp(_channelwise_forward, _channelwise_backward)


def conv_transpose(
    x: Array, kernel: Array, bias: Array = None, *, strides: Any, crop: Pairs, dilation: Any
) -> Array:
    """A convolution of the stretched input with the turned kernel (spatial…, C_out, C_in)."""
    spatial = len(strides)
    reach = [(k - 1) * d for k, d in zip(kernel.shape, dilation[:spatial], strict=False)]
    y = lax.conv_general_dilated(
        x, lax.rev(kernel, range(spatial)), (1,) * spatial,
        [(r - b, r - a) for r, (b, a) in zip(reach, crop, strict=True)],
        lhs_dilation=strides, rhs_dilation=dilation, dimension_numbers=layout(spatial, "OI"),
    )  # fmt: skip
    return y if bias is None else y + bias


# -- poolings ---------------------------------------------------------------------------------------
def _window(x: Array, initial: float, function: Any, window: Any, strides: Any, padding: Pairs) -> Array:
    start = np.asarray(initial, x.dtype)[()]
    pairs = ((0, 0), *padding, (0, 0))
    return lax.reduce_window(x, start, function, (1, *window, 1), (1, *strides, 1), pairs)


def native_max_pool(x: Array, *, window: Any, strides: Any, padding: Pairs) -> Array:
    return _window(x, -np.inf, lax.max, window, strides, padding)


def cpu_max_pool(x: Array, *, window: Any, strides: Any, padding: Pairs) -> Array:
    """As the largest of slices; XLA's own gradient (select-and-scatter) is many times slower."""
    if math.prod(window) > MOST_CELLS:
        return native_max_pool(x, window=window, strides=strides, padding=padding)
    return largest(padded(x, padding, -np.inf), tuple(window), tuple(strides))


@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def largest(x: Array, window: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """Largest value under the window; the gradient goes to the first of equals, as XLA's does."""
    return reduce(jnp.maximum, views(x, window, strides))


def _largest_forward(x: Array, window: Any, strides: Any) -> Any:
    return largest(x, window, strides), x


def _largest_backward(window: Any, strides: Any, x: Array, dy: Array) -> Any:
    # Which cell was largest is found anew from x alone: XLA may compute x again here, with other roundings
    # than in the forward pass, and then no cell would equal the maximum found there.
    cells = list(views(x, window, strides))
    best, first = cells[0], jnp.zeros(dy.shape, jnp.int8)
    for index, cell in enumerate(cells[1:], 1):
        first = jnp.where(cell > best, jnp.int8(index), first)
        best = jnp.maximum(best, cell)
    if window == strides:
        return (_spread(dy, first, window, x.shape),)
    _, pull = jax.vjp(lambda x: tuple(views(x, window, strides)), x)
    return pull(tuple(jnp.where(first == index, dy, 0) for index in range(len(cells))))


def _spread(dy: Array, first: Array, window: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """``dy`` at the chosen cell of each window and 0 at the others, for windows that do not overlap."""
    tiled = [shape[0], *itertools.chain(*zip(dy.shape[1:-1], window, strict=True)), shape[-1]]
    cells = np.arange(math.prod(window), dtype=np.int8).reshape(window)
    places = cells.reshape([1, *itertools.chain(*((1, k) for k in window)), 1])
    inner = tuple(range(2, 2 * len(window) + 1, 2))
    dx = jnp.where(jnp.expand_dims(first, inner) == places, jnp.expand_dims(dy, inner), 0)
    assert dx.shape == tuple(tiled)
    covered = [n * k for n, k in zip(dy.shape[1:-1], window, strict=True)]
    dx = dx.reshape(shape[0], *covered, shape[-1])
    return padded(dx, tuple((0, n - c) for n, c in zip(shape[1:-1], covered, strict=True)))


largest.defvjp(_largest_forward, _largest_backward)


def _counts(x: Array, window: Any, strides: Any, padding: Pairs) -> np.ndarray:
    """How many cells under each window are not padding, along every spatial axis in turn."""
    counts = np.ones((1,) * x.ndim)
    axes = zip(x.shape[1:-1], window, strides, padding, strict=True)
    for axis, (n, k, s, (before, after)) in enumerate(axes, 1):
        starts = np.arange(0, n + before + after - k + 1, s)
        each = np.minimum(starts + k, n + before) - np.maximum(starts, before)
        counts = counts * np.maximum(each, 0).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return counts.astype(x.dtype)


def native_average_pool(x: Array, *, window: Any, strides: Any, padding: Pairs) -> Array:
    return _window(x, 0.0, lax.add, window, strides, padding) / _counts(x, window, strides, padding)


def cpu_average_pool(x: Array, *, window: Any, strides: Any, padding: Pairs) -> Array:
    """As a sum of slices, or one mean where the window is the whole picture."""
    if tuple(window) == x.shape[1:-1] and not any(map(any, padding)):
        return jnp.mean(x, axis=tuple(range(1, x.ndim - 1)), keepdims=True)
    if math.prod(window) > MOST_CELLS:
        return native_average_pool(x, window=window, strides=strides, padding=padding)
    return sum(views(padded(x, padding), window, strides)) / _counts(x, window, strides, padding)


# -- BatchNorm --------------------------------------------------------------------------------------
def cpu_batch_norm(*inputs: Array, **settings: Any) -> Any:
    return batch_norm(column_sums, *inputs, **settings)


def native_batch_norm(*inputs: Array, **settings: Any) -> Any:
    return batch_norm(plain_sums, *inputs, **settings)


def batch_norm(
    sums: Callable[[Array], Array], x: Array, gamma: Array, beta: Array, mean: Array, variance: Array,
    *, axis: int, momentum: float, epsilon: float,
) -> Any:  # fmt: skip
    """The op's meaning with its gradient written out: fewer passes over memory than autodiff makes."""
    along = axis % x.ndim
    n = x.shape[along]
    rows = jnp.moveaxis(x, along, -1).reshape(-1, n)
    gamma = jnp.ones(n, x.dtype) if gamma is None else gamma
    beta = jnp.zeros(n, x.dtype) if beta is None else beta
    y, batch_mean, batch_variance = standardized(rows, gamma, beta, epsilon, sums)
    y = jnp.moveaxis(y.reshape(*x.shape[:along], *x.shape[along + 1 :], n), -1, along)
    blend = lambda old, new: old * momentum + lax.stop_gradient(new) * (1 - momentum)
    return y, blend(mean, batch_mean), blend(variance, batch_variance)


def plain_sums(x: Array) -> Array:
    """Σ over the rows of x (rows, n)."""
    return jnp.sum(x, axis=0)


STRIDE = 256


def column_sums(x: Array) -> Array:
    """Σ over the rows of x (rows, n): every 256th row by a product with ones, then these 256 sums.

    The product is XLA's fastest reduction on a CPU, but it adds one row after the other: alone, on 65536
    rows of float32, it is 70 times less exact than a sum. In two stages it is as exact.
    """
    rows, n = x.shape
    if rows % STRIDE:
        return jnp.sum(x, axis=0)
    partial_sums = jnp.ones((1, rows // STRIDE), x.dtype) @ x.reshape(-1, STRIDE * n)
    return jnp.sum(partial_sums.reshape(STRIDE, n), axis=0)


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def standardized(x: Array, gamma: Array, beta: Array, epsilon: float, sums: Callable[[Array], Array]) -> Any:
    """γ (x - m) / sqrt(v + ε) + β with the columns' means m and biased variances v, which are returned
    too. x (rows, n); the gradient is that of the first output alone. ``sums`` adds up columns."""
    return _standardized_forward(x, gamma, beta, epsilon, sums)[0]


def _standardized_forward(
    x: Array, gamma: Array, beta: Array, epsilon: float, sums: Callable[[Array], Array]
) -> Any:
    mean = sums(x) / x.shape[0]
    variance = sums(jnp.square(x - mean)) / x.shape[0]
    scale = lax.rsqrt(variance + epsilon)
    return ((x - mean) * (scale * gamma) + beta, mean, variance), (x, gamma, mean, scale)


def _standardized_backward(
    epsilon: float, sums: Callable[[Array], Array], residuals: Any, cotangents: Any
) -> tuple[Array, ...]:
    x, gamma, mean, scale = residuals
    # Without the fence XLA's CPU compiler makes what leads to dy three times.
    dy = fence(cotangents[0]) if sums is column_sums else cotangents[0]
    dbeta = sums(dy)
    dgamma = sums(dy * (x - mean)) * scale
    dx = (gamma * scale) * (dy - dbeta / x.shape[0] - (x - mean) * (scale * dgamma / x.shape[0]))
    return dx, dgamma, dbeta


standardized.defvjp(_standardized_forward, _standardized_backward)
