"""Weights of layers as Keras 1 and Theano stored them, converted to those of Keras 3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np


@dataclass(frozen=True)
class Stored:
    """A layer's weights in the order of the file, with their names there."""

    layer: str
    names: Sequence[str]
    arrays: Sequence[np.ndarray]


GATES = {"LSTM": (0, 2, 1, 3), "GRU": (0, 1, 2)}
"""Where the gates of Keras 3 lie among those of Keras 1, which kept three weights for each gate: for an
LSTM in the order input, cell, forget, output."""
CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose")


def modern(stored: Stored, layer: keras.Layer, version: int, by_theano: bool) -> Stored:
    """The weights of one layer in its current layout. ``version`` is that of the Keras that wrote them."""
    kind, arrays = type(layer).__name__, list(stored.arrays)
    if version < 2 and kind in GATES and len(arrays) == 3 * len(GATES[kind]):
        gates = [arrays[3 * gate : 3 * gate + 3] for gate in GATES[kind]]
        arrays = [np.concatenate(parts, axis=-1) for parts in zip(*gates, strict=True)]
        return Stored(stored.layer, ("kernel", "recurrent_kernel", "bias"), arrays)
    if kind in CONVOLUTIONS and arrays and arrays[0].ndim > 2:
        if version < 2 and layer.data_format == "channels_first" and arrays[0].ndim == 4:
            arrays[0] = arrays[0].transpose(2, 3, 1, 0)
        if version < 2 and kind == "Conv1D" and arrays[0].ndim == 4:
            arrays[0] = arrays[0][:, 0]
        if by_theano:
            arrays[0] = _turned(arrays[0])
    return replace(stored, arrays=arrays)


def _turned(kernel: np.ndarray) -> np.ndarray:
    """Theano computed a true convolution, with a flipped kernel; the others compute a cross-correlation."""
    places: Sequence[slice] = [slice(None, None, -1)] * (kernel.ndim - 2)
    return kernel[tuple(places)]
