"""Metrics of detectors: mean average precision, by class, with its limits, and the curves behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crosstrain.detection.detections import Detections
from crosstrain.detection.precision import Tally, average_precisions, mean_of_known
from crosstrain.training.metrics import Metric, Reading

RESAMPLES = 500


@dataclass
class Judged:
    """Detections held against true boxes, batch by batch; what has been computed of them is kept."""

    reading: Reading
    tally: Tally = field(default_factory=Tally)
    _precisions: tuple[int, np.ndarray] | None = None

    @property
    def classes(self) -> int:
        return self.reading.classes or 0

    def update(self, outputs: np.ndarray, targets: np.ndarray) -> None:
        for detections, truths in zip(self.reading.detections(outputs), targets, strict=True):
            self.tally.add(detections, truths, self.classes)

    def precisions(self) -> np.ndarray:
        """Average precisions (classes, thresholds)."""
        if self._precisions is None or self._precisions[0] != len(self.tally.pictures):
            self._precisions = len(self.tally.pictures), average_precisions(self.tally, self.classes)
        return self._precisions[1]


@dataclass
class OfJudged:
    """What ``measure`` makes of ``judged``, which several metrics share: one of them ``leads`` and brings it
    the batches."""

    judged: Judged
    measure: Callable[[Judged], Any]
    leads: bool = False

    def update(self, outputs: np.ndarray, targets: np.ndarray) -> None:
        if self.leads:
            self.judged.update(outputs, targets)

    def result(self) -> Any:
        return self.measure(self.judged)


def map_50(judged: Judged) -> float | None:
    """The mean over classes of average precision at an overlap of 0.5."""
    return mean_of_known(judged.precisions()[:, 0])


def map_of_picture(detections: Detections, truths: np.ndarray, classes: int) -> float | None:
    """``map_50`` of one picture over the classes in it, whose true boxes are the rows (most, 5)."""
    tally = Tally()
    tally.add(detections, truths, classes)
    return mean_of_known(average_precisions(tally, classes)[:, 0])


def map_all(judged: Judged) -> float | None:
    """The mean over classes and overlaps from 0.5 to 0.95."""
    return mean_of_known(judged.precisions())


def class_ap_50(judged: Judged) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in judged.precisions()[:, 0]]


def class_ap(judged: Judged) -> list[float | None]:
    return [mean_of_known(row) for row in judged.precisions()]


def precision_recall(judged: Judged) -> list[list[float] | None]:
    """By class the precision at an overlap of 0.5, at recalls of 0, 0.01, … 1."""
    curves = (
        [judged.tally.ranked(n).precision() for n in range(judged.classes)] if judged.tally.pictures else []
    )
    return [None if curve is None else [round(float(value), 5) for value in curve] for curve in curves]


def limits(judged: Judged) -> list[float] | None:
    """The 95 % limits of ``map_50`` over pictures: percentiles over resampled pictures (Efron 1979)."""
    count = len(judged.tally.pictures)
    if count < 2:
        return None
    ranked = [judged.tally.ranked(number) for number in range(judged.classes)]
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    means = []
    for weights in drawn.astype(np.float64):
        curves = [curve for each in ranked if (curve := each.precision(0, weights)) is not None]
        if curves:
            means.append(float(np.mean([curve.mean() for curve in curves])))
    if not means:
        return None
    low, high = np.quantile(means, (0.025, 0.975))
    return [float(low), float(high)]


def box_metrics(reading: Reading) -> Mapping[str, Metric]:
    """What detections are judged by after every epoch."""
    return _sharing(reading, {"map_50": map_50, "map": map_all})


def box_test_metrics(reading: Reading) -> Mapping[str, Metric]:
    """What is told of a test set besides."""
    return _sharing(
        reading,
        {
            "map_50_limits": limits, "class_ap_50": class_ap_50, "class_ap": class_ap,
            "precision_recall": precision_recall,
        },
    )  # fmt: skip


def _sharing(reading: Reading, measures: Mapping[str, Callable[[Judged], Any]]) -> dict[str, Metric]:
    judged = Judged(reading)
    return {
        name: OfJudged(judged, measure, leads=not number)
        for number, (name, measure) in enumerate(measures.items())
    }
