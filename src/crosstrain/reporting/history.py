"""One question, answered again and again: the series of its times, each comparison against the one before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from crosstrain.advice.changed import Changes, changes
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.answer.figures import Figures
from crosstrain.reporting.terminal import text
from crosstrain.results.inference import InferenceResult
from crosstrain.results.loading import load
from crosstrain.results.rows import Row, rows, size_text
from crosstrain.results.schema import ComparisonResult


@dataclass(frozen=True)
class Point:
    """A row in one comparison of the series; ``word`` says how its time compares with the one before."""

    comparison: str
    row: Row
    word: str


@dataclass(frozen=True)
class History:
    """Comparisons in the order in which they were finished, by name; what each has otherwise than the one
    before, under ``friday after monday``; and the points, those of one row together."""

    results: Mapping[str, ComparisonResult]
    changes: Mapping[str, Changes]
    points: tuple[Point, ...]

    @property
    def figures(self) -> Figures:
        """The series as a table."""
        return Figures(
            "Training time, comparison by comparison",
            ("network", "size", "engine", "comparison", "s/epoch [95 %]", "than the one before"),
            tuple(
                (p.row.network, size_text(p.row.input_size), p.row.engine, p.comparison,
                 text.interval(p.row.seconds), p.word)
                for p in self.points
            ),
            frozenset({1, 4}),
        )  # fmt: skip


def history(folders: Sequence[Path], names: Sequence[str]) -> History:
    """The series of these folders, under these names. Raises ``CrosstrainError`` for fewer than two,
    for a folder without a comparison of trainings, and for folders of different questions."""
    if len(folders) < 2:
        raise CrosstrainError("name two folders of comparisons or more; a series has at least two")
    results = {}
    for name, folder in zip(names, folders, strict=True):
        result = load(folder)
        if isinstance(result, InferenceResult):
            raise CrosstrainError(f"{folder} holds a comparison at inference, which has no history")
        results[name] = result
    ordered = dict(sorted(results.items(), key=lambda each: finished(each[1])))
    if not all(map(finished, results.values())):
        ordered = results
    changed = {
        f"{name} after {before}": changes(ordered[before], ordered[name], (before, name))
        for before, name in pairwise(ordered)
    }
    return History(ordered, changed, tuple(_points(ordered, changed)))


def finished(result: ComparisonResult) -> str:
    """When its last cell ended, as ISO 8601 writes it; "" where nothing says so."""
    return max((str((cell.model_extra or {}).get("finished") or "") for cell in result.cells), default="")


def _points(results: Mapping[str, ComparisonResult], changed: Mapping[str, Changes]) -> list[Point]:
    words: list[dict[tuple[str, str, str], str]] = [{}, *(_words(each) for each in changed.values())]
    points: dict[tuple[str, str, str], list[Point]] = {}
    for (name, result), word in zip(results.items(), words, strict=True):
        for row in rows(result.cells):
            key = row.network, str(row.input_size), row.engine
            if row.seconds:
                points.setdefault(key, []).append(Point(name, row, word.get(key, "")))
    return [point for series in points.values() for point in series]


def _words(changed: Changes) -> dict[tuple[str, str, str], str]:
    """For each row how its time compares: ``slower``, ``faster``, ``the same`` or ``not told``."""
    return {
        (f.network, str(f.input_size), f.engine): f.direction or f.verdict
        for f in changed.findings
        if f.quantity == "time"
    }
