"""How time grows with input size and with depth: the exponent of a power law, with its interval.

A straight line through logarithms, seconds per epoch against pixels or multiply-accumulates. Its slope is a
weighted sum of the points' levels, so its interval follows from theirs, which hold from three processes on
(Welch 1947, Satterthwaite 1946 for the degrees of freedom).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosstrain.results.rows import Row, rows, size_text
from crosstrain.results.schema import CellResult
from crosstrain.statistics import location
from crosstrain.statistics import ratios as statistics
from crosstrain.statistics.location import CONFIDENCE
from crosstrain.statistics.ratios import UNSEEN_NOISE, Interval

POOR_FIT = 0.10
"""A power law that misses a point by more than this is reported."""

_FAMILY = re.compile(r"^(?P<name>.*?)[-_]?\d+$")


@dataclass(frozen=True)
class Point:
    """A row at ``x`` (pixels, or MACs), called ``name`` (``64``, ``resnet32``)."""

    x: float
    name: str
    row: Row

    @property
    def seconds(self) -> float:
        assert self.row.seconds
        return self.row.seconds.value


def growth(cells: Sequence[CellResult]) -> list[dict[str, Any]]:
    """The findings for ``ComparisonResult.growth``: by input size for each network and engine that has two
    sizes, by depth for each family of networks (``resnet20``, ``resnet32``), engine and size."""
    measured = [row for row in rows(cells) if row.seconds and statistics.positive(row.runs)]
    return [*_by_size(measured), *_by_depth(measured)]


def _by_size(measured: Sequence[Row]) -> Iterator[dict[str, Any]]:
    groups: dict[tuple[str, str], list[Point]] = {}
    for row in measured:
        if row.input_size is not None:
            point = Point(float(pixels(row.input_size)), size_text(row.input_size), row)
            groups.setdefault((row.network, row.engine), []).append(point)
    for (network, engine), points in groups.items():
        what = {"by": "input size", "network": network, "input_size": None, "engine": engine}
        yield from _described(points, what, f"{network} on {engine}", "pixels")


def _by_depth(measured: Sequence[Row]) -> Iterator[dict[str, Any]]:
    groups: dict[tuple[str, str, str], list[Point]] = {}
    for row in measured:
        macs, family = row.cells[0].macs, _FAMILY.match(row.network)
        if macs and family:
            key = family["name"], size_text(row.input_size), row.engine
            groups.setdefault(key, []).append(Point(float(macs), row.network, row))
    for (family_name, size, engine), points in groups.items():
        what = {
            "by": "depth", "network": family_name, "input_size": points[0].row.input_size, "engine": engine,
        }  # fmt: skip
        at = "" if points[0].row.input_size is None else f" at {size}"
        yield from _described(points, what, f"{family_name}{at} on {engine}", "MACs")


def _described(points: list[Point], what: dict[str, Any], name: str, unit: str) -> Iterator[dict[str, Any]]:
    points = sorted(points, key=lambda point: point.x)
    if len({point.x for point in points}) < 2:
        return
    exponent, misfit = exponent_of(points)
    ratio = statistics.ratio(points[-1].row.runs, points[0].row.runs)
    text = f"{name}: time grows as {unit}^{exponent.value:.2f} [{exponent.low:.2f}–{exponent.high:.2f}]"
    if len(points) == 2:
        text += " (the slope between two points)"
    if ratio:
        text += f"; {points[-1].name} costs {ratio.value:.2g} times {points[0].name}"
        text += f" [{ratio.low:.2f}–{ratio.high:.2f}]"
    if misfit > POOR_FIT:
        text += f"; a power law misses a point by {misfit:.0%}, so read the points"
    yield {
        **what,
        "exponent": exponent.to_json(),
        "points": [[point.x, point.seconds] for point in points],
        "names": [point.name for point in points],
        "ratio": ratio and ratio.to_json(),
        "misfit": misfit,
        "text": f"{text}.",
    }


def exponent_of(points: Sequence[Point]) -> tuple[Interval, float]:
    """The exponent with its 95 % interval, and by how much (a share) the line misses a point at most.

    With fewer than three processes at a point the interval is what the points' own intervals and
    ``UNSEEN_NOISE`` allow at worst (``widened``).
    """
    x = np.log([point.x for point in points])
    y = np.log([point.seconds for point in points])
    weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    slope = float(weights @ y)
    misfit = math.expm1(float(np.max(np.abs(y - y.mean() - slope * (x - x.mean())))))
    samples = min(point.row.seconds.samples for point in points if point.row.seconds)
    if not statistics.enough(*(point.row.runs for point in points)):
        own = [
            math.log(max(s.high / s.value, s.value / s.low))
            for p in points
            if (s := p.row.seconds) and s.low > 0
        ]
        half = (
            float(np.abs(weights) @ np.array(own))
            + math.log1p(UNSEEN_NOISE) * float(np.abs(weights).sum()) / 2
        )
        return Interval(slope, slope - half, slope + half, samples, "widened"), misfit
    variances, freedoms = np.array([_variance(point.row) for point in points]).T
    parts = weights**2 * variances
    total = float(parts.sum())
    if total == 0:
        return Interval(slope, slope, slope, samples, "student"), misfit
    freedom = total**2 / float(np.sum(parts**2 / freedoms))
    half = location.student_quantile((1 + CONFIDENCE) / 2, freedom) * math.sqrt(total)
    return Interval(slope, slope - half, slope + half, samples, "student"), misfit


def _variance(row: Row) -> tuple[float, float]:
    """Of the level of a row, from the width of its interval, and its degrees of freedom."""
    levels = statistics.levels(row.runs)
    interval, freedom = location.centre(levels, statistics.noise(row.runs)), len(levels) - 1
    half = (interval.high - interval.low) / 2
    return (half / location.student_quantile((1 + CONFIDENCE) / 2, freedom)) ** 2, freedom


def pixels(size: int | list[int]) -> int:
    """Of a picture."""
    return size * size if isinstance(size, int) else math.prod(size)
