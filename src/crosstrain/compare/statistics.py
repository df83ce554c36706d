"""Statistics of measurements: medians and their ratios with bootstrap intervals, accuracies with Wilson's.

Epochs of one process are more alike than epochs of different processes, so the bootstrap draws processes
first and epochs within them second (Davison and Hinkley 1997, section 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

RESAMPLES = 2000
CONFIDENCE = 0.95
FEWEST = 3
"""With fewer samples than this a bootstrap says nothing (the range of the samples is shown instead), and
with fewer processes nothing is known of how processes differ."""

UNSEEN_NOISE = 0.10
"""What two timings may differ by chance where too few processes tell (relative). Without it, two equal
engines measured in one process each are told apart in a third of all cases when processes differ by 3 %
(``tests/compare/test_statistics.py`` simulates it)."""

Runs = Sequence[Sequence[float]]
"""Samples (seconds), a sequence for each process."""


@dataclass(frozen=True)
class Interval:
    """A value between two limits. ``method`` is ``bootstrap``; ``range`` where samples are too few for an
    interval: then the limits are the smallest and largest sample; ``widened`` where ``UNSEEN_NOISE`` is
    added on both sides; ``wilson`` for a share."""

    value: float
    low: float
    high: float
    samples: int
    method: Literal["bootstrap", "range", "widened", "wilson"] = "bootstrap"

    def includes(self, value: float) -> bool:
        return self.low <= value <= self.high

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value, "low": self.low, "high": self.high, "samples": self.samples,
            "method": self.method,
        }  # fmt: skip


def median(runs: Runs, *, seed: int = 0) -> Interval | None:
    """The median over all samples, with its 95 % interval; None without samples."""
    table, lengths = _table(runs)
    values = table[np.isfinite(table)]
    if not values.size:
        return None
    middle = float(np.median(values))
    if values.size < FEWEST:
        return Interval(middle, float(values.min()), float(values.max()), values.size, "range")
    low, high = np.quantile(_medians(table, lengths, seed), _limits())
    # With few samples the draws can miss the middle by rounding alone; an interval holds its own value.
    return Interval(middle, min(float(low), middle), max(float(high), middle), values.size)


def ratio(numerator: Runs, denominator: Runs, *, seed: int = 0) -> Interval | None:
    """Median of one over median of another, with its 95 % interval.

    With fewer than ``FEWEST`` processes on a side, the interval is widened by ``UNSEEN_NOISE``: epochs of
    one process do not show how processes differ. With fewer samples than that it is the widened range.
    """
    top, bottom = median(numerator), median(denominator)
    if top is None or bottom is None or bottom.low <= 0:
        return None
    value, samples = top.value / bottom.value, min(top.samples, bottom.samples)
    if samples < FEWEST:
        low, high = top.low / bottom.high, top.high / bottom.low
    else:
        draws = _medians(*_table(numerator), seed) / _medians(*_table(denominator), seed + 1)
        low, high = (float(q) for q in np.quantile(draws, _limits()))
    low, high = min(low, value), max(high, value)
    if min(_processes(numerator), _processes(denominator)) >= FEWEST:
        return Interval(value, low, high, samples)
    return Interval(value, low / (1 + UNSEEN_NOISE), high * (1 + UNSEEN_NOISE), samples, "widened")


def tied(numerator: Runs, denominator: Runs, *, seed: int = 0) -> bool:
    """Whether the two cannot be told apart: the interval of their ratio includes 1 (or there is none)."""
    quotient = ratio(numerator, denominator, seed=seed)
    return quotient is None or quotient.includes(1.0)


def wilson(share: float, examples: int) -> Interval:
    """A share of right answers among so many examples, with Wilson's 95 % interval (Wilson 1927)."""
    if examples <= 0:
        return Interval(share, 0.0, 1.0, 0, "wilson")
    z = _normal_quantile()
    centre = (share + z * z / (2 * examples)) / (1 + z * z / examples)
    half = z / (1 + z * z / examples) * math.sqrt(share * (1 - share) / examples + (z / (2 * examples)) ** 2)
    return Interval(
        share, min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share), examples, "wilson"
    )


def accuracies_tied(first: float, second: float, examples: int) -> bool:
    """Whether two accuracies on test sets of so many examples are within noise of each other.

    Newcombe's interval of the difference of two shares (1998, method 10), from Wilson's of each.
    """
    a, b = wilson(max(first, second), examples), wilson(min(first, second), examples)
    return a.value - b.value <= math.hypot(a.value - a.low, b.high - b.value)


def spread(runs: Runs) -> float | None:
    """Interquartile range of all samples over their median (a plain measure of instability)."""
    table, _ = _table(runs)
    values = table[np.isfinite(table)]
    if values.size < FEWEST:
        return None
    first, middle, third = np.quantile(values, (0.25, 0.5, 0.75))
    return float((third - first) / middle) if middle > 0 else None


def _processes(runs: Runs) -> int:
    return sum(len(run) > 0 for run in runs)


def _table(runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    """Samples as (processes, longest) with NaN behind the last of each, and the lengths."""
    kept = [list(run) for run in runs if len(run)]
    lengths = np.array([len(run) for run in kept], dtype=np.int64)
    table = np.full((len(kept), int(lengths.max(initial=0))), np.nan)
    for row, run in zip(table, kept, strict=True):
        row[: len(run)] = run
    return table, lengths


def _medians(table: np.ndarray, lengths: np.ndarray, seed: int) -> np.ndarray:
    """Medians of ``RESAMPLES`` draws: processes with replacement, in each its epochs with replacement."""
    rng = np.random.default_rng(seed)
    processes, longest = table.shape
    chosen = rng.integers(processes, size=(RESAMPLES, processes))
    size = lengths[chosen][..., None]
    epoch = np.floor(rng.random((RESAMPLES, processes, longest)) * size).astype(np.int64)
    drawn = np.where(np.arange(longest) < size, table[chosen[..., None], epoch], np.nan)
    medians: np.ndarray = np.nanmedian(drawn.reshape(RESAMPLES, -1), axis=1)
    return medians


def _limits() -> tuple[float, float]:
    return (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2


def _normal_quantile() -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
