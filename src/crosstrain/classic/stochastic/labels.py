"""Class labels as a classifier takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, column_or_1d

from crosstrain.classic import arrays


def read_labels(X: np.ndarray, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """The classes, (n_classes,), and each row's number among them, (n_samples,).

    :raises ValueError: there are no labels, not one for each row of ``X``, or they are no classes.
    """
    if y is None:
        raise ValueError("this classifier requires y to be passed, but the target y is None")
    labels = column_or_1d(arrays.to_numpy(y), warn=True)
    assert_all_finite(labels, input_name="y")
    check_classification_targets(labels)
    check_consistent_length(X, labels)
    classes, numbers = np.unique(labels, return_inverse=True)
    return classes, numbers
