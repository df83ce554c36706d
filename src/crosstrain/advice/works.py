"""A network at one input size, with all rows that are proved to do that same work, and how well it predicts.

Training amplifies rounding, so engines that do the same work differ in accuracy only by chance: accuracy is
a property of the work, pooled over its rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist, fmean, median, variance

from crosstrain.results.rows import Row
from crosstrain.results.schema import Size
from crosstrain.results.units import at_size
from crosstrain.statistics import ratios as statistics
from crosstrain.statistics.ratios import Interval

LOSS_TIE = 0.05
"""Where there is no accuracy, test losses that differ by less than this share are called equal: one run
does not show their noise."""

Z = NormalDist().inv_cdf((1 + statistics.CONFIDENCE) / 2)


LEARNING = 0.1
"""A training loss that falls by more than this share in an epoch is far from where it will end."""


@dataclass(frozen=True)
class Difference:
    """An accuracy less another, as shares, with its 95 % limits."""

    value: float
    low: float
    high: float

    @property
    def half(self) -> float:
        """The larger distance of a limit from the value."""
        return max(self.value - self.low, self.high - self.value)

    @property
    def points(self) -> str:
        """``+0.1 ± 0.4 points``."""
        sign = "−" if round(100 * self.value, 1) < 0 else "+"
        return f"{sign}{abs(100 * self.value):.1f} ± {100 * self.half:.1f} points"


@dataclass(frozen=True)
class Work:
    """One network at one input size: rows that are proved to do the same."""

    rows: tuple[Row, ...]

    @property
    def network(self) -> str:
        return self.rows[0].network

    @property
    def size(self) -> Size:
        return self.rows[0].input_size

    @property
    def examples(self) -> int:
        return max(row.test_examples for row in self.rows)

    @cached_property
    def accuracies(self) -> list[float]:
        """The main metric (the test accuracy, or what takes its place) of every cell that has one."""
        return [c.score for row in self.rows for c in row.done if c.score is not None]

    @property
    def title(self) -> str:
        """What the main metric is called."""
        return next((row.title for row in self.rows if row.done), "accuracy")

    @property
    def accuracy(self) -> float | None:
        return fmean(self.accuracies) if self.accuracies else None

    @property
    def accuracy_interval(self) -> Interval | None:
        """The mean accuracy with its limits: of one test, however many cells took it. Wilson's of a share of
        right answers; of another metric the mean of the rows'."""
        if self.accuracy is None:
            return None
        if self.title == "accuracy":
            return statistics.wilson(self.accuracy, self.examples)
        known = [row.score_interval for row in self.rows if row.score_interval]
        down, up = (
            fmean(each) for each in ((i.value - i.low for i in known), (i.high - i.value for i in known))
        )
        return replace(known[0], value=self.accuracy, low=self.accuracy - down, high=self.accuracy + up)

    def sampling_variance(self, rate: float) -> float:
        """Of the logarithm of ``rate``, the error rate: what other test examples would change."""
        interval = self.accuracy_interval
        if self.title == "accuracy" or interval is None:
            return (1 - rate) / (rate * self.examples)
        return ((interval.high - interval.low) / (2 * Z * rate)) ** 2

    @property
    def steady(self) -> bool:
        """Whether its cells' accuracies are as close as one test can tell."""
        low, high, interval = min(self.accuracies), max(self.accuracies), self.accuracy_interval
        if self.title == "accuracy" or interval is None:
            return statistics.accuracies_tied(low, high, self.examples)
        return high - low <= interval.high - interval.low

    @property
    def loss(self) -> float | None:
        losses = [row.test_loss for row in self.rows if row.test_loss is not None]
        return fmean(losses) if losses else None

    @cached_property
    def falling(self) -> float | None:
        """By which share the training loss still fell from the last epoch but one to the last, at the median
        over cells; None with a single epoch."""
        falls = [
            1 - (last.train_loss or 0.0) / before.train_loss
            for row in self.rows
            for cell in row.done
            for before, last in [tuple(cell.epochs[-2:])] * (len(cell.epochs) > 1)
            if before.train_loss and before.train_loss > 0
        ]
        return median(falls) if falls else None

    @property
    def unfinished(self) -> bool:
        """Whether training was stopped while it still learned fast: accuracies then compare beginnings."""
        return self.falling is not None and self.falling > LEARNING

    @property
    def name(self) -> str:
        """The network and its size."""
        return at_size(self.network, self.size)

    @property
    def error(self) -> float:
        """Standard error of the mean accuracy, from the spread of the cells; 0 where one cell shows none."""
        count = len(self.accuracies)
        return math.sqrt(variance(self.accuracies) / count) if count > 1 else 0.0

    @property
    def error_rate(self) -> float | None:
        """The error rate with half an error added, so that it is never zero."""
        if self.accuracy is None:
            return None
        return ((1 - self.accuracy) * self.examples + 0.5) / (self.examples + 1)

    def less(self, other: Work) -> Difference | None:
        """This accuracy less the other, with limits: Newcombe's (1998, method 10) for the test examples,
        and the spread of training, in quadrature. Both took the same test, which makes the limits wide
        rather than narrow. None where one has no accuracy."""
        mine, theirs = self.accuracy_interval, other.accuracy_interval
        if mine is None or theirs is None:
            return None
        by_training = Z * math.hypot(self.error, other.error)
        value = mine.value - theirs.value
        down = math.hypot(mine.value - mine.low, theirs.high - theirs.value, by_training)
        up = math.hypot(mine.high - mine.value, theirs.value - theirs.low, by_training)
        return Difference(value, value - down, value + up)

    def ties(self, other: Work) -> bool:
        """Whether the accuracies (lacking those: the test losses) are within noise of each other."""
        difference = self.less(other)
        if difference is not None:
            return difference.low <= 0 <= difference.high
        if self.accuracy is not other.accuracy or self.loss is None or other.loss is None:
            return self.accuracy is other.accuracy and self.loss is other.loss
        return abs(self.loss - other.loss) <= LOSS_TIE * min(abs(self.loss), abs(other.loss))

    def better(self, other: Work) -> bool:
        """Whether it predicts better, by the plain numbers."""
        if self.accuracy is not None and other.accuracy is not None:
            return self.accuracy > other.accuracy
        return self.loss is not None and other.loss is not None and self.loss < other.loss


def works(rows: Sequence[Row]) -> list[Work]:
    """The works that these rows do, in their order."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.network, str(row.input_size)), []).append(row)
    return [Work(tuple(group)) for group in groups.values()]


def as_good_as_the_best(works: Sequence[Work]) -> list[Work]:
    """The works whose accuracy (or, lacking that, test loss) is within noise of the best."""
    measured = [work for work in works if work.accuracy is not None]
    if measured:
        best = max(measured, key=lambda work: work.accuracy or 0.0)
        return [work for work in measured if work is best or work.ties(best)]
    with_loss = [work for work in works if work.loss is not None]
    if with_loss:
        best = min(with_loss, key=lambda work: work.loss or 0.0)
        return [work for work in with_loss if work is best or work.ties(best)]
    return list(works)
