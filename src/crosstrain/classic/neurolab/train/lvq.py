"""Learning vector quantization: ``epochs=500, goal=0.01, show=100, lr=0.01, adapt=True``."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain.classic.neurolab.core import Train
from crosstrain.classic.neurolab.train.winners import (
    are_few,
    as_points,
    move_tuples,
    move_winners,
    nearest_units,
)

FEW_SAMPLES = 16
"""Up to so many, tuples find the winners of an epoch faster than arrays."""


class TrainLVQ(Train):
    """LVQ1: the nearest unit moves towards a sample of its class and away from one of another."""

    def __init__(
        self, net: Any, input: np.ndarray, target: np.ndarray, lr: float = 0.01, adapt: bool = True
    ) -> None:
        self.lr, self.adapt = lr, adapt
        competitive, classes = net.layers
        self.answers = classes.batch(np.eye(competitive.cn))
        # The class is right where no desired output is above the unit's.
        right = (target[:, None, :] - self.answers).max(axis=2) == 0.0
        self.rates = np.where(right, lr, -lr)

    def __call__(self, net: Any, input: np.ndarray, target: np.ndarray) -> None:  # type: ignore[override]
        layer = net.layers[0]
        plain = self.adapt and are_few(layer) and (layer.np["conscience"] == 1.0).all()
        learn = self._tuples if plain and len(input) <= FEW_SAMPLES else self._arrays
        try:
            learn(net, input, target)
        finally:
            layer.batch(input)

    def _tuples(self, net: Any, input: np.ndarray, target: np.ndarray) -> None:
        w = net.layers[0].np["w"]
        units, points, shares = as_points(w), as_points(input), self.rates.tolist()
        before: list[int] = []
        try:
            while True:
                winners = nearest_units(units, points)
                if winners != before:
                    error = net.errorf(target, self.answers[winners])
                    before = winners
                self.epochf(error, net, input, target)
                move_tuples(units, points, shares)
        finally:
            w[:] = units

    def _arrays(self, net: Any, input: np.ndarray, target: np.ndarray) -> None:
        layer, points, shares = net.layers[0], as_points(input), self.rates.tolist()
        while True:
            winners = layer.batch(input).argmax(axis=1)
            self.epochf(net.errorf(target, self.answers[winners]), net, input, target)
            if self.adapt:
                move_winners(layer, input, points, shares=shares)
                continue
            steps = self.rates[np.arange(len(input)), winners]
            np.add.at(layer.np["w"], winners, steps[:, None] * (input - layer.np["w"][winners]))
