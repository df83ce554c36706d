"""All pairs of rows of one network and input size: their ratio, whether it is a tie, and what more repeats
could tell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from crosstrain.results.rows import Row, rows, size_text
from crosstrain.results.schema import CellResult
from crosstrain.statistics import ratios as statistics
from crosstrain.statistics.location import CONFIDENCE
from crosstrain.statistics.repeats import detectable, needed_for_difference

DIFFERENCE = 0.05
"""The difference for which the required repeats are reported."""


def pairwise(cells: Sequence[CellResult]) -> list[dict[str, Any]]:
    """An entry for each pair, ``engine`` over ``other`` (seconds per epoch), for ``ComparisonResult.ratios``.

    ``tie`` is by the ratio's own 95 % interval. Of many pairs of equals some interval will miss 1, so
    ``p_holm`` is the probability after Holm's adjustment (1979) for the ``pairs`` of this network and size,
    and ``tie_adjusted`` goes by that. ``detectable`` is the smallest ratio that this many repeats find nine
    times of ten, ``repeats_for_5_percent`` how many of each it takes to find 1.05 as surely. All of these
    are None with fewer than three processes.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows(cells):
        if row.seconds:
            groups.setdefault((row.network, size_text(row.input_size)), []).append(row)
    return [entry for group in groups.values() for entry in _of_group(group)]


def _of_group(group: Sequence[Row]) -> list[dict[str, Any]]:
    pairs = list(combinations(group, 2))
    probabilities = [statistics.probability(one.runs, other.runs) for one, other in pairs]
    comparisons = []
    for (one, other), p, adjusted in zip(pairs, probabilities, holm(probabilities), strict=True):
        ratio = statistics.ratio(one.runs, other.runs)
        tie = ratio is None or ratio.includes(1.0)
        comparisons.append(
            {
                "network": one.network, "input_size": one.input_size, "engine": one.engine,
                "other": other.engine, "ratio": ratio and ratio.to_json(), "tie": tie, "pairs": len(pairs),
                "p": p, "p_holm": adjusted,
                "tie_adjusted": tie if adjusted is None else tie or adjusted > 1 - CONFIDENCE,
                "detectable": detectable(one.runs, other.runs),
                "repeats_for_5_percent": needed_for_difference(one.runs, other.runs, DIFFERENCE),
            }
        )  # fmt: skip
    return comparisons


def holm(probabilities: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment; None stays None, and counts as a test all the same."""
    order = sorted((p, i) for i, p in enumerate(probabilities) if p is not None)
    adjusted: list[float | None] = [None] * len(probabilities)
    largest = 0.0
    for rank, (p, place) in enumerate(order):
        largest = max(largest, min(1.0, (len(probabilities) - rank) * p))
        adjusted[place] = largest
    return adjusted
