"""The delta rule: ``epochs=500, goal=0.01, show=100, lr=0.01``."""

from __future__ import annotations

from dataclasses import dataclass
from operator import mul
from typing import Any

import numpy as np

from crosstrain.classic.neurolab import trans
from crosstrain.classic.neurolab.core import Train
from crosstrain.classic.neurolab.error import SSE
from crosstrain.classic.neurolab.layer import Perceptron

FEW = 32
"""Up to so many inputs, a threshold unit learns faster with floats than with arrays; up to so many answers,
it answers faster with them too."""


@dataclass
class _Unit:
    """A threshold unit in plain floats.

    ``weights`` end in the bias; ``examples`` are what it is to answer, and the sample with a 1 behind it.
    """

    weights: list[float]
    examples: list[tuple[float, tuple[float, ...]]]

    def misses(self, low: float, high: float) -> list[float]:
        """What is missing in its answers."""
        weights = self.weights
        return [
            wanted - (high if sum(map(mul, weights, sample)) > 0.0 else low)
            for wanted, sample in self.examples
        ]

    def learn(self, lr: float, low: float, high: float, first: int = 0) -> None:
        """Sees each sample once, and moves after each. Those before ``first`` are answered well."""
        weights = self.weights
        for wanted, sample in self.examples[first:]:
            miss = wanted - (high if sum(map(mul, weights, sample)) > 0.0 else low)
            if miss:
                step = lr * miss
                weights = [each + step * x for each, x in zip(weights, sample)]  # noqa: B905
        self.weights = weights


class TrainDelta(Train):
    """Moves the weights after each sample by ``lr × (target − output) × input``, for networks of one
    layer."""

    def __init__(self, net: Any, input: np.ndarray, target: np.ndarray, lr: float = 0.01) -> None:
        self.lr = lr

    def __call__(self, net: Any, input: np.ndarray, target: np.ndarray) -> None:  # type: ignore[override]
        layer = net.layers[0]
        if type(layer.transf) not in trans.THRESHOLDS or layer.ci > FEW or type(layer) is not Perceptron:
            while True:
                self.epochf(self.error(net, input, target), net, input, target)
                self._arrays(layer, input, target)
        samples = [(*row, 1.0) for row in input.tolist()]
        units = [
            _Unit([*weights, bias], list(zip(wanted, samples, strict=True)))
            for weights, bias, wanted in zip(
                layer.np["w"].tolist(), layer.np["b"].tolist(), target.T.tolist(), strict=True
            )
        ]
        alone = len(net.layers) == 1 and type(net.errorf) is SSE
        learn = self._few if alone and 0 < len(input) * layer.cn <= FEW else self._many
        learn(net, input, target, units)

    def _few(self, net: Any, input: np.ndarray, target: np.ndarray, units: list[_Unit]) -> None:
        """Floats answer and learn; the network gets the weights, and its last answers, in the end."""
        layer, lr = net.layers[0], self.lr
        low, high = trans.THRESHOLDS[type(layer.transf)]
        try:
            while True:
                total, wrong = 0.0, []
                for unit in units:
                    misses = unit.misses(low, high)
                    if any(misses):
                        first = next(number for number, miss in enumerate(misses) if miss)
                        wrong.append((unit, first))
                        total += sum(map(mul, misses, misses))
                self.epochf(0.5 * total, net, input, target)
                for unit, first in wrong:
                    unit.learn(lr, low, high, first)
        finally:
            _write(units, layer)
            s = [sum(map(mul, unit.weights, unit.examples[-1][1])) for unit in units]
            net.inp = layer.inp = input[-1]
            layer.s = np.array(s)
            net.out = layer.out = np.array([high if each > 0.0 else low for each in s])

    def _many(self, net: Any, input: np.ndarray, target: np.ndarray, units: list[_Unit]) -> None:
        """Arrays answer, floats learn."""
        low, high = trans.THRESHOLDS[type(net.layers[0].transf)]
        while True:
            self.epochf(self.error(net, input, target), net, input, target)
            for unit in units:
                unit.learn(self.lr, low, high)
            _write(units, net.layers[0])

    def _arrays(self, layer: Any, input: np.ndarray, target: np.ndarray) -> None:
        w, b = layer.np["w"], layer.np["b"]
        for inp, wanted in zip(input, target, strict=True):
            step = self.lr * (wanted - layer.transf(w @ inp + b))
            w += step[:, None] * inp
            b += step


def _write(units: list[_Unit], layer: Any) -> None:
    w, b = layer.np["w"], layer.np["b"]
    for number, unit in enumerate(units):
        w[number], b[number] = unit.weights[:-1], unit.weights[-1]
