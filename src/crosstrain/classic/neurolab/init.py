"""First weights of layers, from ``numpy.random``'s global generator, in NeuroLab's order of draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def init_rand(layer: Any, min: float = -0.5, max: float = 0.5, init_prop: str = "w") -> None:
    """Draws a property of the layer uniformly from ``min`` to ``max``.

    :raises ValueError: the layer has no such property.
    """
    if init_prop not in layer.np:
        raise ValueError(f"The layer has no property {init_prop!r}; it has {', '.join(map(repr, layer.np))}")
    layer.np[init_prop] = np.random.uniform(min, max, layer.np[init_prop].shape)


def initwb_reg(layer: Any) -> None:
    """Draws weights and biases within the transfer function's active range over twice the number of units."""
    low, high = layer.transf.inp_active
    low = (-100.0 if math.isinf(low) else low) / (2 * layer.cn)
    high = (100.0 if math.isinf(high) else high) / (2 * layer.cn)
    w, b = layer.np["w"], layer.np.get("b")
    draws = np.random.uniform(low, high, w.size + (0 if b is None else b.size))
    layer.np["w"] = draws[: w.size].reshape(w.shape)
    if b is not None:
        layer.np["b"] = draws[w.size :].reshape(b.shape)


class InitRand:
    """Draws the named properties uniformly: ``InitRand([-1, 1], "wb")``."""

    def __init__(self, minmax: Sequence[float], init_prop: Iterable[str]) -> None:
        self.min, self.max = minmax[0], minmax[1]
        self.properties = init_prop

    def __call__(self, layer: Any) -> None:
        for name in self.properties:
            init_rand(layer, self.min, self.max, name)


def init_zeros(layer: Any) -> None:
    """Sets all properties to 0."""
    for values in layer.np.values():
        values.fill(0.0)


def midpoint(layer: Any) -> None:
    """Sets every unit's weights to the middle of the inputs' ranges."""
    layer.np["w"][:] = layer.inp_minmax.mean(axis=1)


def initnw(layer: Any) -> None:
    """Nguyen and Widrow's weights: units spread over the inputs' ranges (IJCNN 1990).

    As NeuroLab has it: for inputs whose range is not symmetric, it shifts the units by the scaled weights,
    where the paper's shift is by the weights before scaling.
    """
    inputs, units = layer.ci, layer.cn
    length = 0.7 * units ** (1.0 / inputs)
    direction = np.random.rand(units, inputs) * 2 - 1
    if inputs == 1:
        direction = np.sign(direction)
    else:
        direction /= np.sqrt(np.square(direction).sum(axis=1, keepdims=True))
    weights = length * direction
    biases = length * np.linspace(-1, 1, units) * np.sign(weights[:, 0]) if units > 1 else np.zeros(1)

    low, high = layer.transf.inp_active
    low, high = -1 if np.isneginf(low) else low, 1 if np.isposinf(high) else high
    weights = 0.5 * (high - low) * weights
    biases = 0.5 * (high - low) * biases + 0.5 * (high + low)

    ranges = layer.inp_minmax.copy()
    ranges[np.isneginf(ranges)], ranges[np.isposinf(ranges)] = -1, 1
    scale = 2.0 / (ranges[:, 1] - ranges[:, 0])
    weights = weights * scale
    layer.np["w"][:] = weights
    layer.np["b"][:] = weights @ (1.0 - ranges[:, 1] * scale) + biases
