"""What becomes of the numbers, in training and in evaluation alike, and the statistics that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from crosstrain.errors import CrosstrainError
from crosstrain.training.augmentation import parts

EPSILON = 1e-6
"""Added to deviations, as Keras's ``ImageDataGenerator`` does: a picture of one colour stays finite."""

MOST_FEATURES = 8192
"""For ``zca``: its matrix has the square of that many numbers."""

Statistics = dict[str, np.ndarray]
"""``mean`` and ``deviation`` (C,), ``whitening`` (H·W·C, H·W·C), ``colours`` (C, C), as far as needed."""

Parts = Callable[[], Iterable[np.ndarray]]
"""Gives the training part again and again, in pieces (N, H, W, C), as evaluation sees it."""


def normalized(
    settings: Mapping[str, Any], pictures: np.ndarray, statistics: Mapping[str, np.ndarray]
) -> None:
    """Change ``pictures``, float32 (N, H, W, C), in place, in the order of ``ImageDataGenerator``."""
    for name in parts(settings, "evaluated"):
        if name in _STEPS:
            _STEPS[name](pictures, settings[name], statistics)


def _rescale(pictures: np.ndarray, factor: float, statistics: Mapping[str, np.ndarray]) -> None:
    pictures *= np.float32(factor)


def _center_sample(pictures: np.ndarray, on: bool, statistics: Mapping[str, np.ndarray]) -> None:
    pictures -= pictures.mean(axis=(1, 2, 3), keepdims=True)


def _standardize_sample(pictures: np.ndarray, on: bool, statistics: Mapping[str, np.ndarray]) -> None:
    _center_sample(pictures, on, statistics)
    squares = np.einsum("nhwc,nhwc->n", pictures, pictures) / np.float32(pictures[0].size)
    pictures /= (np.sqrt(squares) + np.float32(EPSILON))[:, None, None, None]


def _center(pictures: np.ndarray, on: bool, statistics: Mapping[str, np.ndarray]) -> None:
    pictures -= statistics["mean"].astype(np.float32)


def _standardize(pictures: np.ndarray, on: bool, statistics: Mapping[str, np.ndarray]) -> None:
    _center(pictures, on, statistics)
    pictures /= (statistics["deviation"] + EPSILON).astype(np.float32)


def _whiten(pictures: np.ndarray, epsilon: float, statistics: Mapping[str, np.ndarray]) -> None:
    flat = pictures.reshape(len(pictures), -1)
    flat[...] = flat @ statistics["whitening"]


_STEPS: Mapping[str, Callable[[np.ndarray, Any, Mapping[str, np.ndarray]], None]] = {
    "rescale": _rescale,
    "center-sample": _center_sample,
    "standardize-sample": _standardize_sample,
    "center": _center,
    "standardize": _standardize,
    "zca": _whiten,
}


def fitted(settings: Mapping[str, Any], training: Parts, features: int) -> Statistics:
    """What the settings need to know of the training part, whose examples have ``features`` numbers; float64
    sums in a fixed order. ``CrosstrainError`` where ``zca`` has too many."""
    statistics: Statistics = {}
    if "pca-colour" in settings:
        _, covariance = _moments(training())
        values, vectors = np.linalg.eigh(covariance)
        # Columns scaled by deviations: the paper's eigenvalues would be squares of colours.
        statistics["colours"] = _signed(vectors) * np.sqrt(np.maximum(values, 0))
    if "center" in settings or "standardize" in settings:
        before = {name: settings[name] for name in _OF_ONE_EXAMPLE if name in settings}
        mean, covariance = _moments(_after(before, training(), statistics))
        deviation = np.sqrt(np.diag(covariance))
        statistics |= {"mean": mean, "deviation": np.where(deviation > 0, deviation, 1)}
    if "zca" in settings:
        if features > MOST_FEATURES:
            raise CrosstrainError(
                f"zca of pictures with {features:,} numbers needs a matrix of {features:,} times as many; "
                f"{MOST_FEATURES:,} are the most: make the pictures smaller, or leave zca out"
            )
        before = {name: value for name, value in settings.items() if name != "zca"}
        statistics["whitening"] = _whitening(_after(before, training(), statistics), settings["zca"])
    return statistics


_OF_ONE_EXAMPLE = ("rescale", "center-sample", "standardize-sample")


def _after(
    settings: Mapping[str, Any], pieces: Iterable[np.ndarray], statistics: Statistics
) -> Iterable[np.ndarray]:
    for piece in pieces:
        changed = piece.copy()
        normalized(settings, changed, statistics)
        yield changed


def _moments(pieces: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean (C,) and covariance (C, C) of the pixels, in one pass about the first piece's mean."""
    count, pivot = 0, np.zeros(())
    total, products = np.zeros(()), np.zeros(())
    for piece in pieces:
        pixels = piece.reshape(-1, piece.shape[-1]).astype(np.float64)
        pivot = pixels.mean(axis=0) if not count else pivot
        pixels -= pivot
        count += len(pixels)
        total = total + pixels.sum(axis=0)
        products = products + pixels.T @ pixels
    shift = total / count
    return pivot + shift, products / count - np.outer(shift, shift)


def _whitening(pieces: Iterable[np.ndarray], epsilon: float) -> np.ndarray:
    """The ZCA matrix as Keras has it: with X of n rows, U diag(sqrt(n) / (s + epsilon)) U^T for the singular
    values s of X^T; here from the eigenvalues s^2 of X^T X, which is all that has to be kept. Directions
    in which the training part does not vary are left out: their rounding errors would be all that is seen."""
    count, products = 0, np.zeros(())
    for piece in pieces:
        flat = piece.reshape(len(piece), -1).astype(np.float64)
        count += len(flat)
        products = products + flat.T @ flat
    values, vectors = np.linalg.eigh(products)
    singular = np.sqrt(np.maximum(values, 0))
    varies = values > len(values) * np.finfo(np.float32).eps * values.max()
    scale = np.where(varies, np.sqrt(count) / (singular + epsilon), 0.0)
    return np.asarray((vectors * scale) @ vectors.T, np.float32)


def _signed(vectors: np.ndarray) -> np.ndarray:
    """Eigenvectors with one of their two signs: that with which the largest entry is positive."""
    largest = vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])]
    return np.asarray(vectors * np.where(largest < 0, -1, 1))
