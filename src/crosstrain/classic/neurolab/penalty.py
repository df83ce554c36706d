"""Regularisation: what large weights add to the error."""

from __future__ import annotations

from typing import Any

import numpy as np


class Penalty:
    """``rr`` times the weights' size, for the vector of all weights and biases."""

    def __init__(self, net: Any, rr: float) -> None:
        self.rr = rr
        self._is_bias = np.concatenate(
            [np.full(values.size, name == "b") for layer in net.layers for name, values in layer.np.items()]
        )

    def norms(self, x: np.ndarray) -> float:
        """What NeuroLab adds to the error it shows: the length of all weights, and that of all biases."""
        return self.rr * float(np.linalg.norm(x[~self._is_bias]) + np.linalg.norm(x[self._is_bias]))

    def energy(self, x: np.ndarray) -> float:
        """The penalty whose derivative is ``rr * x``."""
        return 0.5 * self.rr * float(x @ x)
