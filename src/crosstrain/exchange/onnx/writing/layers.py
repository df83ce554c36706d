"""The op vocabulary written as ONNX nodes: convolutions, poolings, normalisation, recurrent layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from crosstrain.exchange.onnx.writing.emit import Emitter, Tensor, form
from crosstrain.exchange.onnx.writing.ops import FLOATS, Specs
from crosstrain.graph.graph import TensorSpec
from crosstrain.graph.ops import VOCABULARY
from crosstrain.graph.ops.convolution import Pairs


def pads(padding: Pairs) -> list[int]:
    """All befores, then all afters."""
    return [before for before, _ in padding] + [after for _, after in padding]


# -- windows ----------------------------------------------------------------------------------------
@form("conv")
def conv(
    e: Emitter, specs: Specs, x: Tensor, kernel: Tensor, bias: Tensor | None = None,
    *, strides: Any, padding: Pairs, dilation: Any, groups: int = 1,
) -> Any:  # fmt: skip
    size = kernel.rank - 2
    weight = e.ops.transpose(kernel, axes=(size + 1, size, *range(size)))
    name = e.one(
        "Conv", x.first, weight.last, *([] if bias is None else [bias.last]), group=groups,
        kernel_shape=list(kernel.shape[:-2]), strides=list(strides), pads=pads(padding),
        dilations=list(dilation),
    )  # fmt: skip
    return e.as_tensor(name, specs[0], first=True)


@form("conv_transpose")
def conv_transpose(
    e: Emitter, specs: Specs, x: Tensor, kernel: Tensor, bias: Tensor | None = None,
    *, strides: Any, crop: Pairs, dilation: Any,
) -> Any:  # fmt: skip
    size = kernel.rank - 2
    weight = e.ops.transpose(kernel, axes=(size + 1, size, *range(size)))
    grown = tuple((max(-before, 0), max(-after, 0)) for before, after in crop)
    # Zeros that an end gains come before the bias.
    gains = any(map(any, grown))
    name = e.one(
        "ConvTranspose", x.first, weight.last, *([] if bias is None or gains else [bias.last]),
        kernel_shape=list(kernel.shape[:-2]), strides=list(strides), dilations=list(dilation),
        pads=pads(tuple((max(before, 0), max(after, 0)) for before, after in crop)),
    )  # fmt: skip
    if not gains:
        return e.as_tensor(name, specs[0], first=True)
    lengths = [None if n is None else n - sum(g) for n, g in zip(specs[0].shape[1:-1], grown, strict=True)]
    inner = e.as_tensor(name, TensorSpec((x.shape[0], *lengths, specs[0].shape[-1]), x.dtype), first=True)
    y = e.ops.pad(inner, padding=((0, 0), *grown, (0, 0)))
    return y if bias is None else y + bias


def _pool(name: str, op: str, whole: str, **more: Any) -> None:
    @form(name)
    def write(e: Emitter, specs: Specs, x: Tensor, *, window: Any, strides: Any, padding: Pairs) -> Any:
        if tuple(window) == x.shape[1:-1] and not any(map(any, padding)):
            return e.as_tensor(e.one(whole, x.first), specs[0], first=True)
        if any(max(pair) >= size for pair, size in zip(padding, window, strict=True)):
            return _wide_pool(e, x, name, window, strides, padding)
        pooled = e.one(
            op, x.first, kernel_shape=list(window), strides=list(strides), pads=pads(padding), **more
        )
        return e.as_tensor(pooled, specs[0], first=True)


_pool("max_pool", "MaxPool", "GlobalMaxPool")
_pool("average_pool", "AveragePool", "GlobalAveragePool", count_include_pad=0)


def _wide_pool(e: Emitter, x: Tensor, name: str, window: Any, strides: Any, padding: Pairs) -> Any:
    """Padding as wide as the window, which ONNX's poolings refuse, is laid on beforehand."""
    around = ((0, 0), *padding, (0, 0))
    plain: dict[str, Any] = {
        "window": window, "strides": strides, "padding": tuple((0, 0) for _ in padding),
    }  # fmt: skip
    if name == "max_pool":
        return e.ops.max_pool(e.ops.pad(x, padding=around, value=-np.inf), **plain)
    valid = np.pad(np.ones((1, *(n or 1 for n in x.shape[1:-1]), 1), x.dtype), around)
    counts = e.ops.average_pool(e.constant(valid), **plain)
    return e.ops.average_pool(e.ops.pad(x, padding=around), **plain) / counts


@form("upsample_nearest")
def upsample_nearest(e: Emitter, specs: Specs, x: Tensor, *, size: Sequence[int]) -> Any:
    if x.dtype not in FLOATS:
        return VOCABULARY["upsample_nearest"].meaning(e.ops, x, size=size)  # type: ignore[misc]
    scales = e.initialiser(np.asarray([1, 1, *size], "float32"))
    name = e.one(
        "Resize", x.first, "", scales, mode="nearest", nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )  # fmt: skip
    return e.as_tensor(name, specs[0], first=True)


# -- normalisation ----------------------------------------------------------------------------------
@form("normalize")
def normalize(
    e: Emitter, specs: Specs, x: Tensor, gamma: Tensor | None, beta: Tensor | None, mean: Tensor,
    variance: Tensor, *, axis: int, epsilon: float,
) -> Any:  # fmt: skip
    axis %= x.rank
    if axis not in (1, x.rank - 1):
        return VOCABULARY["normalize"].meaning(  # type: ignore[misc]
            e.ops, x, gamma, beta, mean, variance, axis=axis, epsilon=epsilon
        )
    count = x.shape[axis]
    assert count is not None
    gamma = e.constant(np.ones(count, x.dtype)) if gamma is None else gamma
    beta = e.constant(np.zeros(count, x.dtype)) if beta is None else beta
    front = x.rank > 2 and axis == x.rank - 1
    name = e.one(
        "BatchNormalization", x.first if front else x.last, gamma.last, beta.last, mean.last, variance.last,
        epsilon=float(epsilon),
    )  # fmt: skip
    return e.as_tensor(name, x.spec(), first=front)


@form("layer_norm")
def layer_norm(
    e: Emitter, specs: Specs, x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None,
    *, axes: Sequence[int], epsilon: float,
) -> Any:  # fmt: skip
    places = sorted(a % x.rank for a in axes)
    within = x.shape[places[0] :]
    trailing = places == list(range(places[0], x.rank)) and None not in within
    if not trailing or any(t is not None and t.shape != within for t in (gamma, beta)):
        return VOCABULARY["layer_norm"].meaning(  # type: ignore[misc]
            e.ops, x, gamma, beta, axes=tuple(axes), epsilon=epsilon
        )
    if gamma is None:
        gamma = e.constant(np.ones([n or 0 for n in within], x.dtype))
    inputs = [x.last, gamma.last, *([] if beta is None else [beta.last])]
    name = e.node("LayerNormalization", inputs, axis=places[0], epsilon=float(epsilon))[0]
    return e.as_tensor(name, x.spec())


# -- recurrence -------------------------------------------------------------------------------------
COMMON = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu"}
"""Activations that every reader's recurrent layers have."""
RARE = {
    "hard_sigmoid": "HardSigmoid",
    "softsign": "Softsign",
    "softplus": "Softplus",
    "elu": "Elu",
    "linear": "Affine",
}
"""Those that ONNX has too but some readers have not: written natively only where nothing can be unrolled."""
NUMBERS = {"HardSigmoid": (1 / 6, 0.5), "Elu": (1.0, 0.0), "Affine": (1.0, 0.0)}

DEFAULTS = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}


def _native(x: Tensor, *activations: str) -> bool:
    table = COMMON if x.shape[1] is not None else COMMON | RARE
    return all(a in table for a in activations)


def _recurrent(
    e: Emitter, specs: Specs, op: str, x: Tensor, kernel: Tensor, recurrent: Tensor, bias: Tensor | None,
    states: Sequence[Tensor | None], activations: Sequence[str], backwards: bool, order: Sequence[int],
    **more: Any,
) -> tuple[Tensor, ...]:  # fmt: skip
    """An ONNX layer; ``order`` are Keras's gates in ONNX's order, ``bias`` is (2, gates · units)."""
    units = recurrent.shape[0]
    assert units is not None
    ops = e.ops

    def gates(value: Tensor, axis: int) -> Any:
        if list(order) == list(range(len(order))):
            return value
        parts = ops.split(value, sizes=(units,) * len(order), axis=axis)
        return ops.concatenate(*(parts[i] for i in order), axis=axis)

    def matrix(value: Tensor) -> str:
        swapped: Tensor = ops.expand_dims(ops.transpose(gates(value, 1), axes=(1, 0)), axis=0)
        return swapped.last

    both = "" if bias is None else ops.reshape(gates(bias, 1), shape=(1, 2 * units * len(order))).last
    begin = ["" if s is None else ops.expand_dims(s, axis=0).last for s in states]
    named = [(COMMON | RARE)[a] for a in activations]
    if any(a in NUMBERS for a in named):
        more["activation_alpha"] = [NUMBERS.get(a, (0.0, 0.0))[0] for a in named]
        more["activation_beta"] = [NUMBERS.get(a, (0.0, 0.0))[1] for a in named]
    if named != DEFAULTS[op]:  # OpenCV reads the layers whose activations go without saying
        more["activations"] = named
    inputs = [
        ops.transpose(x, axes=(1, 0, 2)).last, matrix(kernel), matrix(recurrent), both, "", *begin,
    ]  # fmt: skip
    names = e.node(
        op, inputs, len(specs), hidden_size=units, direction="reverse" if backwards else "forward", **more
    )
    length, batch = x.shape[1], x.shape[0]
    ys = ops.squeeze(e.as_tensor(names[0], TensorSpec((length, 1, batch, units), x.dtype)), axis=1)
    ys = ops.transpose(ys, axes=(1, 0, 2))
    if backwards:
        # ONNX gives the outputs in the order of time, the vocabulary in that of their making.
        ys = ops.flip(ys, axis=1)
    last = [
        ops.squeeze(e.as_tensor(name, TensorSpec((1, batch, units), x.dtype)), axis=0) for name in names[1:]
    ]
    return ys, *last


def _two(e: Emitter, bias: Tensor | None) -> Tensor | None:
    """One bias as ONNX's two, the second zero."""
    if bias is None:
        return None
    zeros = e.constant(np.zeros(bias.shape[0] or 0, bias.dtype))
    stacked: Tensor = e.ops.stack(bias, zeros, axis=0)
    return stacked


@form("simple_rnn")
def simple_rnn(
    e: Emitter, specs: Specs, x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None,
    state: Tensor | None, *, activation: str, backwards: bool = False,
) -> Any:  # fmt: skip
    if not _native(x, activation):
        return VOCABULARY["simple_rnn"].meaning(  # type: ignore[misc]
            e.ops, x, kernel, recurrent_kernel, bias, state, activation=activation, backwards=backwards
        )
    return _recurrent(
        e, specs, "RNN", x, kernel, recurrent_kernel, _two(e, bias), [state], [activation], backwards, [0]
    )


@form("lstm")
def lstm(
    e: Emitter, specs: Specs, x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None,
    hidden: Tensor | None, cell: Tensor | None,
    *, activation: str, recurrent_activation: str, backwards: bool = False,
) -> Any:  # fmt: skip
    if not _native(x, activation, recurrent_activation):
        return VOCABULARY["lstm"].meaning(  # type: ignore[misc]
            e.ops, x, kernel, recurrent_kernel, bias, hidden, cell, activation=activation,
            recurrent_activation=recurrent_activation, backwards=backwards,
        )  # fmt: skip
    return _recurrent(
        e, specs, "LSTM", x, kernel, recurrent_kernel, _two(e, bias), [hidden, cell],
        [recurrent_activation, activation, activation], backwards, [0, 3, 1, 2],
    )  # fmt: skip


@form("gru")
def gru(
    e: Emitter, specs: Specs, x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None,
    state: Tensor | None,
    *, activation: str, recurrent_activation: str, reset_after: bool, backwards: bool = False,
) -> Any:  # fmt: skip
    if not _native(x, activation, recurrent_activation):
        return VOCABULARY["gru"].meaning(  # type: ignore[misc]
            e.ops, x, kernel, recurrent_kernel, bias, state, activation=activation,
            recurrent_activation=recurrent_activation, reset_after=reset_after, backwards=backwards,
        )  # fmt: skip
    return _recurrent(
        e, specs, "GRU", x, kernel, recurrent_kernel, bias if reset_after else _two(e, bias), [state],
        [recurrent_activation, activation], backwards, [0, 1, 2], linear_before_reset=int(reset_after),
    )  # fmt: skip
