"""Metrics of whole evaluation sets, computed in NumPy from outputs and targets, batch by batch.

One rule for all engines: what is counted depends on outputs alone. ``accuracy``, ``top_k:K`` (``top_k``
is K = 5), ``mae`` and ``confusion`` are their names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from crosstrain.detection.detections import Detections
from crosstrain.detection.heads import HEADS, detections
from crosstrain.detection.suppression import DEFAULT, Suppression
from crosstrain.training.scores import ctc

NEARLY = 1e-2
"""Tolerance for probabilities to sum to 1: half precision rounds at 1e-3."""


@dataclass(frozen=True)
class Transcription:
    """How the outputs of CTC are read: its ``blank``, the label that is a ``space`` (None: none is), and the
    width of the ``beam`` that looks for the likeliest text (0: the best path's)."""

    blank: int = 0
    space: int | None = None
    beam: int = 0

    def texts(self, reading: Reading, outputs: np.ndarray) -> list[ctc.Labels]:
        """The labels that each of ``outputs``, (N, steps, labels), spells."""
        if self.beam:
            return [each[0][0] for each in self.likeliest(reading, outputs)]
        return [ctc.greedy(each, self.blank) for each in outputs]

    def likeliest(self, reading: Reading, outputs: np.ndarray) -> list[list[tuple[ctc.Labels, float]]]:
        """For each of ``outputs`` the likeliest texts that a beam finds, with logarithms of probabilities."""
        with np.errstate(divide="ignore"):
            log_p = np.log(reading.probabilities(outputs))
        return [ctc.beam_search(each, max(1, self.beam), self.blank) for each in log_p]

    def spelt(self, targets: np.ndarray) -> list[ctc.Labels]:
        """The labels of each target (N, length), without what fills it up."""
        return [tuple(each[each != self.blank].tolist()) for each in targets]

    def words(self, labels: ctc.Labels) -> list[ctc.Labels]:
        """The parts of a text between its spaces."""
        parts: list[ctc.Labels] = [()]
        for label in labels:
            if label == self.space:
                parts.append(())
            else:
                parts[-1] += (label,)
        return [part for part in parts if part]


@dataclass(frozen=True)
class Reading:
    """How outputs are to be read.

    ``classes`` is None for targets that are no classes. ``threshold`` is given where each output is a
    yes or no of its own (above it: yes), None where the largest of the last axis is the answer. ``logits``
    says that probabilities are the softmax (the sigmoid, of a yes or no) of the outputs. Targets that are
    ``void`` are of no class and not judged; ``maps`` says that outputs are (N, H, W, classes), and
    ``transcription`` that they spell texts by CTC. ``head`` is that of a detector's outputs
    (``detection.heads``), with ``settings``, those of its loss.
    """

    classes: int | None = None
    threshold: float | None = None
    logits: bool = False
    void: int | None = None
    maps: bool = False
    transcription: Transcription | None = None
    head: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        loss: str,
        settings: Mapping[str, Any],
        classes: int | None,
        last_axis: int | None,
        *,
        maps: bool = False,
        space: int | None = None,
    ) -> Reading:
        """The reading that fits a loss by its Keras name and its settings, and the outputs' last axis."""
        if loss in ("ctc", "CTC"):
            return cls(last_axis, logits=True, transcription=Transcription(space=space))
        if loss in HEADS:
            return cls(classes, head=loss, settings=settings)
        logits, void = bool(settings.get("from_logits")), settings.get("ignore_class")
        if "binary" in loss or (last_axis == 1 and classes is not None):
            return cls(classes, 0.0 if logits else 0.5, logits)
        if loss in ("hinge", "squared_hinge"):
            return cls(classes, 0.0)
        # A vocabulary may be larger than what occurs of it.
        own = classes if classes is None else max(classes, last_axis or 0)
        return cls(own, logits=logits, void=void, maps=maps and own is not None)

    @property
    def boxes(self) -> bool:
        """Whether outputs give detections."""
        return self.head in HEADS and HEADS[self.head].candidates is not None

    def detections(self, outputs: np.ndarray, rule: Suppression = DEFAULT) -> list[Detections]:
        """What a detector's outputs say of each picture."""
        return detections(self.head, outputs, self.settings, rule)

    def answers(self, outputs: np.ndarray) -> np.ndarray:
        """The predicted class (int) of each output."""
        if self.threshold is None:
            return np.asarray(np.argmax(outputs, axis=-1))
        return _without_last(outputs > self.threshold).astype(np.int64)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """The probability of each class (N, classes), float64, from outputs (N, classes), or (N,) or (N, 1)
        in binary classification. Rows are NaN where the outputs are neither logits nor a distribution."""
        values = outputs.astype(np.float64)
        with np.errstate(all="ignore"):  # outputs of a training that diverged give NaN
            if self.threshold is not None:
                values = _without_last(values)
                yes = 1 / (1 + np.exp(-values.clip(-700, 700))) if self.logits else values
                values = np.stack([1 - yes, yes], axis=-1)
            elif self.logits:
                powers = np.exp(values - values.max(axis=-1, keepdims=True))
                values = powers / powers.sum(axis=-1, keepdims=True)
            distribution = (values >= 0).all(axis=-1) & (np.abs(values.sum(axis=-1) - 1) < NEARLY)
        return np.where(distribution[..., None], values, np.nan)

    def truths(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The true class (int), from labels, one-hot rows or, in binary classification, numbers above 0.5."""
        if self.threshold is not None:
            return _without_last(targets.reshape(outputs.shape) > 0.5).astype(np.int64)
        if targets.ndim == outputs.ndim and targets.shape[-1] == outputs.shape[-1] > 1:
            return np.asarray(np.argmax(targets, axis=-1))
        return targets.reshape(outputs.shape[:-1]).astype(np.int64)


def _without_last(x: np.ndarray) -> np.ndarray:
    return x[..., 0] if x.ndim > 1 and x.shape[-1] == 1 else x


class Metric(Protocol):
    """Updated batch by batch, with the outputs that are judged, or with all of them where it has a true
    attribute ``whole``; ``result`` is JSON, None before the first update."""

    def update(self, outputs: np.ndarray, targets: np.ndarray) -> None: ...

    def result(self) -> Any: ...


@dataclass
class Share:
    """The share of correct predictions: correct / all."""

    right: Callable[[np.ndarray, np.ndarray], np.ndarray]
    hits: int = 0
    count: int = 0

    def update(self, outputs: np.ndarray, targets: np.ndarray) -> None:
        right = self.right(outputs, targets)
        self.hits += int(np.count_nonzero(right))
        self.count += right.size

    def result(self) -> float | None:
        return self.hits / self.count if self.count else None


@dataclass
class MeanAbsoluteError:
    """Mean of |output - target| over all numbers, summed in float64."""

    total: float = 0.0
    count: int = 0

    def update(self, outputs: np.ndarray, targets: np.ndarray) -> None:
        difference = outputs.astype(np.float64) - targets.reshape(outputs.shape)
        self.total += float(np.abs(difference).sum())
        self.count += difference.size

    def result(self) -> float | None:
        return self.total / self.count if self.count else None


@dataclass
class Confusion:
    """The confusion matrix: counts by true class (row) and predicted class (column)."""

    reading: Reading
    counts: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        size = max(2, self.reading.classes or 2)
        self.counts = np.zeros((size, size), np.int64)

    def update(self, outputs: np.ndarray, targets: np.ndarray) -> None:
        size = len(self.counts)
        pairs = self.reading.truths(outputs, targets) * size + self.reading.answers(outputs)
        self.counts += np.bincount(pairs.reshape(-1), minlength=size * size).reshape(size, size)

    def result(self) -> list[list[int]]:
        rows: list[list[int]] = self.counts.tolist()
        return rows


def _accuracy(reading: Reading, argument: str) -> Metric:
    """The share of right answers: of texts, those that are right altogether."""
    if (texts := reading.transcription) is not None:
        return Share(
            lambda outputs, targets: np.array(
                [a == t for a, t in zip(texts.texts(reading, outputs), texts.spelt(targets), strict=True)]
            )
        )
    return Share(lambda outputs, targets: reading.answers(outputs) == reading.truths(outputs, targets))


def _top_k(reading: Reading, argument: str) -> Metric:
    k = int(argument or 5)

    def right(outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Correct if fewer than k scores exceed the true class's; NaN is never correct."""
        truth = np.expand_dims(reading.truths(outputs, targets), -1)
        score = np.take_along_axis(outputs, truth, axis=-1)
        correct: np.ndarray = (np.sum(outputs > score, axis=-1) < k) & ~np.isnan(score[..., 0])
        return correct

    return Share(right)


METRICS: dict[str, tuple[Callable[[Reading, str], Metric], bool]] = {
    "accuracy": (_accuracy, True),
    "top_k": (_top_k, True),
    "confusion": (lambda reading, argument: Confusion(reading), True),
    "mae": (lambda reading, argument: MeanAbsoluteError(), False),
}
"""The constructor of each metric, and whether it needs classes."""


def check_metric(name: str) -> str:
    """``name`` if there is such a metric. Raises ``ValueError``, which lists the metrics."""
    key, _, argument = name.partition(":")
    if key not in METRICS or (argument and not (key == "top_k" and argument.isdigit() and int(argument) > 0)):
        raise ValueError(f"there is no metric {name!r}; there are {', '.join(METRICS)}, top_k:K")
    return name


def metrics(names: tuple[str, ...], reading: Reading) -> dict[str, Metric]:
    """Those of ``names`` that fit the targets, by name; where none does, accuracy or the mean absolute
    error, whichever fits. Of a detector's outputs none: those have metrics of their own."""
    if reading.head:
        return {}
    chosen = {}
    for name in map(check_metric, names):
        make, needs_classes = METRICS[name.partition(":")[0]]
        if reading.transcription is not None and name != "accuracy":
            continue  # the others want one answer for each output
        if not needs_classes or reading.classes is not None:
            chosen[name] = make(reading, name.partition(":")[2])
    if chosen:
        return chosen
    default = "mae" if reading.classes is None else "accuracy"
    return {default: METRICS[default][0](reading, "")}
