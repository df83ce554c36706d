"""Widrow and Hoff's rule for one sample after the other, as a few matrix products a block.

Each sample's error depends on the steps of those before it, linearly: ``e_i = d_i − w·x_i − η Σ_{j<i} e_j
x_j·x_i``. A triangular system gives all errors of a block, and their sum of steps is a product. The result is
that of the loop over samples, up to rounding.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg.blas import dtrsm

BLOCK = 64
"""Samples in a block: beyond it the products cost more than the loop saves."""


def lms_epoch(weights: np.ndarray, X: np.ndarray, desired: np.ndarray, rate: float) -> float:
    """Changes ``weights`` (outputs, inputs) by every row of ``X`` in turn; the mean squared error as it came.

    :param desired: (samples, outputs)
    """
    total = 0.0
    for start in range(0, len(X), BLOCK):
        block = X[start : start + BLOCK]
        system = rate * (block @ block.T)
        errors = dtrsm(1.0, system, desired[start : start + BLOCK] - block @ weights.T, lower=1, diag=1)
        weights += rate * (errors.T @ block)
        total += float(np.square(errors).sum())
    return total / desired.size
