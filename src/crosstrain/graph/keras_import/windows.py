"""Keras's window arithmetic made explicit: ``same`` and ``causal`` as (before, after), channels put last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras.src.backend.common.backend_utils import compute_conv_transpose_padding_args_for_jax

from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import.trace import Tracer

Pairs = tuple[tuple[int, int], ...]


def each(value: Any, rank: int) -> tuple[int, ...]:
    """An int, or one for each spatial axis."""
    return (int(value),) * rank if isinstance(value, int) else tuple(int(v) for v in value)


def channels_last(t: Tracer, x: Any, data_format: str | None) -> Any:
    if data_format != "channels_first":
        return x
    rank = len(x.shape)
    return t.op.transpose(x, axes=(0, *range(2, rank), 1))


def channels_back(t: Tracer, y: Any, data_format: str | None) -> Any:
    """The inverse of ``channels_last``."""
    if data_format != "channels_first":
        return y
    rank = len(y.shape)
    return t.op.transpose(y, axes=(0, rank - 1, *range(1, rank - 1)))


def padding_of(
    t: Tracer,
    padding: str,
    lengths: Sequence[int | None],
    size: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
) -> Pairs:
    """(before, after) for each spatial axis, by TensorFlow's rule, which is Keras's: with ``same`` the
    output has ceil(length / stride) cells and the odd unit of padding comes last."""
    padding = padding.lower()
    if padding == "valid":
        return ((0, 0),) * len(size)
    pairs = []
    for length, k, s, d in zip(lengths, size, strides, dilation, strict=True):
        reach = (k - 1) * d
        if padding == "causal":
            pairs.append((reach, 0))
            continue
        if s == 1:
            total = reach
        elif length is None:
            raise CrosstrainError(
                f"{t.where} pads 'same' with stride {s} an axis of unknown length; give the input a "
                "fixed size"
            )
        else:
            total = max((-(-length // s) - 1) * s + reach + 1 - length, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)


def crop_of(
    padding: str,
    input_shape: Sequence[Any],
    kernel_shape: Sequence[int],
    strides: Any,
    output_padding: Any,
    dilation: Any,
) -> Pairs:
    """The crop of a transposed convolution's full output at either end (negative: zeros are added)."""
    pads = compute_conv_transpose_padding_args_for_jax(
        input_shape, kernel_shape, strides, padding, output_padding, dilation
    )
    pairs = []
    for (left, right), k, d in zip(pads, kernel_shape, each(dilation, len(pads)), strict=False):
        reach = (k - 1) * d
        pairs.append((reach - left, reach - right))
    return tuple(pairs)
