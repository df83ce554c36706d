"""A network's weights, biases and other properties as one vector."""

from __future__ import annotations

from typing import Any

import numpy as np


def _properties(net: Any) -> list[np.ndarray]:
    return [values for layer in net.layers for values in layer.np.values()]


def np_size(net: Any) -> int:
    """The number of weights, biases and other properties."""
    return sum(values.size for values in _properties(net))


def np_get(net: Any) -> np.ndarray:
    """A copy of all properties as one vector."""
    return np.concatenate([values.ravel() for values in _properties(net)])


def np_set(net: Any, np_data: np.ndarray) -> None:
    """Sets all properties from one vector."""
    start = 0
    for values in _properties(net):
        values[:] = np.reshape(np_data[start : start + values.size], values.shape)
        start += values.size


def np_get_ref(net: Any) -> np.ndarray:
    """All properties as one vector, of which the layers' are views from now on."""
    x = np_get(net)
    start = 0
    for layer in net.layers:
        for name, values in layer.np.items():
            layer.np[name] = x[start : start + values.size].reshape(values.shape)
            start += values.size
    return x


def layer_matrices(net: Any, x: np.ndarray) -> list[np.ndarray]:
    """Views of a vector: for each layer its weights and, in the last column, biases, (units, inputs + 1)."""
    matrices, start = [], 0
    for layer in net.layers:
        shape = (layer.cn, layer.ci + 1)
        end = start + shape[0] * shape[1]
        matrices.append(x[start:end].reshape(shape))
        start = end
    return matrices
