"""The op vocabulary on JAX: jax.numpy and lax, on channels-last values as the vocabulary has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from crosstrain.engines.jax import windows
from crosstrain.graph.evaluate import Implementation, Ops

Array = Any


def canonical(dtype: str) -> Any:
    """The dtype that a run has for ``dtype``: without x64 JAX has no int64 and takes int32."""
    return jax.dtypes.canonicalize_dtype(dtype)


def constant(*, value: Any, dtype: str) -> Array:
    return jnp.asarray(np.asarray(value, canonical(dtype)))


def cast(x: Array, *, dtype: str) -> Array:
    return jnp.asarray(x).astype(canonical(dtype))


def _reduction(function: Callable[..., Array]) -> Implementation:
    def reduce(x: Array, *, axis: Any = None, keepdims: bool = False) -> Array:
        return function(x, axis=axis, keepdims=keepdims)

    return reduce


def argmax(x: Array, *, axis: int, keepdims: bool = False) -> Array:
    return jnp.argmax(x, axis=axis, keepdims=keepdims).astype("int32")


def top_k(x: Array, *, k: int) -> tuple[Array, Array]:
    values, indices = lax.top_k(x, k)
    return values, indices.astype("int32")


def split(x: Array, *, sizes: tuple[int, ...], axis: int) -> list[Array]:
    parts: list[Array] = jnp.split(x, np.cumsum(sizes)[:-1], axis=axis)
    return parts


def broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    lead = len(shape) - x.ndim
    return jnp.broadcast_to(x, [x.shape[i - lead] if s == -1 else s for i, s in enumerate(shape)])


def pad(x: Array, *, padding: Any, mode: str = "constant", value: float = 0.0) -> Array:
    if mode == "constant":
        return jnp.pad(x, padding, constant_values=value)
    return jnp.pad(x, padding, mode=mode)


def one_hot(x: Array, *, classes: int, axis: int = -1, dtype: str = "float32") -> Array:
    return jax.nn.one_hot(x, classes, axis=axis, dtype=canonical(dtype))


def absolute(x: Array) -> Array:
    """|x| with slope 0 at 0 (JAX's own has slope 1 there)."""
    return x * lax.stop_gradient(jnp.sign(x))


# -- noise ------------------------------------------------------------------------------------------
def _key(seed: Array, salt: int) -> Array:
    # Philox ("rbg") draws several times faster on a CPU than JAX's default.
    return jax.random.fold_in(jax.random.key(seed, impl="rbg"), salt)


def random_uniform(x: Array, seed: Array, *, salt: int, noise_shape: Any = None) -> Array:
    drawn = [None] * x.ndim if noise_shape is None else noise_shape
    shape = [x.shape[i] if n is None else n for i, n in enumerate(drawn)]
    return jax.random.uniform(_key(seed, salt), shape, x.dtype)


def random_normal(x: Array, seed: Array, *, salt: int) -> Array:
    return jax.random.normal(_key(seed, salt), x.shape, x.dtype)


# -- recurrence -------------------------------------------------------------------------------------
CACHED = 2**19
"""Numbers that stay in a core's cache, about: 2 MiB in float32."""


@dataclass(frozen=True)
class Scan:
    """``lax.scan``, on a CPU (``cpu_forms``) perhaps with the product with the input inside of it."""

    unroll: int = 1
    cpu_forms: bool = False

    def __call__(self, step: Callable[..., Any], state: Any, xs: Array, *, reverse: bool = False) -> Any:
        state, ys = lax.scan(step, state, xs, reverse=reverse, unroll=self.unroll)
        # lax.scan puts the results of a reversed loop in the order of time, not of their making.
        return state, jnp.flip(ys, 0) if reverse else ys

    def products_inside(self, inputs: Sequence[int], units: int, gates: int) -> bool:
        """On a CPU XLA compiles the product of one step for the processor, and what it reads is in the cache;
        that of all steps is a library's, and passes through memory where it is large. A step with one gate is
        too short to gain."""
        steps, batch, _ = inputs
        return self.cpu_forms and gates > 1 and steps * batch * units * gates > CACHED


# -- products ---------------------------------------------------------------------------------------
def conv(form: Implementation, x: Array, kernel: Array, bias: Array = None, **settings: Any) -> Array:
    y = form(x, kernel, **settings)
    return y if bias is None else y + bias


def _in(lower: Any, function: Implementation) -> Implementation:
    """The product of the inputs rounded to a lower precision, given back in their own dtype."""

    def rounded(*inputs: Array, **settings: Any) -> Array:
        y = function(*(None if i is None else i.astype(lower) for i in inputs), **settings)
        return y.astype(inputs[0].dtype)

    return rounded


# -- the tables -------------------------------------------------------------------------------------
_SAME_NAME = (
    "negative sign exp expm1 log log1p sqrt square reciprocal floor ceil round "
    "sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arccosh arctanh "
    "add subtract multiply divide power maximum minimum mod floor_divide arctan2 logaddexp where "
    "equal not_equal greater greater_equal less less_equal "
    "logical_and logical_or logical_xor logical_not isnan isfinite "
    "matmul reshape transpose squeeze repeat take take_along_axis expand_dims"
)

TABLE: dict[str, Implementation] = {
    **{name: getattr(jnp, name) for name in _SAME_NAME.split()},
    **{name: _reduction(getattr(jnp, name)) for name in ("sum", "mean", "max", "min", "prod", "any", "all")},
    "abs": absolute,
    "erf": lax.erf,
    "rsqrt": lax.rsqrt,
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
    "softmax": jax.nn.softmax,
    "log_softmax": jax.nn.log_softmax,
    "constant": constant,
    "cast": cast,
    "stop_gradient": lax.stop_gradient,
    "argmax": argmax,
    "cumsum": lambda x, *, axis: jnp.cumsum(x, axis),
    "sort": lambda x, *, axis=-1: jnp.sort(x, axis),
    "top_k": top_k,
    "einsum": lambda *inputs, equation: jnp.einsum(equation, *inputs),
    "tile": lambda x, *, repeats: jnp.tile(x, repeats),
    "concatenate": lambda *inputs, axis: jnp.concatenate(inputs, axis),
    "split": split,
    "slice": lambda x, *, starts, stops, strides: x[tuple(map(slice, starts, stops, strides))],
    "broadcast_to": broadcast_to,
    "full_like": lambda x, *, value: jnp.full_like(x, value),
    "flip": lambda x, *, axis: jnp.flip(x, axis),
    "pad": pad,
    "one_hot": one_hot,
    "random_uniform": random_uniform,
    "random_normal": random_normal,
    "conv_transpose": windows.conv_transpose,
}

NATIVE: dict[str, Implementation] = {
    "conv": partial(conv, windows.native_conv),
    "max_pool": windows.native_max_pool,
    "average_pool": windows.native_average_pool,
    "batch_norm": windows.native_batch_norm,
}
"""lax's own forms, for a GPU."""

FOR_A_CPU: dict[str, Implementation] = {
    "conv": partial(conv, windows.cpu_conv),
    "max_pool": windows.cpu_max_pool,
    "average_pool": windows.cpu_average_pool,
    "batch_norm": windows.cpu_batch_norm,
}

PRODUCTS = ("conv", "conv_transpose", "matmul", "einsum")
LOWER = {"bfloat16": jnp.bfloat16, "float16": jnp.float16}


def operations(cpu_forms: bool, unroll: int = 1, arithmetic: str = "full") -> Ops:
    """The whole vocabulary on JAX. With the ``arithmetic`` bfloat16 or float16, products take inputs rounded
    to it."""
    forms = FOR_A_CPU if cpu_forms else NATIVE
    table: dict[str, Implementation] = {**TABLE, **forms, "scan": Scan(unroll, cpu_forms)}
    if arithmetic in LOWER:
        table.update({name: _in(LOWER[arithmetic], table[name]) for name in PRODUCTS})
    return Ops(table, "jax")
