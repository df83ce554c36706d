"""What else is told of a classification once it is trained: each class's precision, recall and F1, the area
under the ROC curve, and calibration. Conventions are scikit-learn's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crosstrain.training.metrics import METRICS, Confusion, Metric, Reading
from crosstrain.training.scores import pixels, transcripts
from crosstrain.training.scores.boxes import box_test_metrics

BINS = 15
"""Of the calibration error, as in Guo et al. 2017, section 3."""

MOST_SCORES = 20_000_000
"""Numbers that the area under the curve keeps; a test set with more has none."""

TOP = 5


@dataclass
class PerClass:
    """Precision, recall and F1 of each class, and their means over the classes that occur among truths or
    answers (``sklearn.metrics.precision_recall_fscore_support``; 0 where there is nothing to divide by)."""

    confusion: Confusion

    def update(self, outputs: np.ndarray, targets: np.ndarray) -> None:
        self.confusion.update(outputs, targets)

    def result(self) -> dict[str, Any] | None:
        counts = self.confusion.counts
        hits, true, answered = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
        occurring = (true + answered) > 0
        if not occurring.any():
            return None
        by_name = {
            "precision": hits / np.maximum(answered, 1),
            "recall": hits / np.maximum(true, 1),
            "f1": 2 * hits / np.maximum(true + answered, 1),
        }
        macro = {name: float(values[occurring].mean()) for name, values in by_name.items()}
        return {**{k: v.tolist() for k, v in by_name.items()}, "examples": true.tolist(), "macro": macro}


@dataclass
class AreaUnderCurve:
    """The area under the ROC curve, one class against the rest, and its mean over the classes
    (``roc_auc_score`` with ``multi_class="ovr"``); classes that never or always occur are left out. With two
    classes that of the second."""

    reading: Reading
    scores: list[np.ndarray] = field(default_factory=list)
    truths: list[np.ndarray] = field(default_factory=list)
    kept: int = 0

    def update(self, outputs: np.ndarray, targets: np.ndarray) -> None:
        self.kept += outputs.size
        if self.kept > MOST_SCORES:
            self.scores.clear()
            return
        self.scores.append(self.reading.probabilities(outputs).astype(np.float32))
        self.truths.append(self.reading.truths(outputs, targets))

    def result(self) -> float | None:
        if not self.scores or self.kept > MOST_SCORES:
            return None
        scores, truths = np.concatenate(self.scores), np.concatenate(self.truths)
        if np.isnan(scores).any():
            return None
        classes = range(scores.shape[1]) if scores.shape[1] > 2 else (1,)
        areas = [area for c in classes if (area := area_under_curve(scores[:, c], truths == c)) is not None]
        return float(np.mean(areas)) if areas else None


def area_under_curve(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """The share of pairs of a positive and another in which the positive scores higher; ties count half
    (Mann and Whitney's U). None where there is no such pair."""
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        return None
    _, inverse, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(sizes) - (sizes - 1) / 2
    return float((ranks[inverse][positive].sum() - count * (count + 1) / 2) / (count * others))


@dataclass
class CalibrationError:
    """The expected calibration error: over bins of the answer's probability, the mean distance of accuracy
    and mean probability, weighted by examples (Guo et al. 2017, equation 3)."""

    reading: Reading
    sums: np.ndarray = field(default_factory=lambda: np.zeros((3, BINS)))
    """Examples, right answers and probabilities in each bin."""
    unknown: bool = False

    def update(self, outputs: np.ndarray, targets: np.ndarray) -> None:
        answers = self.reading.answers(outputs)
        sure = self.reading.probabilities(outputs)[np.arange(len(answers)), answers]
        self.unknown |= bool(np.isnan(sure).any())
        if self.unknown:
            return
        bins = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
        right = answers == self.reading.truths(outputs, targets)
        for row, values in enumerate((np.ones(len(sure)), right, sure)):
            self.sums[row] += np.bincount(bins, values, minlength=BINS)

    def result(self) -> float | None:
        examples = self.sums[0].sum()
        if self.unknown or not examples:
            return None
        return float(np.abs(self.sums[1] - self.sums[2]).sum() / examples)


@dataclass
class Perplexity:
    """e to the mean cross-entropy of a step's true class, of outputs with a class at each step: a language
    model is as uncertain as if it chose among so many tokens. None where outputs are no probabilities."""

    reading: Reading
    total: float = 0.0
    steps: int = 0

    def update(self, outputs: np.ndarray, targets: np.ndarray) -> None:
        truths = self.reading.truths(outputs, targets)
        true = np.take_along_axis(self.reading.probabilities(outputs), truths[..., None], axis=-1)
        with np.errstate(divide="ignore"):
            self.total -= float(np.log(true).sum())
        self.steps += truths.size

    def result(self) -> float | None:
        if not self.steps or not np.isfinite(self.total):
            return None
        return float(np.exp(min(self.total / self.steps, 700.0)))


def quality_metrics(reading: Reading, outputs: np.ndarray) -> Mapping[str, Metric]:
    """The metrics of a test set by name, for outputs like these; none where they are not one class for each
    example, or at each step or pixel, or a text, or boxes."""
    if reading.head:
        return box_test_metrics(reading) if reading.boxes else {}
    if reading.maps:
        return pixels.test_metrics(reading)
    if reading.transcription is not None:
        return transcripts.test_metrics(reading)
    if reading.classes is not None and reading.threshold is None and outputs.ndim == 3:
        return {"perplexity": Perplexity(reading)}
    if reading.classes is None or reading.answers(outputs).ndim != 1:
        return {}
    top = {f"top_k:{TOP}": METRICS["top_k"][0](reading, str(TOP))} if reading.classes > TOP else {}
    return {
        **top,
        "per_class": PerClass(Confusion(reading)),
        "macro_auc": AreaUnderCurve(reading),
        "calibration_error": CalibrationError(reading),
    }


def training_metrics(reading: Reading) -> Mapping[str, Metric]:
    """What outputs are judged by after every epoch besides the recipe's metrics."""
    return {**pixels.training_metrics(reading), **transcripts.training_metrics(reading)}
