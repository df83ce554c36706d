"""The worker's task that fits one classical estimator and tests it."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from crosstrain.classic.entrants import read
from crosstrain.data.prepared import Prepared
from crosstrain.errors import CrosstrainError


def run(job: dict[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """``job`` has ``estimator`` (as it is written), ``data_folder`` and ``seed``. The result has seconds of
    fitting and of predicting the test part, the accuracy there, and what the estimator warned of."""
    entrant, prepared = read(job["estimator"]), Prepared.load(job["data_folder"])
    X, y = examples(prepared, "train")
    estimator = entrant.estimator(int(job["seed"]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        started = time.perf_counter()
        try:
            estimator.fit(X, y)
        except ValueError as error:  # scikit-learn's way to say that a parameter is wrong
            raise CrosstrainError(f"{entrant.text}: {error}") from error
        fitted = time.perf_counter()
        X_test, y_test = examples(prepared, "test")
        began = time.perf_counter()
        predicted = estimator.predict(X_test)
        ended = time.perf_counter()
    iterations = getattr(estimator, "n_iter_", None)
    return {
        "fit_seconds": fitted - started,
        "predict_seconds": ended - began,
        "test_accuracy": float(np.mean(predicted == y_test)),
        "test_examples": len(y_test),
        "iterations": iterations if isinstance(iterations, int) else None,
        "notes": list(dict.fromkeys(str(each.message) for each in caught)),
    }


def examples(prepared: Prepared, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The inputs of a part as rows in float64, (examples, features), and their classes, (examples,)."""
    inputs, targets = prepared.arrays(split)
    rows = [np.asarray(each, dtype=np.float64).reshape(len(each), -1) for each in inputs.values()]
    (classes,) = targets.values()
    return np.concatenate(rows, axis=1), np.asarray(classes)
