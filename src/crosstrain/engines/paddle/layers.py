"""Layers and losses that Paddle has in one piece, for the cases in which it means what Keras means.

Each function answers ``NotImplemented`` for the other cases; the meaning in the vocabulary takes those.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import paddle
import paddle.nn.functional as F
from paddle import Tensor, _C_ops

from crosstrain.engines.paddle.images import all_or_none, native_norm
from crosstrain.graph.ops.shapes import axes_of


# -- normalisation --------------------------------------------------------------------------------
# Paddle takes epsilon as float32 and has 1.00000005e-3 for 1e-3: not for float64.
def _has_native_norm(x: Tensor, axis: int) -> bool:
    return bool(x.dtype == paddle.float32 and x.ndim >= 2 and axis % x.ndim == 1)


def batch_norm(
    x: Tensor, gamma: Tensor | None, beta: Tensor | None, mean: Tensor, variance: Tensor,
    *, axis: int, momentum: float, epsilon: float,
) -> Any:  # fmt: skip
    count = x.size // x.shape[axis]
    if not _has_native_norm(x, axis) or count == 1:  # of a single value Paddle gives the value itself
        return NotImplemented
    y, batch_mean, batch_variance = native_norm(
        x, gamma, beta, paddle.zeros_like(mean), paddle.zeros_like(variance), epsilon, training=True
    )
    with paddle.no_grad():
        if not x.place.is_cpu_place():
            # Which variance the GPU's kernel hands on, biased or not, depends on the library behind it.
            axes = [i for i in range(x.ndim) if i != 1]
            batch_mean, batch_variance = paddle.mean(x, axes), paddle.var(x, axes, unbiased=False)
        blend = lambda old, new: old * momentum + new.detach() * (1 - momentum)
        return y, blend(mean, batch_mean), blend(variance, batch_variance)


def normalize(
    x: Tensor, gamma: Tensor | None, beta: Tensor | None, mean: Tensor, variance: Tensor,
    *, axis: int, epsilon: float,
) -> Any:  # fmt: skip
    constant = mean.stop_gradient and variance.stop_gradient  # Paddle's has no gradient for them
    if not _has_native_norm(x, axis) or not constant:
        return NotImplemented
    return native_norm(x, gamma, beta, mean, variance, epsilon, training=False)[0]


def layer_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, *, axes: Any, epsilon: float
) -> Any:
    over = sorted(axes_of(x.ndim, axes))
    lengths = x.shape[x.ndim - len(over) :]
    last = over == list(range(x.ndim - len(over), x.ndim))
    if (
        x.dtype != paddle.float32
        or not last
        or not all(s is None or s.shape == lengths for s in (gamma, beta))
    ):
        return NotImplemented
    # Of a frozen gamma Paddle's gradient for x knows nothing.
    size = math.prod(lengths)
    gamma = paddle.ones([size], x.dtype) if gamma is None else gamma.flatten()
    beta = paddle.zeros([size], x.dtype) if beta is None else beta.flatten()
    x, gamma, beta = all_or_none(x, gamma, beta)
    return F.layer_norm(x, lengths, gamma, beta, epsilon)


# -- recurrent layers -----------------------------------------------------------------------------
def _run(
    mode: str, x: Tensor, states: tuple[Tensor | None, ...], weights: list[Tensor], backwards: bool
) -> Any:
    """One layer of Paddle's recurrence: (outputs over time, last states), as the vocabulary has them."""
    units = weights[1].shape[1]
    zeros = paddle.zeros([x.shape[0], units], x.dtype)
    first_states = (zeros if state is None else state for state in states)
    x, *rest = all_or_none(x, *first_states, *weights)
    start, weights = [state.unsqueeze(0) for state in rest[: len(states)]], rest[len(states) :]
    series = x.transpose([1, 0, 2])
    series = paddle.flip(series, [0]) if backwards else series.contiguous()
    dropout_state = paddle.zeros([1], "uint8")
    ys, _, last = _C_ops.rnn(
        series, start, weights, None, dropout_state, 0.0, False, x.shape[2], units, 1, mode, 0, False
    )
    return ys.transpose([1, 0, 2]), *(state[0] for state in last)


def _weights(kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None) -> list[Tensor]:
    """Paddle's four: its second bias is 0, since a trained pair would move twice as fast as Keras's one."""
    second = paddle.zeros([kernel.shape[1]], kernel.dtype)
    return [kernel.t(), recurrent_kernel.t(), second.clone() if bias is None else bias, second]


def lstm(
    x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None,
    hidden: Tensor | None, cell: Tensor | None,
    *, activation: str, recurrent_activation: str, backwards: bool = False,
) -> Any:  # fmt: skip
    if (activation, recurrent_activation) != ("tanh", "sigmoid"):
        return NotImplemented
    return _run("LSTM", x, (hidden, cell), _weights(kernel, recurrent_kernel, bias), backwards)


def _reset_first(parts: Tensor) -> Tensor:
    """Keras's gates z, r, h along the first axis in Paddle's order r, z, c."""
    z, r, h = paddle.split(parts, 3, 0)
    return paddle.concat([r, z, h], 0)


def gru(
    x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None, state: Tensor | None,
    *, activation: str, recurrent_activation: str, reset_after: bool, backwards: bool = False,
) -> Any:  # fmt: skip
    if (activation, recurrent_activation, reset_after) != ("tanh", "sigmoid", True):
        return NotImplemented
    weights = _weights(kernel, recurrent_kernel, None if bias is None else bias[0])
    if bias is not None:
        weights[3] = bias[1]
    return _run("GRU", x, (state,), [_reset_first(part) for part in weights], backwards)


_SIMPLE_RNNS = {"tanh": "RNN_TANH", "relu": "RNN_RELU"}


def simple_rnn(
    x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None, state: Tensor | None,
    *, activation: str, backwards: bool = False,
) -> Any:  # fmt: skip
    mode = _SIMPLE_RNNS.get(activation)
    if mode is None:
        return NotImplemented
    return _run(mode, x, (state,), _weights(kernel, recurrent_kernel, bias), backwards)


# -- losses ---------------------------------------------------------------------------------------
def sparse_categorical_crossentropy(target: Tensor, output: Tensor, *, from_logits: bool) -> Any:
    if not from_logits:
        return NotImplemented
    each = F.cross_entropy(output, target.astype("int64").unsqueeze(-1), reduction="none")
    return each.squeeze(-1)


LAYERS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        batch_norm, normalize, layer_norm, lstm, gru, simple_rnn, sparse_categorical_crossentropy,
    )
}  # fmt: skip
