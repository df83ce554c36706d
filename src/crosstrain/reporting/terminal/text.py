"""How numbers look: times, rates, memory, shares."""

from __future__ import annotations

from crosstrain.results.units import NOTHING, memory, seconds, share
from crosstrain.statistics.ratios import Interval

__all__ = [
    "MARKS", "NOTHING", "clock", "compiling", "count", "error", "interval", "memory", "rate", "seconds",
    "share",
]  # fmt: skip

MARKS = {"proved": "✓", "departs": "✗", "cannot": "!", "none": "?"}
"""The certificate in one character."""


def compiling(value: float | None, before: bool) -> str:
    """Seconds of compiling; in brackets where an earlier process had done it, and this one has read it."""
    return f"({seconds(value)})" if before and value is not None else seconds(value)


def clock(value: float) -> str:
    """Time left or spent: ``42 s``, ``3:05`` minutes, ``1:02:30`` hours."""
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def interval(value: Interval | None) -> str:
    """``3.21 [3.15–3.40]``; ``(3.15–3.40)`` in round brackets is a range of too few samples."""
    if value is None:
        return NOTHING
    digits = 1 if value.value >= 100 else 2 if value.value >= 1 else 3
    low, high = f"{value.low:.{digits}f}", f"{value.high:.{digits}f}"
    limits = f"({low}–{high})" if value.method == "range" else f"[{low}–{high}]"
    return f"{value.value:.{digits}f} {limits}" if value.samples > 1 else f"{value.value:.{digits}f}"


def rate(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def count(value: int | None) -> str:
    """``1,793,943``; millions and more as ``12.3 M``."""
    if value is None:
        return NOTHING
    for limit, unit in ((10**9, "G"), (10**7, "M")):
        if value >= limit:
            return f"{value / (limit if unit == 'G' else 10**6):.3g} {unit}"
    return f"{value:,}"


def error(value: float | str | None) -> str:
    """A relative error: ``2.1e-13``."""
    if value is None:
        return NOTHING
    return f"{value:.1e}" if isinstance(value, float | int) and value else str(value)
