"""Regularisation: what large weights add to the error."""

from __future__ import annotations

import numpy as np


class Penalty:
    """``rr`` times the weights' size, for the vector of all weights and biases.

    :param is_bias: which numbers of the vector are biases
    """

    def __init__(self, is_bias: np.ndarray, rr: float) -> None:
        self.rr = rr
        self._is_bias = is_bias

    def norms(self, x: np.ndarray) -> float:
        """What NeuroLab adds to the error it shows: the length of all weights, and that of all biases."""
        return self.rr * float(np.linalg.norm(x[~self._is_bias]) + np.linalg.norm(x[self._is_bias]))

    def energy(self, x: np.ndarray) -> float:
        """The penalty whose derivative is ``rr * x``."""
        return 0.5 * self.rr * float(x @ x)
