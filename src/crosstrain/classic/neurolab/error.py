"""Error functions. ``deriv`` is the negative derivative by the output of *one* sample, as NeuroLab has it.

On a matrix it does so row by row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

EPSILON = float(np.spacing(1.0))


class MSE:
    """The mean squared error."""

    is_mean = True

    def __call__(self, target: Any, output: Any) -> float:
        e = np.asarray(target - output, float)
        return float(np.vdot(e, e)) / e.size

    def deriv(self, target: Any, output: Any) -> np.ndarray:
        e: np.ndarray = target - output
        result: np.ndarray = e * (2 / e.shape[-1])
        return result


class SSE:
    """Half the sum of the squared errors."""

    is_mean = False

    def __call__(self, target: Any, output: Any) -> float:
        e = np.asarray(target - output, float)
        return 0.5 * float(np.vdot(e, e))

    def deriv(self, target: Any, output: Any) -> np.ndarray:
        e: np.ndarray = target - output
        return e


class SAE:
    """The sum of the absolute errors."""

    is_mean = False

    def __call__(self, target: Any, output: Any) -> float:
        return float(np.abs(target - output).sum())

    def deriv(self, target: Any, output: Any) -> np.ndarray:
        result: np.ndarray = np.sign(target - output)
        return result


class MAE:
    """The mean absolute error."""

    is_mean = True

    def __call__(self, target: Any, output: Any) -> float:
        return float(np.abs(target - output).mean())

    def deriv(self, target: Any, output: Any) -> np.ndarray:
        e: np.ndarray = target - output
        result: np.ndarray = np.sign(e) / e.shape[-1]
        return result


class CEE:
    """The cross-entropy of targets in {0, 1}: the mean of ``-(t log o + (1 − t) log(1 − o))``."""

    is_mean = True

    def __call__(self, target: Any, output: Any) -> float:
        t, o = (np.clip(array, EPSILON, 1 - EPSILON) for array in (target, output))
        return float(-(t * np.log(o) + (1 - t) * np.log(1 - o)).mean())

    def deriv(self, target: Any, output: Any) -> np.ndarray:
        t, o = (np.clip(array, 0.0, 1.0) for array in (target, output))
        slopes: np.ndarray = t / (o + EPSILON) - (1 - t) / (1 - o + EPSILON)
        result: np.ndarray = slopes / t.shape[-1]
        return result


ROWWISE = frozenset((MSE, SSE, SAE, MAE, CEE))
"""The functions whose ``deriv`` treats each row of a matrix as it would the row alone."""


def deriv_by_rows(errorf: Any, target: np.ndarray, output: np.ndarray) -> np.ndarray:
    """``errorf.deriv`` for each row."""
    if type(errorf) in ROWWISE:
        result: np.ndarray = errorf.deriv(target, output)
        return result
    return np.stack([errorf.deriv(*each) for each in zip(target, output, strict=True)])
