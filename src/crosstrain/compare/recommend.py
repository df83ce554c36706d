"""Which engine, network and input size to take, in a sentence that names its evidence.

Engines that are proved to do the same work differ in accuracy only by chance: training amplifies rounding.
So accuracy is a property of network and input size, pooled over their proved rows, and speed one of the
engine. Among what is within noise of the best accuracy, all rows whose time is not told apart from the
fastest's are level; of those the one that needs least memory is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, variance

from crosstrain.compare import statistics
from crosstrain.compare.rows import Row, size_text
from crosstrain.compare.schema import Recommendation, Size
from crosstrain.compare.statistics import Interval

LOSS_TIE = 0.05
"""Where there is no accuracy, test losses that differ by less than this share are called equal: one run
does not show their noise."""


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
        """Of every cell."""
        return [c.test_accuracy for row in self.rows for c in row.done if c.test_accuracy is not None]

    @property
    def accuracy(self) -> float | None:
        return fmean(self.accuracies) if self.accuracies else None

    @property
    def loss(self) -> float | None:
        found = [row.test_loss for row in self.rows if row.test_loss is not None]
        return fmean(found) if found else None

    @property
    def name(self) -> str:
        """The network, at its size."""
        row = self.rows[0]
        return row.network + ("" if row.input_size is None else f" at {size_text(row.input_size)}")

    @property
    def error(self) -> float:
        """Standard error of the mean accuracy, from the spread of the cells; 0 where one cell shows none."""
        count = len(self.accuracies)
        return math.sqrt(variance(self.accuracies) / count) if count > 1 else 0.0

    def ties(self, other: Work) -> bool:
        """Whether the accuracies are within noise: of the test examples, and of training itself."""
        if self.accuracy is None or other.accuracy is None:
            return self.accuracy is other.accuracy
        by_training = 1.96 * math.hypot(self.error, other.error)
        apart = max(abs(self.accuracy - other.accuracy) - by_training, 0.0)
        lower = min(self.accuracy, other.accuracy)
        return statistics.accuracies_tied(lower, lower + apart, min(self.examples, other.examples))


def recommend(rows: Sequence[Row]) -> Recommendation:
    """The recommendation; its engine is None where no row allows one."""
    candidates = [row for row in rows if row.recommendable and row.seconds]
    if not candidates:
        return Recommendation(reason=_why_none(rows))
    works = _works(candidates)
    good = _as_good_as_the_best(works)
    eligible = [row for work in good for row in work.rows]
    fastest = min(eligible, key=_seconds)
    level = [r for r in eligible if r is fastest or statistics.tied(r.runs, fastest.runs)]
    chosen = min(level, key=lambda r: (r.peak_memory_bytes or 0, _seconds(r)))
    mine = next(work for work in good if any(row is chosen for row in work.rows))
    parts = [_quality(mine, works, good), _speed(chosen, eligible, level), _caution(mine)]
    return Recommendation(
        engine=chosen.engine,
        network=chosen.network,
        input_size=chosen.input_size,
        reason=f"Take {_name(chosen, candidates, full=True)}: {'; '.join(p for p in parts if p)}.",
    )


def _works(candidates: Sequence[Row]) -> list[Work]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in candidates:
        found.setdefault((row.network, str(row.input_size)), []).append(row)
    return [Work(tuple(group)) for group in found.values()]


def _seconds(row: Row) -> float:
    assert row.seconds is not None
    return row.seconds.value


def _as_good_as_the_best(works: Sequence[Work]) -> list[Work]:
    """The works whose accuracy (or, lacking that, test loss) cannot be told from the best."""
    measured = [work for work in works if work.accuracy is not None]
    if measured:
        best = max(measured, key=lambda work: work.accuracy or 0.0)
        return [work for work in measured if work is best or work.ties(best)]
    losses = [(work, work.loss) for work in works if work.loss is not None]
    if losses:
        least = min(loss for _, loss in losses)
        return [work for work, loss in losses if loss - least <= LOSS_TIE * abs(least)]
    return list(works)


def _quality(mine: Work, works: Sequence[Work], good: Sequence[Work]) -> str:
    """What is known of how well it predicts, against the other networks and sizes."""
    if mine.accuracy is None:
        if mine.loss is None:
            return "there is no test metric to compare"
        return f"its test loss is {mine.loss:.4g}" + (", the least or close to it" if len(works) > 1 else "")
    told = f"its test accuracy is {mine.accuracy:.2%}"
    if len(mine.rows) > 1:
        told += f", the mean of {len(mine.rows)} engines that are proved to do the same work"
    if len(works) == 1:
        return told
    best = max(work.accuracy or 0.0 for work in good)
    if mine.accuracy == best:
        others = [work.name for work in good if work is not mine]
        told += ", the best" + (f" (within noise of it: {', '.join(others)})" if others else "")
    else:
        told += f", within noise of the best ({best:.2%}, {mine.examples} test examples)"
    return told


def _speed(chosen: Row, eligible: Sequence[Row], level: Sequence[Row]) -> str:
    """What is known of how fast it trains, against those that predict as well."""
    others = sorted((r for r in eligible if r is not chosen), key=_seconds)
    ties = [r for r in others if any(r is t for t in level)]
    slower = next((r for r in others if not any(r is t for t in level)), None)
    parts = [f"it trains at {_seconds(chosen):.3g} s an epoch"]
    if ties:
        names = " and ".join(_name(r, eligible) + _ratio_text(r, chosen) for r in ties)
        parts.append(f"in time a tie with {names}")
        if all(chosen.peak_memory_bytes and r.peak_memory_bytes for r in ties):
            parts.append("needing the least memory of these")
    ratio = slower and statistics.ratio(slower.runs, chosen.runs)
    if slower and ratio:
        parts.append(f"{ratio.value:.2g} times as fast as {_name(slower, eligible)} {_limits(ratio)}")
    if others and any(len(r.runs) < statistics.FEWEST for r in (chosen, *others)):
        parts.append(
            f"with fewer than {statistics.FEWEST} processes each, so that intervals allow for "
            f"{statistics.UNSEEN_NOISE:.0%} of noise unseen"
        )
    return ", ".join(parts)


def _caution(mine: Work) -> str:
    """Where equal work came to unequal accuracies, that has to be explained."""
    if not mine.accuracies:
        return ""
    low, high = min(mine.accuracies), max(mine.accuracies)
    if statistics.accuracies_tied(low, high, mine.examples):
        return ""
    return (
        f"its accuracies range from {low:.2%} to {high:.2%} although the work is the same, since training "
        "amplifies rounding: more epochs or --seeds make them steadier"
    )


def _ratio_text(row: Row, chosen: Row) -> str:
    ratio = statistics.ratio(row.runs, chosen.runs)
    return f" (ratio {ratio.value:.2f} {_limits(ratio)})" if ratio else ""


def _limits(interval: Interval) -> str:
    return f"[{interval.low:.2f}–{interval.high:.2f}]"


def _name(row: Row, among: Sequence[Row], full: bool = False) -> str:
    """The engine, with what else tells the row apart."""
    several_networks = len({r.network for r in among}) > 1
    several_sizes = len({str(r.input_size) for r in among}) > 1
    name = row.engine
    if several_networks or full:
        name += f" with {row.network}"
    if row.input_size is not None and (several_sizes or full):
        name += f" at {size_text(row.input_size)}"
    return name


def _why_none(rows: Sequence[Row]) -> str:
    if not any(row.done for row in rows):
        return "Nothing can be recommended: no cell was finished."
    if not any(row.certificate == "proved" for row in rows):
        return "Nothing can be recommended: no row is certified to do the same work as the definition."
    return "Nothing can be recommended: no certified row of the closed division is complete."
