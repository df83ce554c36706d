"""Non-maximum suppression: of boxes that overlap, the best. Post-processing, the same for all engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosstrain.detection.boxes import iou
from crosstrain.detection.detections import Detections


@dataclass(frozen=True)
class Suppression:
    """How candidates become detections, class by class: those below ``least_score`` are left out; of two that
    overlap by more than ``overlap`` the better stays, or, where ``soft`` is above 0, the worse one's score
    falls by ``exp(-overlap² / soft)`` (Bodla et al. 2017, equation 3); of a picture ``most`` stay. ``most``
    is COCO's 100. Before suppression the best ``considered`` of each class are taken."""

    least_score: float = 0.01
    overlap: float = 0.5
    soft: float = 0.0
    most: int = 100
    considered: int = 400


DEFAULT = Suppression()


def suppressed(boxes: np.ndarray, scores: np.ndarray, overlap: float) -> np.ndarray:
    """Which of ``boxes`` (n, 4) stay: int64, the best score first. Each in turn removes all that come after
    it and overlap it by more than ``overlap``; equal scores count in their order."""
    order = np.argsort(-scores, kind="stable")
    overlaps = iou(boxes[order].astype(np.float64), boxes[order].astype(np.float64)) > overlap
    alive = np.ones(len(order), bool)
    for row in range(len(order)):
        if alive[row]:
            alive[row + 1 :] &= ~overlaps[row, row + 1 :]
    return np.asarray(order[alive])


def softly_suppressed(
    boxes: np.ndarray, scores: np.ndarray, sigma: float, least_score: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which of ``boxes`` (n, 4) stay, int64, the best first, and their scores, float64: each in turn
    multiplies the scores of those left by ``exp(-iou² / sigma)`` (Bodla et al. 2017, figure 2); those that
    fall below ``least_score`` are left out."""
    overlaps = iou(boxes.astype(np.float64), boxes.astype(np.float64))
    left, current = np.ones(len(scores), bool), scores.astype(np.float64)
    rows = []
    while left.any():
        best = int(np.argmax(np.where(left, current, -np.inf)))
        if current[best] < least_score:
            break
        rows.append(best)
        left[best] = False
        current = np.where(left, current * np.exp(-(overlaps[best] ** 2) / sigma), current)
    chosen = np.asarray(rows, np.int64)
    return chosen, current[chosen]


def selected(boxes: np.ndarray, scores: np.ndarray, rule: Suppression = DEFAULT) -> Detections:
    """The detections of one picture from candidates: ``boxes`` (n, 4), or (n, classes, 4) where each class
    has its own, ``scores`` (n, classes). What is not finite is left out."""
    chosen: list[tuple[np.ndarray, np.ndarray, int]] = []
    for number in range(scores.shape[1]):
        own = boxes if boxes.ndim == 2 else boxes[:, number]
        rows = np.flatnonzero((scores[:, number] >= rule.least_score) & np.isfinite(own).all(axis=1))
        rows = rows[np.argsort(-scores[rows, number], kind="stable")[: rule.considered]]
        if rule.soft > 0:
            kept, values = softly_suppressed(own[rows], scores[rows, number], rule.soft, rule.least_score)
        else:
            kept = suppressed(own[rows], scores[rows, number], rule.overlap)
            values = scores[rows[kept], number]
        chosen.append((own[rows[kept]], values, number))
    every = Detections(
        np.concatenate([own for own, _, _ in chosen]).astype(np.float32),
        np.concatenate([values for _, values, _ in chosen]).astype(np.float32),
        np.concatenate([np.full(len(values), number, np.int32) for _, values, number in chosen]),
    )
    return every.take(np.argsort(-every.scores, kind="stable")[: rule.most])


def of_settings(settings: Mapping[str, Any]) -> Suppression:
    """The rule with what ``settings`` change of it."""
    known = {name: settings[name] for name in Suppression.__dataclass_fields__ if name in settings}
    return Suppression(**known)
