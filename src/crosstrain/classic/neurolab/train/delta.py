"""The delta rule: ``epochs=500, goal=0.01, show=100, lr=0.01``."""

from __future__ import annotations

from collections.abc import Callable
from operator import mul
from typing import Any

import numpy as np

from crosstrain.classic.neurolab import trans
from crosstrain.classic.neurolab.core import Train

FEW = 32
"""Up to so many inputs, a threshold unit is faster with floats than with arrays."""


class TrainDelta(Train):
    """Moves the weights after each sample by ``lr × (target − output) × input``, for networks of one
    layer."""

    def __init__(self, net: Any, input: np.ndarray, target: np.ndarray, lr: float = 0.01) -> None:
        self.lr = lr
        self.samples = list(map(tuple, input.tolist()))
        self.targets = target.T.tolist()

    def __call__(self, net: Any, input: np.ndarray, target: np.ndarray) -> None:  # type: ignore[override]
        layer = net.layers[0]
        levels = trans.THRESHOLDS.get(type(layer.transf))
        epoch: Callable[..., None] = self._arrays if levels is None or layer.ci > FEW else self._floats
        while True:
            self.epochf(self.error(net, input, target), net, input, target)
            epoch(layer, input, target)

    def _floats(self, layer: Any, input: np.ndarray, target: np.ndarray) -> None:
        low, high = trans.THRESHOLDS[type(layer.transf)]
        w, b, lr = layer.np["w"], layer.np["b"], self.lr
        for unit, targets in enumerate(self.targets):
            weights, bias = w[unit].tolist(), float(b[unit])
            for sample, wanted in zip(self.samples, targets):  # noqa: B905
                step = lr * (wanted - (high if sum(map(mul, weights, sample)) + bias > 0 else low))
                if step:
                    weights = [each + step * x for each, x in zip(weights, sample)]  # noqa: B905
                    bias += step
            w[unit], b[unit] = weights, bias

    def _arrays(self, layer: Any, input: np.ndarray, target: np.ndarray) -> None:
        w, b = layer.np["w"], layer.np["b"]
        for inp, wanted in zip(input, target, strict=True):
            step = self.lr * (wanted - layer.transf(w @ inp + b))
            w += step[:, None] * inp
            b += step
