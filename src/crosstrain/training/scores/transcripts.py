"""Metrics of texts that CTC spells: character and word error rate, and the share of characters right.

Rates are edits over the length of all true texts together, as NIST's sclite and jiwer count them; they exceed
1 where more is wrong than there is to read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crosstrain.training.metrics import Metric, Reading
from crosstrain.training.scores.ctc import edit_distance

RESAMPLES = 1000


@dataclass
class Edits:
    """``measure`` of the edits and the lengths of all examples, int64 (N,); ``parts`` makes of a text's
    labels what is compared: characters, or words."""

    reading: Reading
    parts: Callable[[tuple[int, ...]], Sequence[Any]]
    measure: Callable[[np.ndarray, np.ndarray], Any]
    edits: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)

    def update(self, outputs: np.ndarray, targets: np.ndarray) -> None:
        transcription = self.reading.transcription
        assert transcription is not None
        texts = transcription.texts(self.reading, outputs), transcription.spelt(targets)
        for answer, truth in zip(*texts, strict=True):
            wanted = self.parts(truth)
            self.edits.append(edit_distance(self.parts(answer), wanted))
            self.lengths.append(len(wanted))

    def result(self) -> Any:
        return self.measure(np.array(self.edits), np.array(self.lengths)) if sum(self.lengths) else None


def error_rate(edits: np.ndarray, lengths: np.ndarray) -> float:
    return float(edits.sum() / lengths.sum())


def accuracy(edits: np.ndarray, lengths: np.ndarray) -> float:
    """1 less the error rate, at least 0."""
    return max(0.0, 1 - error_rate(edits, lengths))


def limits(edits: np.ndarray, lengths: np.ndarray) -> list[float] | None:
    """The 95 % limits of ``accuracy``: percentiles over resampled texts (Efron 1979)."""
    if len(edits) < 2:
        return None
    count = len(edits)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    rates = (drawn @ edits) / np.maximum(drawn @ lengths, 1)
    low, high = np.quantile(np.maximum(0, 1 - rates), (0.025, 0.975))
    return [float(low), float(high)]


def training_metrics(reading: Reading) -> Mapping[str, Metric]:
    """What texts are judged by after every epoch, beside the share of those that are right altogether."""
    return {"character_accuracy": Edits(reading, tuple, accuracy)} if reading.transcription else {}


def test_metrics(reading: Reading) -> Mapping[str, Metric]:
    """What is told of a test set of texts besides."""
    assert reading.transcription is not None
    return {
        "character_error_rate": Edits(reading, tuple, error_rate),
        "word_error_rate": Edits(reading, reading.transcription.words, error_rate),
        "character_accuracy_limits": Edits(reading, tuple, limits),
    }
