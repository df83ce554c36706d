"""Learning vector quantization: ``epochs=500, goal=0.01, show=100, lr=0.01, adapt=True``."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain.classic.neurolab.core import Train
from crosstrain.classic.neurolab.train.winners import as_points, move_winners


class TrainLVQ(Train):
    """LVQ1: the nearest unit moves towards a sample of its class and away from one of another."""

    def __init__(
        self, net: Any, input: np.ndarray, target: np.ndarray, lr: float = 0.01, adapt: bool = True
    ) -> None:
        self.lr, self.adapt = lr, adapt
        self.points = as_points(input)
        competitive, classes = net.layers
        self.answers = classes.batch(np.eye(competitive.cn))
        # The class is right where no desired output is above the unit's.
        right = (target[:, None, :] - self.answers).max(axis=2) == 0.0
        self.rates = np.where(right, lr, -lr)
        self._rows: list[list[float]] = self.rates.tolist()

    def __call__(self, net: Any, input: np.ndarray, target: np.ndarray) -> None:  # type: ignore[override]
        layer = net.layers[0]
        while True:
            winners = layer.batch(input).argmax(axis=1)
            self.epochf(net.errorf(target, self.answers[winners]), net, input, target)
            if self.adapt:
                move_winners(layer, input, self.points, shares=self._rows)
                continue
            shares = self.rates[np.arange(len(input)), winners]
            np.add.at(layer.np["w"], winners, shares[:, None] * (input - layer.np["w"][winners]))
