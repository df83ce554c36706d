"""What speaks for each row (accuracy, training time, latency, memory), and which rows no other dominates.

A row is dominated where another is at least as good in everything and better in something, and a
difference counts only beyond its noise: the front keeps what this data cannot tell apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crosstrain.advice.works import LOSS_TIE, Work, Z, works
from crosstrain.results.rows import Row
from crosstrain.results.units import pixels
from crosstrain.statistics import ratios as statistics

MEMORY_NOISE = 0.02
"""By how much (relative) peaks of memory differ without meaning anything: allocators round, and one peak
more in a process is seen or not."""


@dataclass(frozen=True)
class LogRatio:
    """The logarithm of one row's cost over another's, with its 95 % limits; below 0 the first is better."""

    value: float
    low: float
    high: float

    @property
    def tied(self) -> bool:
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class Candidate:
    """A row that may be taken. ``latency`` is the median of one example in seconds, where measured."""

    row: Row
    work: Work
    latency: float | None = None

    @property
    def seconds(self) -> float:
        assert self.row.seconds is not None
        return self.row.seconds.value

    @property
    def memory(self) -> int | None:
        return self.row.peak_memory_bytes

    def name(self, among: Sequence[Candidate] = (), *, full: bool = False) -> str:
        """The engine, with what else tells the row apart from the others."""
        several_networks = len({c.row.network for c in among}) > 1
        several_sizes = len({str(c.row.input_size) for c in among}) > 1
        name = self.row.engine
        if several_networks or full:
            name += f" with {self.row.network}"
        if self.row.input_size is not None and (several_sizes or full):
            name += f" at {pixels(self.row.input_size)}"
        return name

    def to_json(self) -> dict[str, Any]:
        """As in ``ComparisonResult.front``: seconds, bytes, shares."""
        accuracy = self.work.accuracy_interval
        return {
            "network": self.row.network, "input_size": self.row.input_size, "engine": self.row.engine,
            "accuracy": accuracy and accuracy.to_json(), "measure": self.work.title,
            "test_loss": self.work.loss,
            "seconds_per_epoch": self.row.seconds and self.row.seconds.to_json(),
            "latency_p50": self.latency, "peak_memory_bytes": self.memory,
        }  # fmt: skip


def _quality(candidate: Candidate) -> float | None:
    """The quantity to minimize: the error rate, or the test loss where there is no accuracy."""
    loss = candidate.work.loss
    return candidate.work.error_rate or (loss if loss and loss > 0 else None)


def _quality_ratio(a: Candidate, b: Candidate) -> LogRatio | None:
    if a.work is b.work:
        return LogRatio(0.0, 0.0, 0.0)
    first, second = _quality(a), _quality(b)
    if first is None or second is None:
        return None
    if a.work.accuracy is None or b.work.accuracy is None:
        return _within(first / second, LOSS_TIE)
    variances = [
        work.sampling_variance(rate) + (work.error / rate) ** 2
        for rate, work in ((first, a.work), (second, b.work))
    ]
    value, half = math.log(first / second), Z * math.sqrt(sum(variances))
    return LogRatio(value, value - half, value + half)


def _time_ratio(a: Candidate, b: Candidate) -> LogRatio | None:
    interval = statistics.ratio(a.row.runs, b.row.runs)
    if interval is None or interval.low <= 0:
        return None
    return LogRatio(math.log(interval.value), math.log(interval.low), math.log(interval.high))


def _within(quotient: float, noise: float) -> LogRatio:
    value, half = math.log(quotient), math.log1p(noise)
    return LogRatio(value, value - half, value + half)


def _plain_ratio(key: Callable[[Candidate], float | None], noise: float) -> Compare:
    def compare(a: Candidate, b: Candidate) -> LogRatio | None:
        first, second = key(a), key(b)
        return _within(first / second, noise) if first and second else None

    return compare


Compare = Callable[[Candidate, Candidate], LogRatio | None]


@dataclass(frozen=True)
class Criterion:
    """Something of which less is better: its value, and how two rows compare in it."""

    value: Callable[[Candidate], float | None]
    compare: Compare


def _latency(candidate: Candidate) -> float | None:
    return candidate.latency


def _memory(candidate: Candidate) -> float | None:
    return candidate.memory


CRITERIA: Mapping[str, Criterion] = {
    "accuracy": Criterion(_quality, _quality_ratio),
    "time": Criterion(lambda candidate: candidate.seconds, _time_ratio),
    # A row's latency is measured in one process: what processes differ by is not seen.
    "latency": Criterion(_latency, _plain_ratio(_latency, statistics.UNSEEN_NOISE)),
    "memory": Criterion(_memory, _plain_ratio(_memory, MEMORY_NOISE)),
}
"""By the names that ``--prefer`` knows."""


def candidates(rows: Sequence[Row], criteria: Sequence[Mapping[str, Any]] = ()) -> list[Candidate]:
    """The rows that may be taken: closed division, proved, complete. ``criteria`` as in the results."""
    able = [row for row in rows if row.recommendable and row.seconds]
    latencies = {_key(each): _number(each.get("latency_p50")) for each in criteria}
    result = []
    for work in works(able):
        for row in work.rows:
            key = (row.network, str(row.input_size), row.engine)
            result.append(Candidate(row, work, latencies.get(key)))
    return result


def works_of(candidates: Sequence[Candidate]) -> list[Work]:
    """The distinct works of these candidates, in their order."""
    return list({id(c.work): c.work for c in candidates}.values())


def front(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that no other dominates beyond the noise (Pareto front), in their order."""
    undominated = [
        c for c in candidates if not any(_dominates(other, c) for other in candidates if other is not c)
    ]
    # Ties are not transitive, so in theory all may be dominated in a circle: then none is excluded.
    return undominated or list(candidates)


def _dominates(a: Candidate, b: Candidate) -> bool:
    """Whether ``a`` is at least as good everywhere and better beyond the noise somewhere. What only one
    of the two was measured for leaves them apart."""
    if any((each.value(a) is None) != (each.value(b) is None) for each in CRITERIA.values()):
        return False
    better = False
    # Time comes last: its noise is drawn, which costs a thousand times as much as the others.
    for name in sorted(CRITERIA, key=lambda name: name == "time"):
        criterion = CRITERIA[name]
        if name == "accuracy":
            tied, ahead = a.work is b.work or a.work.ties(b.work), a.work.better(b.work)
        else:
            ratio = criterion.compare(a, b)
            tied, ahead = ratio is None or ratio.tied, ratio is not None and ratio.value < 0
        if not tied and not ahead:
            return False
        better = better or not tied
    return better


def _key(record: Mapping[str, Any]) -> tuple[str, str, str]:
    return record["network"], str(record.get("input_size")), record["engine"]


def _number(value: Any) -> float | None:
    """A latency in seconds, from a number or an interval."""
    plain = value.get("value") if isinstance(value, Mapping) else value
    return float(plain) if isinstance(plain, int | float) and plain > 0 else None
