"""Losses with outputs and targets that fit them, for the tests that compare with Keras."""

from __future__ import annotations

from typing import Any

import numpy as np

BATCH, CLASSES = 5, 4
RNG = np.random.default_rng(3)
SCORES = RNG.normal(size=(BATCH, CLASSES))
PROBABILITIES = np.exp(SCORES) / np.exp(SCORES).sum(-1, keepdims=True)
UNNORMALISED = RNG.uniform(0.05, 0.9, (BATCH, CLASSES))
LABELS = RNG.integers(0, CLASSES, BATCH)
HOT = np.eye(CLASSES)[LABELS]
REAL = RNG.normal(size=(BATCH, CLASSES))
SIGNS = np.where(RNG.random((BATCH, CLASSES)) > 0.5, 1, 0)

CASES: list[tuple[str, dict[str, Any], np.ndarray, np.ndarray]] = [
    ("CategoricalCrossentropy", {}, PROBABILITIES, HOT),
    ("CategoricalCrossentropy", {}, UNNORMALISED, HOT),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, SCORES, HOT),
    ("SparseCategoricalCrossentropy", {}, PROBABILITIES, LABELS),
    ("SparseCategoricalCrossentropy", {}, UNNORMALISED, LABELS),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, SCORES, LABELS),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, SCORES, LABELS[:, None]),
    ("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 1}, SCORES, LABELS),
    ("BinaryCrossentropy", {}, UNNORMALISED, SIGNS),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.2}, SCORES, SIGNS),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True}, UNNORMALISED, SIGNS),
    ("CategoricalFocalCrossentropy", {}, PROBABILITIES, HOT),
    ("MeanSquaredError", {}, SCORES, REAL),
    ("MeanAbsoluteError", {}, SCORES, REAL),
    ("MeanAbsolutePercentageError", {}, SCORES, REAL),
    ("MeanSquaredLogarithmicError", {}, UNNORMALISED, np.abs(REAL)),
    ("Huber", {"delta": 0.4}, SCORES, REAL),
    ("LogCosh", {}, SCORES, REAL),
    ("KLDivergence", {}, PROBABILITIES, UNNORMALISED),
    ("Poisson", {}, UNNORMALISED, np.abs(REAL)),
    ("Hinge", {}, SCORES, SIGNS),
    ("SquaredHinge", {}, SCORES, SIGNS),
    ("CategoricalHinge", {}, SCORES, HOT),
    ("CosineSimilarity", {}, SCORES, REAL),
    ("Dice", {}, UNNORMALISED, HOT),
    ("Tversky", {"alpha": 0.3}, UNNORMALISED, HOT),
    ("MeanSquaredError", {"reduction": "sum"}, SCORES, REAL),
    ("MeanSquaredError", {}, SCORES[:, :1], REAL[:, 0]),
]
