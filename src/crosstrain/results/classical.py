"""Classical estimators in a comparison: a division of its own, in no ranking with the networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import mean
from typing import Any

from crosstrain.results.schema import ClassicalResult, Size
from crosstrain.statistics import ratios as statistics
from crosstrain.statistics.ratios import Interval


@dataclass(frozen=True)
class ClassicalRow:
    """All fits of one estimator at one input size."""

    cells: tuple[ClassicalResult, ...]

    @property
    def estimator(self) -> str:
        return self.cells[0].estimator

    @property
    def input_size(self) -> Size:
        return self.cells[0].input_size

    @cached_property
    def done(self) -> tuple[ClassicalResult, ...]:
        return tuple(cell for cell in self.cells if cell.status == "done")

    @property
    def fault(self) -> ClassicalResult | None:
        """The first fit that did not end well."""
        return next((cell for cell in self.cells if cell.status != "done"), None)

    @property
    def fit_seconds(self) -> Interval | None:
        """The median over processes, with its interval."""
        return statistics.median([[c.fit_seconds] for c in self.done if c.fit_seconds is not None])

    @property
    def predict_seconds(self) -> Interval | None:
        """Of all test examples."""
        return statistics.median([[c.predict_seconds] for c in self.done if c.predict_seconds is not None])

    @property
    def test_accuracy(self) -> float | None:
        """Mean over the fits; they share the test examples."""
        accuracies = [c.test_accuracy for c in self.done if c.test_accuracy is not None]
        return mean(accuracies) if accuracies else None

    @property
    def peak_memory_bytes(self) -> int | None:
        return max((c.peak_memory_bytes for c in self.done if c.peak_memory_bytes), default=None)

    def to_json(self) -> dict[str, Any]:
        """Seconds and bytes."""
        fit, predict = self.fit_seconds, self.predict_seconds
        return {
            "estimator": self.estimator,
            "division": self.cells[0].division,
            "input_size": self.input_size,
            "status": self.fault.status if self.fault else "done",
            "error": self.fault.error if self.fault else None,
            "cells": len(self.done),
            "fit_seconds": fit and fit.to_json(),
            "predict_seconds": predict and predict.to_json(),
            "test_accuracy": self.test_accuracy,
            "peak_memory_bytes": self.peak_memory_bytes,
        }


def classical_rows(cells: Sequence[ClassicalResult]) -> list[ClassicalRow]:
    """Rows in the order in which estimators and sizes first appear."""
    groups: dict[tuple[str, str], list[ClassicalResult]] = {}
    for cell in cells:
        groups.setdefault((cell.estimator, str(cell.input_size)), []).append(cell)
    return [ClassicalRow(tuple(group)) for group in groups.values()]
