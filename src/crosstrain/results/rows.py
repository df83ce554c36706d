"""Cells that differ only in seed and repeat, summed up as one row of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean, stdev
from statistics import median as plain_median
from typing import Any

from crosstrain.results.schema import CellResult, Size, finite
from crosstrain.statistics import ratios as statistics
from crosstrain.statistics.ratios import Interval


@dataclass(frozen=True)
class Row:
    """All cells of one network, input size and engine."""

    cells: tuple[CellResult, ...]

    @property
    def network(self) -> str:
        return self.cells[0].network

    @property
    def engine(self) -> str:
        return self.cells[0].engine

    @property
    def input_size(self) -> Size:
        return self.cells[0].input_size

    @property
    def division(self) -> str:
        return self.cells[0].division

    @cached_property
    def done(self) -> tuple[CellResult, ...]:
        return tuple(c for c in self.cells if c.status == "done" and c.epochs)

    @property
    def certificate(self) -> str:
        """The worst of its cells': one that departs spoils the row."""
        statuses = {c.certificate for c in self.cells}
        return next(s for s in ("departs", "cannot", "none", "proved") if s in statuses)

    @property
    def status(self) -> str:
        """``done`` where every cell is that was not left out on purpose; else the first fault."""
        faults = [c.status for c in self.cells if c.status not in ("done", "left out")]
        return faults[0] if faults else ("done" if self.done else "left out")

    @property
    def error(self) -> str | None:
        """The first fault's sentence; that a training diverged is one."""
        faults = [c.error if c.status not in ("done", "left out") else c.diverged for c in self.cells]
        return next((fault for fault in faults if fault), None)

    @property
    def runs(self) -> list[list[float]]:
        """Seconds of training per epoch, a list for each process."""
        return [c.epoch_seconds for c in self.done]

    @cached_property
    def seconds(self) -> Interval | None:
        """Median seconds of training per epoch, with its interval."""
        return statistics.median(self.runs)

    @property
    def images_per_second(self) -> float | None:
        rates = [e.images_per_second for c in self.done for e in c.epochs]
        return plain_median(rates) if rates else None

    @property
    def test_accuracy(self) -> float | None:
        """Mean over the cells; they share the test examples."""
        accuracies = [c.test_accuracy for c in self.done if c.test_accuracy is not None]
        return mean(accuracies) if accuracies else None

    @property
    def title(self) -> str:
        """What the main metric is called: ``accuracy``, ``mean IoU``."""
        return self.done[0].title if self.done else "accuracy"

    @property
    def score(self) -> float | None:
        """The main metric: mean over the cells; they share the test examples."""
        scores = [c.score for c in self.done if c.score is not None]
        return mean(scores) if scores else None

    @cached_property
    def score_interval(self) -> Interval | None:
        """The main metric with its 95 % limits: Wilson's for a share of right answers, else the mean of those
        that the cells' test sets gave."""
        value = self.score
        if value is None:
            return None
        if self.title == "accuracy":
            return statistics.wilson(value, self.test_examples)
        limits = [
            (c.measure.low, c.measure.high)
            for c in self.done
            if c.measure and c.measure.low is not None and c.measure.high is not None
        ]
        if not limits:
            return Interval(value, value, value, self.test_examples, "range")
        low, high = (mean(each) for each in zip(*limits, strict=True))
        return Interval(value, min(low, value), max(high, value), self.test_examples)

    @property
    def score_over_seeds(self) -> Interval | None:
        """The main metric's mean over seeds, each the mean of its repeats, with the interval that the spread
        over seeds gives; None for one seed."""
        return statistics.over_seeds(self._scores_of_seeds)

    @property
    def seed_spread(self) -> float | None:
        """Standard deviation of the main metric over seeds; None for one seed."""
        scores = self._scores_of_seeds
        return stdev(scores) if len(scores) > 1 else None

    @property
    def _scores_of_seeds(self) -> list[float]:
        by_seed: dict[int, list[float]] = {}
        for cell in self.done:
            if cell.score is not None:
                by_seed.setdefault(cell.seed, []).append(cell.score)
        return [mean(scores) for scores in by_seed.values()]

    @property
    def test_loss(self) -> float | None:
        losses = [c.test_metrics.get("loss") for c in self.done]
        numbers = [f for f in losses if isinstance(f, int | float)]
        return mean(numbers) if numbers else None

    @property
    def test_examples(self) -> int:
        return max((c.test_examples for c in self.done), default=0)

    @property
    def peak_memory_bytes(self) -> int | None:
        return max((c.peak_memory_bytes for c in self.done if c.peak_memory_bytes), default=None)

    @property
    def compile_seconds(self) -> float | None:
        """The median of the cells that have compiled themselves; of all, where none has."""
        whole = [cell for cell in self.done if not cell.compilations_reused] or self.done
        return plain_median([cell.compile_seconds for cell in whole]) if whole else None

    @property
    def compiled_before(self) -> bool:
        """Whether every cell took something from what an earlier process had compiled."""
        return bool(self.done) and all(cell.compilations_reused for cell in self.done)

    @property
    def recommendable(self) -> bool:
        """Whether a recommendation may rest on it: same work, proved, and nothing of it failed."""
        return (
            self.division == "closed"
            and self.certificate == "proved"
            and self.status == "done"
            and not self.error
        )

    def to_json(self) -> dict[str, Any]:
        seeds, score = self.score_over_seeds, self.score_interval
        over_seeds = {**seeds.to_json(), "sd": self.seed_spread} if seeds else None
        of_examples = self.title == "accuracy"
        return {
            "network": self.network,
            "engine": self.engine,
            "engine_version": self.cells[0].engine_version,
            "input_size": self.input_size,
            "division": self.division,
            "status": self.status,
            "error": self.error,
            "certificate": self.certificate,
            "cells": len(self.done),
            "seconds_per_epoch": self.seconds and self.seconds.to_json(),
            "half_width": self.seconds and finite(self.seconds.half_width),
            "spread": statistics.spread(self.runs),
            "images_per_second": self.images_per_second,
            # Of pixels, which are no independent examples, there are no limits.
            "test_accuracy": score.to_json() if score and of_examples else None,
            "test_accuracy_over_seeds": over_seeds if of_examples else None,
            **(
                {}
                if of_examples
                else {
                    "measure": self.title,
                    "test_score": score and score.to_json(),
                    "test_score_over_seeds": over_seeds,
                    "pixel_accuracy": self.test_accuracy,
                }
            ),
            "test_loss": self.test_loss,
            "peak_memory_bytes": self.peak_memory_bytes,
            "compile_seconds": self.compile_seconds,
        }


def rows(cells: Sequence[CellResult]) -> list[Row]:
    """Rows in the order in which networks, sizes and engines first appear."""
    groups: dict[tuple[str, str, str], list[CellResult]] = {}
    for cell in cells:
        groups.setdefault((cell.network, str(cell.input_size), cell.engine), []).append(cell)
    return [Row(tuple(group)) for group in groups.values()]


def size_text(size: Size) -> str:
    """``32``, ``32×48`` or ``–``."""
    if size is None:
        return "–"
    return str(size) if isinstance(size, int) else "×".join(map(str, size))


def counted(number: int, word: str) -> str:
    """``1 epoch``, ``3,000 epochs``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
