"""Average precision as COCO has it (Lin et al. 2014; ``pycocotools.cocoeval``), in NumPy alone: a worker in
any engine's environment computes it. Tests hold it to pycocotools on the same boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from crosstrain.detection.boxes import iou
from crosstrain.detection.detections import Detections
from crosstrain.detection.truths import present

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Overlaps from which a detection is right; the first is Pascal VOC's."""
RECALLS = np.linspace(0, 1, 101)
"""At which precision is read."""


@dataclass(frozen=True)
class Matches:
    """The detections of one class in one picture, best score first: their ``scores`` (n,), whether each is
    right at every threshold, ``hits`` bool (thresholds, n), and how many ``truths`` there are."""

    scores: np.ndarray
    hits: np.ndarray
    truths: int


def matches(detections: Detections, truths: np.ndarray, classes: int) -> list[Matches]:
    """The matches of each class in one picture, whose true boxes are the rows (most, 5). Each detection in
    turn takes the true box that it overlaps most of those that are left, if by the threshold or more."""
    rows = present(truths).astype(np.float64)
    result = []
    for number in range(classes):
        own, real = (
            detections.take(np.flatnonzero(detections.classes == number)),
            rows[rows[:, 4] == number, :4],
        )
        order = np.argsort(-own.scores, kind="stable")
        overlaps = iou(own.boxes[order].astype(np.float64), real)
        hits = np.stack([_taken(overlaps, threshold) for threshold in THRESHOLDS])
        result.append(Matches(own.scores[order].astype(np.float64), hits, len(real)))
    return result


def _taken(overlaps: np.ndarray, threshold: float) -> np.ndarray:
    free, hits = np.ones(overlaps.shape[1], bool), np.zeros(len(overlaps), bool)
    for row in np.flatnonzero((overlaps >= threshold).any(axis=1)) if overlaps.size else ():
        left = np.where(free, overlaps[row], -1.0)
        best = len(left) - 1 - int(np.argmax(left[::-1]))  # of equal ones the last, as pycocotools
        if left[best] >= threshold:
            free[best], hits[row] = False, True
    return hits


@dataclass
class Tally:
    """The matches of many pictures, (pictures, classes)."""

    pictures: list[list[Matches]] = field(default_factory=list)

    def add(self, detections: Detections, truths: np.ndarray, classes: int) -> None:
        self.pictures.append(matches(detections, truths, classes))

    def ranked(self, number: int) -> Ranked:
        """All detections of a class, the best score first; equal ones in the order of the pictures."""
        own = [picture[number] for picture in self.pictures]
        scores = np.concatenate([each.scores for each in own])
        order = np.argsort(-scores, kind="stable")
        hits = np.concatenate([each.hits for each in own], axis=1)[:, order]
        where = np.repeat(np.arange(len(own)), [len(each.scores) for each in own])[order]
        return Ranked(scores[order], hits, where, np.asarray([each.truths for each in own]))


@dataclass(frozen=True)
class Ranked:
    """The detections of one class: ``scores`` (n,), ``hits`` (thresholds, n), the picture ``where`` each is,
    and the number of true boxes in each picture."""

    scores: np.ndarray
    hits: np.ndarray
    where: np.ndarray
    truths: np.ndarray

    def precision(self, threshold: int = 0, weights: np.ndarray | None = None) -> np.ndarray | None:
        """The precision at each of ``RECALLS``, the highest at this recall or above; 0 where the recall is
        not reached, None without a true box. ``weights`` says how often each picture counts."""
        weights = np.ones(len(self.truths)) if weights is None else weights
        total = float(self.truths @ weights)
        if not total:
            return None
        own = weights[self.where]
        right = np.cumsum(own * self.hits[threshold])
        answered = np.cumsum(own)
        precisions = right / np.maximum(answered, np.spacing(1))
        highest = np.maximum.accumulate(precisions[::-1])[::-1]
        at = np.searchsorted(right / total, RECALLS, side="left")
        return np.where(at < len(highest), np.append(highest, 0.0)[np.minimum(at, len(highest))], 0.0)


def average_precisions(tally: Tally, classes: int) -> np.ndarray:
    """Average precision by class and threshold, (classes, thresholds); NaN for a class without a true box."""
    result = np.full((classes, len(THRESHOLDS)), np.nan)
    for number in range(classes) if tally.pictures else ():
        ranked = tally.ranked(number)
        for threshold in range(len(THRESHOLDS)):
            curve = ranked.precision(threshold)
            if curve is not None:
                result[number, threshold] = curve.mean()
    return result


def mean_of_known(values: np.ndarray | Sequence[float]) -> float | None:
    """The mean of those that are no NaN."""
    known = np.asarray(values, np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else None
