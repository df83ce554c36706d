"""The delta rule: ``epochs=500, goal=0.01, show=100, lr=0.01``."""

from __future__ import annotations

from dataclasses import dataclass
from operator import mul
from typing import Any

import numpy as np

from crosstrain.classic.neurolab import trans
from crosstrain.classic.neurolab.core import Train
from crosstrain.classic.neurolab.layer import Perceptron

FEW = 32
"""Up to so many inputs, a threshold unit is faster with floats than with arrays; to answer up to so many
samples too."""


@dataclass
class _Unit:
    """A threshold unit as plain floats, and what it is to answer."""

    weights: list[float]
    bias: float
    targets: list[float]

    def answers(self, samples: list[tuple[float, ...]], low: float, high: float) -> list[float]:
        weights, bias = self.weights, self.bias
        return [high if sum(map(mul, weights, sample)) + bias > 0 else low for sample in samples]

    def learn(self, samples: list[tuple[float, ...]], lr: float, low: float, high: float) -> None:
        """Sees each sample once, and moves after each."""
        weights, bias = self.weights, self.bias
        for sample, wanted in zip(samples, self.targets):  # noqa: B905
            step = lr * (wanted - (high if sum(map(mul, weights, sample)) + bias > 0 else low))
            if step:
                weights = [each + step * x for each, x in zip(weights, sample)]  # noqa: B905
                bias += step
        self.weights, self.bias = weights, bias


class TrainDelta(Train):
    """Moves the weights after each sample by ``lr × (target − output) × input``, for networks of one
    layer."""

    def __init__(self, net: Any, input: np.ndarray, target: np.ndarray, lr: float = 0.01) -> None:
        self.lr = lr
        self.samples = list(map(tuple, input.tolist()))
        self.targets = target.T.tolist()

    def __call__(self, net: Any, input: np.ndarray, target: np.ndarray) -> None:  # type: ignore[override]
        layer = net.layers[0]
        if type(layer.transf) not in trans.THRESHOLDS or layer.ci > FEW or type(layer) is not Perceptron:
            while True:
                self.epochf(self.error(net, input, target), net, input, target)
                self._arrays(layer, input, target)
        units = list(map(_Unit, layer.np["w"].tolist(), layer.np["b"].tolist(), self.targets))
        low, high = trans.THRESHOLDS[type(layer.transf)]
        few = len(net.layers) == 1 and 0 < len(input) * layer.cn <= FEW
        answers = [[float("nan")]] * layer.cn
        while True:
            if few:
                answers = [unit.answers(self.samples, low, high) for unit in units]
                output = np.array(answers).T
                net.inp, layer.inp, net.out, layer.out = input[-1], input[-1], output[-1], output[-1]
                error = net.errorf(target, output)
            else:
                error = self.error(net, input, target)
            self.epochf(error, net, input, target)
            for number, (unit, answered) in enumerate(zip(units, answers, strict=True)):
                if answered != unit.targets:
                    unit.learn(self.samples, self.lr, low, high)
                    layer.np["w"][number], layer.np["b"][number] = unit.weights, unit.bias

    def _arrays(self, layer: Any, input: np.ndarray, target: np.ndarray) -> None:
        w, b = layer.np["w"], layer.np["b"]
        for inp, wanted in zip(input, target, strict=True):
            step = self.lr * (wanted - layer.transf(w @ inp + b))
            w += step[:, None] * inp
            b += step
