"""Statistics of measurements: medians and their ratios with intervals, accuracies with Wilson's.

Epochs of one process are more alike than epochs of different processes, so what is compared is one number
for each process: the logarithm of its median epoch. From ``FEWEST`` processes on their centre has an interval
that holds its level (``location``; Kalibera and Jones 2013 on why repeats at the highest level count). With
fewer, nothing is known of how processes differ: then a bootstrap over epochs, processes drawn first (Davison
and Hinkley 1997, section 3.8), and ratios are widened. ``docs/statistics.md`` gives the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from crosstrain.statistics import location
from crosstrain.statistics.location import Located, Numbers

CONFIDENCE = location.CONFIDENCE
RESAMPLES = 2000
FEWEST = 3
"""With fewer samples than this a bootstrap says nothing (the range of the samples is shown instead), and
with fewer processes nothing is known of how processes differ."""

UNSEEN_NOISE = 0.10
"""What two timings may differ by chance where too few processes tell (relative). Without it, two equal
engines measured in one process each are told apart in a third of all cases when processes differ by 3 %
(``tests/statistics/test_statistics.py`` simulates it)."""

Runs = Sequence[Sequence[float]]
"""Samples (seconds), a sequence for each process, in the order in which the processes ran."""


@dataclass(frozen=True)
class Interval:
    """A value between two limits (95 %). ``method`` tells how: ``student`` (three processes or more, also
    numbers that stand for one seed each), ``signed-rank`` (six or more); with fewer ``bootstrap`` over
    epochs, ``range`` where samples are too few for that (the limits are the smallest and largest sample),
    ``widened`` where ``UNSEEN_NOISE`` is added on both sides; ``wilson`` for a share."""

    value: float
    low: float
    high: float
    samples: int
    method: Literal["bootstrap", "range", "widened", "wilson", "student", "signed-rank"] = "bootstrap"

    def includes(self, value: float) -> bool:
        return self.low <= value <= self.high

    @property
    def half_width(self) -> float:
        """Half the distance of the limits, as a share of the value."""
        return (self.high - self.low) / 2 / self.value if self.value > 0 else math.inf

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value, "low": self.low, "high": self.high, "samples": self.samples,
            "method": self.method,
        }  # fmt: skip


def median(runs: Runs, *, seed: int = 0) -> Interval | None:
    """The median over all samples, with its 95 % interval; None without samples.

    From ``FEWEST`` processes on the interval is of the centre of the processes' medians, taken as
    logarithms: it may reach beyond the samples.
    """
    table, lengths = _table(runs)
    values = table[np.isfinite(table)]
    if not values.size:
        return None
    middle = float(np.median(values))
    if enough(runs):
        centre = location.centre(levels(runs), noise(runs))
        low, high = math.exp(centre.low), math.exp(centre.high)
        return Interval(middle, min(low, middle), max(high, middle), values.size, centre.method)
    if values.size < FEWEST:
        return Interval(middle, float(values.min()), float(values.max()), values.size, "range")
    low, high = np.quantile(_medians(table, lengths, seed), _limits())
    # With few samples the draws can miss the middle by rounding alone; an interval holds its own value.
    return Interval(middle, min(float(low), middle), max(float(high), middle), values.size)


def ratio(numerator: Runs, denominator: Runs, *, seed: int = 0) -> Interval | None:
    """Median of one over median of another, with its 95 % interval; None where a side has no sample, or one
    that is not above 0.

    From ``FEWEST`` processes on each side: of the difference of the processes' logarithms
    (``location.difference``). With fewer, the interval is widened by ``UNSEEN_NOISE``: epochs of one
    process do not show how processes differ. With fewer samples than that it is the widened range.
    """
    top, bottom = median(numerator), median(denominator)
    if top is None or bottom is None or not positive(numerator, denominator):
        return None
    value, samples = top.value / bottom.value, min(top.samples, bottom.samples)
    if enough(numerator, denominator):
        centre = _difference(numerator, denominator)
        low, high = math.exp(centre.low), math.exp(centre.high)
        return Interval(value, min(low, value), max(high, value), samples, centre.method)
    if samples < FEWEST:
        low, high = top.low / bottom.high, top.high / bottom.low
    else:
        draws = _medians(*_table(numerator), seed) / _medians(*_table(denominator), seed + 1)
        low, high = (float(q) for q in np.quantile(draws, _limits()))
    low, high = min(low, value), max(high, value)
    return Interval(value, low / (1 + UNSEEN_NOISE), high * (1 + UNSEEN_NOISE), samples, "widened")


def tied(numerator: Runs, denominator: Runs, *, seed: int = 0) -> bool:
    """Whether the two cannot be told apart: the interval of their ratio includes 1 (or there is none)."""
    quotient = ratio(numerator, denominator, seed=seed)
    return quotient is None or quotient.includes(1.0)


def probability(numerator: Runs, denominator: Runs) -> float | None:
    """How probable a ratio so far from 1 is between equals (two-sided); None with too few processes."""
    if not enough(numerator, denominator):
        return None
    return _difference(numerator, denominator).p


def enough(*several: Runs) -> bool:
    """Whether each has the processes that an interval needs, and no sample that has no logarithm."""
    return all(_processes(runs) >= FEWEST for runs in several) and positive(*several)


def positive(*several: Runs) -> bool:
    """Whether all samples are above 0."""
    return all(sample > 0 for runs in several for run in runs for sample in run)


def levels(runs: Runs) -> Numbers:
    """The logarithm of the median of each process that has samples, shape (processes,)."""
    return np.log([np.median(run) for run in runs if len(run)])


def noise(runs: Runs) -> float:
    """The variance that the median of a process has by its epochs alone, relative; 0 where no process has
    two. Processes cannot differ less, but a few of them may seem to."""
    logs = [np.log(run) for run in runs if len(run)]
    freedom = sum(len(run) - 1 for run in logs)
    if not freedom:
        return 0.0
    within = sum(float(np.sum((run - run.mean()) ** 2)) for run in logs) / freedom
    return within * float(np.mean([(math.pi / 2 if len(run) > 2 else 1.0) / len(run) for run in logs]))


def over_seeds(shares: Sequence[float]) -> Interval | None:
    """The mean of shares (accuracies), one for each seed, with Student's interval; None for fewer than two.

    This is the spread that training itself has; Wilson's interval is that of the test examples.
    """
    if len(shares) < 2:
        return None
    interval, mean = location.student(np.asarray(shares, np.float64)), float(np.mean(shares))
    return Interval(mean, max(interval.low, 0.0), min(interval.high, 1.0), len(shares), "student")


def wilson(share: float, examples: int) -> Interval:
    """A share of right answers among so many examples, with Wilson's 95 % interval (Wilson 1927)."""
    if examples <= 0:
        return Interval(share, 0.0, 1.0, 0, "wilson")
    z = location.normal_quantile((1 + CONFIDENCE) / 2)
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


def _difference(first: Runs, second: Runs) -> Located:
    return location.difference(levels(first), levels(second), (noise(first), noise(second)))


def _processes(runs: Runs) -> int:
    return sum(len(run) > 0 for run in runs)


def _table(runs: Runs) -> tuple[np.ndarray, np.ndarray]:
    """Samples as (processes, longest) with NaN behind the last of each, and the lengths."""
    nonempty = [list(run) for run in runs if len(run)]
    lengths = np.array([len(run) for run in nonempty], dtype=np.int64)
    table = np.full((len(nonempty), int(lengths.max(initial=0))), np.nan)
    for row, run in zip(table, nonempty, strict=True):
        row[: len(run)] = run
    return table, lengths


def _medians(table: np.ndarray, lengths: np.ndarray, seed: int) -> np.ndarray:
    """Medians of ``RESAMPLES`` draws: processes with replacement, in each its epochs with replacement."""
    rng = np.random.default_rng(seed)
    processes, longest = table.shape
    chosen = rng.integers(processes, size=(RESAMPLES, processes))
    size = lengths[chosen][..., None]
    epoch = np.floor(rng.random((RESAMPLES, processes, longest)) * size).astype(np.int64)
    resampled = np.where(np.arange(longest) < size, table[chosen[..., None], epoch], np.nan)
    medians: np.ndarray = np.nanmedian(resampled.reshape(RESAMPLES, -1), axis=1)
    return medians


def _limits() -> tuple[float, float]:
    return (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
