"""Winner takes all, with and without conscience: ``epochs=500, goal=0.01, show=100, lr=0.01``."""

from __future__ import annotations

from typing import Any

import numpy as np

from crosstrain.classic.neurolab.core import Train
from crosstrain.classic.neurolab.train.winners import as_points, move_winners


class TrainWTA(Train):
    """Winner takes all: the nearest unit moves towards each sample by ``lr`` times its distance.

    The units start at samples drawn with replacement.
    """

    def __init__(self, net: Any, input: np.ndarray, lr: float = 0.01) -> None:
        self.lr = lr
        self.points = as_points(input)
        w = net.layers[0].np["w"]
        for unit in range(len(w)):
            w[unit] = input[np.random.randint(0, len(input))]

    def error(self, net: Any, input: np.ndarray) -> float:  # type: ignore[override]
        """The error of each sample's winner as an answer to the sample."""
        winners = net.sim(input).argmax(axis=1)
        error: float = net.errorf(net.layers[0].np["w"][winners], input)
        return error

    def learn(self, net: Any, input: np.ndarray) -> None:  # type: ignore[override]
        move_winners(net.layers[0], input, self.points, rate=self.lr, conscience=self._conscience(net))

    def _conscience(self, net: Any) -> list[float] | None:
        return None


class TrainCWTA(TrainWTA):
    """Winner takes all with conscience: who has won often in an epoch seems further away."""

    def _conscience(self, net: Any) -> list[float] | None:
        return [1.0] * net.layers[0].cn
