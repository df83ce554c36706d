"""Associative recall: letters and pictures are found again from damaged ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from crosstrain.classic.associative.hopfield import Hopfield

_FONT = {
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "C": "01111 10000 10000 10000 10000 10000 01111",
    "H": "10001 10001 10001 11111 10001 10001 10001",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "O": "01110 10001 10001 10001 10001 10001 01110",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "X": "10001 10001 01010 00100 01010 10001 10001",
    "Z": "11111 00001 00010 00100 01000 10000 11111",
}
LETTER_SHAPE, PICTURE_SHAPE = (7, 5), (8, 8)


@dataclass(frozen=True)
class Recalled:
    """Recall of ``patterns`` (patterns, units), pictures of ``shape``, at several shares of damage.

    ``damages`` (n,) are shares of cells turned over; ``exact`` (n,) those of trials that end in the right
    pattern, ``overlaps`` (n,) the mean overlap with it. ``damaged`` and ``recalled`` show one trial of each
    pattern at the middle damage, both (patterns, units).
    """

    patterns: np.ndarray
    shape: tuple[int, int]
    damages: np.ndarray
    exact: np.ndarray
    overlaps: np.ndarray
    damaged: np.ndarray
    recalled: np.ndarray


def letters() -> np.ndarray:
    """Eight letters of 7 × 5 cells as -1 and 1, (8, 35)."""
    return np.array(
        [[1.0 if cell == "1" else -1.0 for cell in _FONT[name].replace(" ", "")] for name in _FONT]
    )


def digit_pictures() -> np.ndarray:
    """The mean picture of each digit (8 × 8, scikit-learn's), black where above its own mean; (10, 64)."""
    X, y = load_digits(return_X_y=True)
    means = np.array([X[y == digit].mean(axis=0) for digit in range(10)])
    return np.where(means > means.mean(axis=1, keepdims=True), 1.0, -1.0)


def recall(
    patterns: np.ndarray,
    shape: tuple[int, int],
    memory: Any = None,
    *,
    damages: tuple[float, ...] = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3),
    trials: int = 50,
    seed: int = 0,
) -> Recalled:
    """Store ``patterns`` of -1 and 1 in ``memory`` (any estimator with ``fit`` and ``transform``; default:
    Hopfield's network with the pseudo-inverse, as letters resemble each other), damage them and recall."""
    if memory is None:
        memory = Hopfield(rule="pseudo-inverse", random_state=seed)
    memory.fit(patterns)
    random = np.random.default_rng(seed)
    exact, overlaps, shown = [], [], []
    for damage in damages:
        several = np.tile(patterns, (trials, 1))
        damaged = np.where(random.random(several.shape) < damage, -several, several)
        recalled = memory.transform(damaged)
        overlap = (recalled * several).mean(axis=1)
        exact.append((overlap == 1).mean())
        overlaps.append(overlap.mean())
        shown.append((damaged[: len(patterns)], recalled[: len(patterns)]))
    middle = shown[len(shown) // 2]
    return Recalled(patterns, shape, np.array(damages), np.array(exact), np.array(overlaps), *middle)
