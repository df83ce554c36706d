"""Layers and losses that PyTorch has in one piece, for the cases in which it means what Keras means.

Each function answers ``NotImplemented`` for the other cases; the meaning in the vocabulary takes those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from crosstrain.graph.ops.shapes import axes_of


# -- normalisation --------------------------------------------------------------------------------
def _over_last(x: Tensor, axes: tuple[int, ...], *scales: Tensor | None) -> list[int] | None:
    """The lengths of ``axes`` where PyTorch's layer norms do this: last axes, scales of just their shape."""
    rank = x.ndim
    if sorted(axes_of(rank, axes)) != list(range(rank - len(axes), rank)):
        return None
    lengths = list(x.shape[rank - len(axes) :])
    return lengths if all(s is None or list(s.shape) == lengths for s in scales) else None


def layer_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, *, axes: Any, epsilon: float
) -> Any:
    lengths = _over_last(x, axes, gamma, beta)
    return NotImplemented if lengths is None else F.layer_norm(x, lengths, gamma, beta, epsilon)


def rms_norm(x: Tensor, gamma: Tensor | None = None, *, axes: Any, epsilon: float) -> Any:
    lengths = _over_last(x, axes, gamma)
    return NotImplemented if lengths is None else F.rms_norm(x, lengths, gamma, epsilon)


# -- recurrent layers -----------------------------------------------------------------------------
def _start(x: Tensor, units: int, state: Tensor | None) -> Tensor:
    """The first state as (layers, N, units)."""
    return x.new_zeros((1, x.shape[0], units)) if state is None else state.unsqueeze(0)


def _two_biases(bias: Tensor | None) -> list[Tensor]:
    """PyTorch has a second bias, always 0 here: a trained pair would move twice as fast as Keras's one."""
    return [] if bias is None else [bias, torch.zeros_like(bias, requires_grad=False)]


def _transposed(kernel: Tensor) -> Tensor:
    """(gates · units, inputs), as cuDNN reads it: it takes no view, and a trained kernel lies so already."""
    transposed = kernel.t()
    return transposed.contiguous() if kernel.is_cuda else transposed


def _run(layer: Any, x: Tensor, state: Any, weights: list[Tensor], backwards: bool) -> Any:
    x = x.flip(1) if backwards else x
    return layer(x, state, weights, len(weights) == 4, 1, 0.0, torch.is_grad_enabled(), False, True)


def lstm(
    x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None,
    hidden: Tensor | None, cell: Tensor | None,
    *, activation: str, recurrent_activation: str, backwards: bool = False,
) -> Any:  # fmt: skip
    if (activation, recurrent_activation) != ("tanh", "sigmoid"):
        return NotImplemented
    units = recurrent_kernel.shape[0]
    start = (_start(x, units, hidden), _start(x, units, cell))
    weights = [_transposed(kernel), _transposed(recurrent_kernel), *_two_biases(bias)]
    ys, h, c = _run(torch._VF.lstm, x, start, weights, backwards)
    return ys, h[0], c[0]


def _reset_first(parts: Tensor) -> Tensor:
    """Keras's gates z, r, h along the first axis in PyTorch's order r, z, n."""
    z, r, h = parts.chunk(3)
    return torch.cat((r, z, h))


def gru(
    x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None, state: Tensor | None,
    *, activation: str, recurrent_activation: str, reset_after: bool, backwards: bool = False,
    reset_first: bool = False,
) -> Any:  # fmt: skip
    """With ``reset_first`` the weights have PyTorch's order of gates already (``gates.py``)."""
    if (activation, recurrent_activation, reset_after) != ("tanh", "sigmoid", True):
        return NotImplemented
    weights = [_transposed(kernel), _transposed(recurrent_kernel)]
    weights += [] if bias is None else [bias[0], bias[1]]
    weights = weights if reset_first else [_reset_first(each) for each in weights]
    ys, h = _run(torch._VF.gru, x, _start(x, recurrent_kernel.shape[0], state), weights, backwards)
    return ys, h[0]


_SIMPLE_RNNS = {"tanh": torch._VF.rnn_tanh, "relu": torch._VF.rnn_relu}


def simple_rnn(
    x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None, state: Tensor | None,
    *, activation: str, backwards: bool = False,
) -> Any:  # fmt: skip
    layer = _SIMPLE_RNNS.get(activation)
    if layer is None:
        return NotImplemented
    weights = [_transposed(kernel), _transposed(recurrent_kernel), *_two_biases(bias)]
    ys, h = _run(layer, x, _start(x, recurrent_kernel.shape[0], state), weights, backwards)
    return ys, h[0]


# -- losses and noise -----------------------------------------------------------------------------
def sparse_categorical_crossentropy(target: Tensor, output: Tensor, *, from_logits: bool) -> Any:
    if not from_logits:
        return NotImplemented
    rows = output.reshape(-1, output.shape[-1])
    return F.cross_entropy(rows, target.reshape(-1).long(), reduction="none").reshape(target.shape)


def binary_crossentropy(target: Tensor, output: Tensor, *, from_logits: bool) -> Any:
    if not from_logits or target.shape != output.shape:
        return NotImplemented
    return F.binary_cross_entropy_with_logits(output, target.to(output.dtype), reduction="none")


def dropout(x: Tensor, seed: Any, *, rate: float, salt: int, noise_shape: Any = None) -> Any:
    return NotImplemented if noise_shape is not None else F.dropout(x, rate, training=True)


LAYERS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        layer_norm, rms_norm, lstm, gru, simple_rnn,
        sparse_categorical_crossentropy, binary_crossentropy, dropout,
    )
}  # fmt: skip
