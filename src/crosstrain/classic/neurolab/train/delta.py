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


@dataclass(slots=True)
class _Unit:
    """A threshold unit in plain floats.

    ``weights`` end with the bias, and every sample with the 1 that it stands for. ``examples`` are what the
    unit is to answer, and to which sample; ``moved`` are the weights that the last :meth:`error` found
    learning to lead to.
    """

    weights: list[float]
    examples: list[tuple[float, list[float]]]
    moved: list[float]

    def learn(self, lr: float, low: float, high: float) -> None:
        """Sees each sample once, and moves after each."""
        weights = self.weights
        for wanted, sample in self.examples:
            miss = wanted - (high if sum(map(mul, weights, sample)) > 0.0 else low)
            if miss:
                step = lr * miss
                weights = [each + step * x for each, x in zip(weights, sample)]  # noqa: B905
        self.weights = weights

    def error(self, lr: float, low: float, high: float) -> float:
        """The sum of its squared misses. On the way, ``moved`` becomes what :meth:`learn` would make of it:
        up to the first miss both need the same products."""
        weights = moved = self.weights
        total = 0.0
        for wanted, sample in self.examples:
            answer = high if sum(map(mul, weights, sample)) > 0.0 else low
            if miss := wanted - answer:
                total += miss * miss
            if moved is not weights:
                miss = wanted - (high if sum(map(mul, moved, sample)) > 0.0 else low)
            if miss:
                step = lr * miss
                moved = [each + step * x for each, x in zip(moved, sample)]  # noqa: B905
        self.moved = moved
        return total


class _UnitInThePlane(_Unit):
    """With two inputs, as lessons have them: the same sums, spelled out."""

    def error(self, lr: float, low: float, high: float) -> float:
        a, b, bias = next_a, next_b, next_bias = self.weights
        total = 0.0
        for wanted, (x, y, _) in self.examples:
            miss = wanted - (high if a * x + b * y + bias > 0.0 else low)
            total += miss * miss
            miss = wanted - (high if next_a * x + next_b * y + next_bias > 0.0 else low)
            if miss:
                step = lr * miss
                next_a += step * x
                next_b += step * y
                next_bias += step
        self.moved = [next_a, next_b, next_bias]
        return total


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
        samples = [[*sample, 1.0] for sample in input.tolist()]
        kind = _UnitInThePlane if layer.ci == 2 else _Unit
        units = [
            kind([*weights, bias], list(zip(wanted, samples, strict=True)), [])
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
                total = 0.0
                for unit in units:
                    total += unit.error(lr, low, high)
                self.epochf(0.5 * total, net, input, target)
                for unit in units:
                    unit.weights = unit.moved
        finally:
            _write(units, layer)
            sample = units[0].examples[-1][1]
            s = [sum(map(mul, unit.weights, sample)) for unit in units]
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
        *w[number], b[number] = unit.weights
