"""What makes times doubtful: drift over a run and within processes, other load, processes that differ much.

Engines take turns, so what slows the machine for minutes slows all alike. Each finding is a sentence,
reported only if it is both beyond chance and large enough to matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from crosstrain.results.rows import Row, rows, size_text
from crosstrain.results.schema import CellResult
from crosstrain.statistics import location
from crosstrain.statistics import ratios as statistics
from crosstrain.statistics.location import CONFIDENCE, FEWEST_RANKED, Numbers

FEWEST_ROUNDS = 5
"""With four rounds, all in one order is no rarer than 1 in 12."""

FEWEST_EPOCHS = 4
RUN_DRIFT, EPOCH_DRIFT = 0.02, 0.03
"""Changes (relative, from the first to the last) that matter: over all rounds, over a process's epochs."""

LOAD_SHARE = 0.05
"""Another load matters from this share of the usable cores on."""

WIDE_SPREAD = 0.05
"""Standard deviation between processes (relative) that is worth telling."""

GROUP = 3
"""Processes on each side of a gap that make it two groups."""


def stability(cells: Sequence[CellResult], cores: int) -> list[dict[str, Any]]:
    """The findings for ``ComparisonResult.stability``; ``cores`` are those that may be used."""
    measured = [row for row in rows(cells) if row.done and statistics.positive(row.runs)]
    return [*_run_drift(measured), *_epoch_drift(measured), *_load(measured, cores), *_spread(measured)]


def theil_sen(values: Numbers) -> tuple[float, float, float]:
    """The slope of numbers in equal steps, shape (n,), n ≥ 2, and its 95 % limits: the median of the slopes
    of all pairs, and the ranks among them that Kendall's test leaves (Sen 1968)."""
    count = len(values)
    one, other = np.triu_indices(count, 1)
    slopes = np.sort((values[other] - values[one]) / (other - one))
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    reach = location.normal_quantile((1 + CONFIDENCE) / 2) * deviation
    low = math.floor((len(slopes) - reach + 1) / 2)
    middle = float(np.median(slopes))
    if low < 1:
        return middle, -math.inf, math.inf
    return middle, float(slopes[low - 1]), float(slopes[len(slopes) - low])


def _run_drift(measured: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Rounds one after the other: how much slower each was than its rows are in the middle."""
    by_round: dict[tuple[int, int], list[float]] = {}
    for row in measured:
        levels = statistics.levels(row.runs)
        for cell, level in zip(row.done, levels, strict=True):
            by_round.setdefault((cell.repeat, cell.seed), []).append(float(level - np.median(levels)))
    if len(by_round) < FEWEST_ROUNDS:
        return
    slope, low, high = theil_sen(np.array([np.mean(by_round[key]) for key in sorted(by_round)]))
    change, least, most = (
        math.expm1(s * (len(by_round) - 1)) if math.isfinite(s) else s for s in (slope, low, high)
    )
    if least <= 0 <= most or abs(change) < RUN_DRIFT:
        return
    yield _finding(
        "drift",
        None,
        f"Over the {len(by_round)} rounds all grew {_slower(change)} by {abs(change):.1%} "
        f"[{_limits(least, most)}]: s/epoch are means over that; engines took turns, so their ratios hardly "
        "suffer.",
        over="rounds", change=change, low=least, high=most,
    )  # fmt: skip


def _epoch_drift(measured: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """From epoch to epoch within the processes of a row."""
    for row in measured:
        runs = [run for run in row.runs if len(run) >= FEWEST_EPOCHS and min(run) > 0]
        if len(runs) < statistics.FEWEST:
            continue
        lasting = float(np.median([len(run) for run in runs])) - 1
        slopes = np.array([theil_sen(np.log(run))[0] for run in runs])
        located = location.centre(slopes)
        change, low, high = (
            math.expm1(s * lasting) for s in (float(np.median(slopes)), located.low, located.high)
        )
        if low <= 0 <= high or abs(change) < EPOCH_DRIFT:
            continue
        yield _finding(
            "drift",
            row,
            f"{_name(row)}: epochs grow {_slower(change)} by {abs(change):.1%} [{_limits(low, high)}] from "
            "the first to the last of a process.",
            over="epochs", change=change, low=low, high=high,
        )  # fmt: skip


_SOURCES = {
    "other_load": ("other processes took", "cores"),
    "stolen_load": ("the hypervisor took away", "cores"),
    "throttled": ("a core was slowed for its heat", "times"),
    "device_other_load": ("other processes kept the GPU busy", "of its time"),
    "device_throttled": ("the GPU was slowed for its heat", "times"),
}
OTHERS_ON_GPU = 0.02
"""A GPU that others keep busy for more than this share of the time is not a quiet one."""


def _load(measured: Sequence[Row], cores: int) -> Iterator[dict[str, Any]]:
    """Cells while which something else kept the cores: one finding for each cause."""
    cells = [cell for row in measured for cell in row.done]
    for source, (words, unit) in _SOURCES.items():
        least = {"cores": LOAD_SHARE * cores, "of its time": OTHERS_ON_GPU}.get(unit, 1)
        loads = [(cell, value) for cell in cells if (value := getattr(cell, source)) is not None]
        hit = [(cell, value) for cell, value in loads if value >= least]
        if not hit:
            continue
        worst, most = max(hit, key=lambda each: each[1])
        typical = float(np.median([value for _, value in hit]))
        size = "" if worst.input_size is None else f" at {size_text(worst.input_size)}"
        often, worst_of = {
            "times": (f"{typical:.0f} times", f"{most:.0f}"),
            "cores": (f"{typical:.2f} of {cores} cores", f"{most:.2f}"),
            "of its time": (f"{typical:.0%} of its time", f"{most:.0%}"),
        }[unit]
        yield _finding(
            "load",
            None,
            f"While {len(hit)} of {len(loads)} cells ran, {words} {often} (median; most, {worst_of}, in "
            f"{worst.network}{size} on {worst.engine}, repeat {worst.repeat}): times may be too long.",
            source=source, cells=[cell.id for cell, _ in hit], median=typical, most=most,
        )  # fmt: skip


def _spread(measured: Sequence[Row]) -> Iterator[dict[str, Any]]:
    for row in measured:
        levels = np.sort(statistics.levels(row.runs))
        if len(levels) < statistics.FEWEST:
            continue
        deviation = float(np.std(levels, ddof=1))
        if len(levels) >= FEWEST_RANKED and (gap := _two_groups(levels)):
            place, apart = gap
            yield _finding(
                "spread",
                row,
                f"{_name(row)}: processes fall into two groups, {place} quick ones and "
                f"{len(levels) - place} that take {apart:.0%} longer.",
                deviation=deviation, groups=[place, len(levels) - place], apart=apart,
            )  # fmt: skip
        elif deviation > WIDE_SPREAD:
            yield _finding(
                "spread",
                row,
                f"{_name(row)}: processes differ by {deviation:.1%} (standard deviation of {len(levels)}).",
                deviation=deviation,
            )


def _two_groups(levels: Numbers) -> tuple[int, float] | None:
    """Where a gap parts ordered numbers into two groups that are each narrower than it, and how far (as a
    share) their middles are apart; None where there is no such gap, or one too small to matter."""
    gaps = np.diff(levels)
    place = int(np.argmax(gaps)) + 1
    low, high = levels[:place], levels[place:]
    wider = max(low[-1] - low[0], high[-1] - high[0])
    if min(len(low), len(high)) < GROUP or gaps[place - 1] <= wider or gaps[place - 1] < EPOCH_DRIFT:
        return None
    return place, math.expm1(float(np.median(high) - np.median(low)))


def _finding(kind: str, row: Row | None, text: str, **figures: Any) -> dict[str, Any]:
    what = {
        "network": row.network if row else None,
        "input_size": row.input_size if row else None,
        "engine": row.engine if row else None,
    }
    return {"kind": kind, **what, "text": text, **figures}


def _name(row: Row) -> str:
    size = "" if row.input_size is None else f" at {size_text(row.input_size)}"
    return f"{row.network}{size} on {row.engine}"


def _slower(change: float) -> str:
    return "slower" if change > 0 else "faster"


def _limits(low: float, high: float) -> str:
    least, most = sorted((abs(low), abs(high)))
    return f"{least:.1%}–{most:.1%}"
