"""Metrics of label maps: over all pixels that have a class, over classes, over pictures, along boundaries.

The counts are those of scikit-learn's confusion matrix; ``VOID`` pixels are in none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crosstrain.training.metrics import Confusion, Metric, Reading

TOLERANCE = 0.0075
"""Of boundary F1: a share of the picture's diagonal (Csurka et al. 2013, section 2.3)."""
RESAMPLES = 1000
EMPTY = -1
"""In maps of answers: a pixel that is not judged."""


def iou(counts: np.ndarray) -> np.ndarray:
    """Intersection over union of each class, (..., classes), from confusion matrices (..., classes, classes);
    NaN for a class that occurs neither among truths nor among answers."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1).astype(np.float64)
    union = counts.sum(axis=-1) + counts.sum(axis=-2) - hits
    return np.where(union > 0, hits / np.maximum(union, 1), np.nan)


def mean_iou(counts: np.ndarray) -> float | None:
    """The mean over the classes that occur."""
    return _mean(iou(counts))


def class_accuracy(counts: np.ndarray) -> float | None:
    """The mean over the classes that occur among truths of the share of their pixels that are right."""
    true = counts.sum(axis=1)
    return _mean(np.where(true > 0, np.diag(counts) / np.maximum(true, 1), np.nan))


def class_iou(counts: np.ndarray) -> list[float | None]:
    """IoU by class, None for one that does not occur."""
    return [None if np.isnan(value) else float(value) for value in iou(counts)]


@dataclass
class OfCounts:
    """A number, or one for each class, of the confusion matrix."""

    confusion: Confusion
    measure: Callable[[np.ndarray], Any]

    def update(self, outputs: np.ndarray, targets: np.ndarray) -> None:
        self.confusion.update(outputs, targets)

    def result(self) -> Any:
        return self.measure(self.confusion.counts)


@dataclass
class MeanIoULimits:
    """The 95 % limits of the mean IoU over pictures: percentiles over resampled pictures (Efron 1979)."""

    reading: Reading
    whole = True
    pictures: list[np.ndarray] = field(default_factory=list)

    def update(self, outputs: np.ndarray, targets: np.ndarray) -> None:
        for answers, truth in zip(self.reading.answers(outputs), targets, strict=True):
            self.pictures.append(picture_counts(self.reading, answers, truth))

    def result(self) -> list[float] | None:
        if len(self.pictures) < 2:
            return None
        counts = np.stack(self.pictures)
        drawn = np.random.default_rng(0).multinomial(
            len(counts), np.full(len(counts), 1 / len(counts)), RESAMPLES
        )
        of_resamples = (drawn @ counts.reshape(len(counts), -1)).reshape(RESAMPLES, *counts.shape[1:])
        means = [mean for each in of_resamples if (mean := mean_iou(each)) is not None]
        if not means:
            return None
        low, high = np.quantile(means, (0.025, 0.975))
        return [float(low), float(high)]


@dataclass
class BoundaryF1:
    """How well boundaries are met (Csurka, Larlus and Perronnin 2013, section 2.3): for each class of a
    picture's truth the F1 of the boundary pixels that have one of the other side within ``TOLERANCE``; the
    mean over a picture's classes, then over pictures. What borders on pixels without a class is no
    boundary."""

    reading: Reading
    whole = True
    total: float = 0.0
    count: int = 0

    def update(self, outputs: np.ndarray, targets: np.ndarray) -> None:
        for answers, truth in zip(self.reading.answers(outputs), targets, strict=True):
            judged = _judged(self.reading, truth)
            scores = boundary_scores(np.where(judged, answers, EMPTY), np.where(judged, truth, EMPTY))
            if scores:
                self.total += sum(scores.values()) / len(scores)
                self.count += 1

    def result(self) -> float | None:
        return self.total / self.count if self.count else None


def boundary_scores(answers: np.ndarray, truth: np.ndarray) -> dict[int, float]:
    """The boundary F1 of each class of ``truth``, (H, W), that has a boundary there; ``EMPTY`` in both where
    nothing is judged."""
    reach = TOLERANCE * float(np.hypot(*truth.shape))
    scores = {}
    for label in np.unique(truth[truth != EMPTY]).tolist():
        own, other = boundary(answers, label), boundary(truth, label)
        if not other.any():
            continue
        precision = _share(own & near(other, reach), own)
        recall = _share(other & near(own, reach), other)
        scores[label] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return scores


def boundary(labels: np.ndarray, label: int) -> np.ndarray:
    """The pixels of a class with one of another class above, below, left or right of them, bool (H, W)."""
    inside = labels == label
    other = np.pad(~inside & (labels != EMPTY), 1)
    beside = other[:-2, 1:-1] | other[2:, 1:-1] | other[1:-1, :-2] | other[1:-1, 2:]
    return np.asarray(inside & beside)


def near(pixels: np.ndarray, reach: float) -> np.ndarray:
    """Where one of ``pixels``, bool (H, W), is at most ``reach`` pixels away."""
    height, width = pixels.shape
    result = np.zeros_like(pixels)
    for down in range(-int(reach), int(reach) + 1):
        half = int(np.sqrt(reach**2 - down**2))
        sums = np.pad(np.cumsum(np.pad(pixels, ((0, 0), (half, half))), axis=1), ((0, 0), (1, 0)))
        row = sums[:, 2 * half + 1 :] > sums[:, :width]
        first, last = max(down, 0), min(height + down, height)
        result[first:last] |= row[first - down : last - down]
    return result


def training_metrics(reading: Reading) -> Mapping[str, Metric]:
    """What label maps are judged by after every epoch, besides the recipe's metrics; nothing for other
    outputs."""
    return {"mean_iou": OfCounts(Confusion(reading), mean_iou)} if reading.maps else {}


def test_metrics(reading: Reading) -> Mapping[str, Metric]:
    """What is told of a test set of label maps besides."""
    return {
        "class_accuracy": OfCounts(Confusion(reading), class_accuracy),
        "class_iou": OfCounts(Confusion(reading), class_iou),
        "mean_iou_limits": MeanIoULimits(reading),
        "boundary_f1": BoundaryF1(reading),
    }


def _judged(reading: Reading, truth: np.ndarray) -> np.ndarray:
    return np.ones(truth.shape, bool) if reading.void is None else truth != reading.void


def picture_counts(reading: Reading, answers: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The confusion matrix of one picture, from label maps (H, W)."""
    judged = _judged(reading, truth)
    size = max(2, reading.classes or 2)
    pairs = truth[judged].astype(np.int64) * size + answers[judged]
    return np.bincount(pairs, minlength=size * size).reshape(size, size)


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _share(part: np.ndarray, whole: np.ndarray) -> float:
    count = int(whole.sum())
    return int(part.sum()) / count if count else 0.0
