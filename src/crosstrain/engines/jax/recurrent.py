"""Recurrent layers on a GPU: cuDNN's LSTM, where it means what Keras means.

A scan's steps are kernels one after the other, each too small for the device. cuDNN runs the whole sequence
in a few, with the products of the inputs ahead of the recurrence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax import lax
from jax.experimental import rnn

Array = Any


def cudnn_lstm(
    meaning: Callable[..., Any], precision: lax.Precision, x: Array, kernel: Array, recurrent_kernel: Array,
    bias: Array, hidden: Array, cell: Array,
    *, activation: str, recurrent_activation: str, backwards: bool = False,
) -> Any:  # fmt: skip
    """The op ``lstm``: ys (N, T, units), last hidden and cell state. ``meaning`` takes what cuDNN has not:
    other activations, and numbers other than float32."""
    if (activation, recurrent_activation) != ("tanh", "sigmoid") or x.dtype != jnp.float32:
        return meaning(
            x, kernel, recurrent_kernel, bias, hidden, cell, activation=activation,
            recurrent_activation=recurrent_activation, backwards=backwards,
        )  # fmt: skip
    batch, steps, features = x.shape
    units = recurrent_kernel.shape[0]
    ahead = jnp.zeros((4 * units,), x.dtype) if bias is None else bias
    # Both orders of gates are i, f, c, o; cuDNN has kernels the other way round and a second bias.
    weights = jnp.concatenate([kernel.T.ravel(), recurrent_kernel.T.ravel(), ahead, jnp.zeros_like(ahead)])
    start = [jnp.zeros((batch, units), x.dtype) if state is None else state for state in (hidden, cell)]
    ys, h, c = rnn.lstm(
        jnp.flip(x, 1) if backwards else x, start[0][None], start[1][None], weights,
        jnp.full((batch,), steps, jnp.int32), features, units, 1, 0.0, False, precision,
    )  # fmt: skip
    return ys, h[0], c[0]
