"""What supervised estimators are to learn: labels and numbers, checked and made uniform."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite, check_array, check_consistent_length, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from crosstrain.classic.arrays import Array, like, to_numpy


def _present(estimator: BaseEstimator, y: Any) -> None:
    if y is None:
        raise ValueError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")


def read_labels(estimator: BaseEstimator, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """The sorted classes, and for each sample its class's index (int64).

    :raises ValueError: ``y`` is None, of another length than ``X``, or holds no labels.
    """
    _present(estimator, y)
    y = column_or_1d(to_numpy(y), warn=True)
    assert_all_finite(y, input_name="y")
    check_classification_targets(y)
    check_consistent_length(X, y)
    classes, indices = np.unique(y, return_inverse=True)
    return classes, indices


def read_targets(estimator: BaseEstimator, X: Any, y: Any) -> tuple[np.ndarray, bool]:
    """The targets as a float64 matrix (samples, outputs) of NumPy, and whether they came as a vector.

    :raises ValueError: ``y`` is None, of another length than ``X``, or not finite.
    """
    _present(estimator, y)
    y = to_numpy(y)
    flat = y.ndim == 1
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
        flat = True
    Y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    check_consistent_length(X, Y)
    return Y.reshape(len(Y), -1), flat


def labels_like(classes: np.ndarray, indices: np.ndarray, X: Any) -> Array:
    """The labels of these class indices; in the library of ``X`` where they are numbers."""
    return like(classes[indices], X)
