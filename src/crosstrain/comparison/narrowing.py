"""``--repeats-until``: which rows' intervals are still too wide, who takes part in a further round, and how
many more it may take.

A network at an input size continues, with all its engines, while one of its rows is too wide: its engines
are compared with each other, so they keep taking turns and have equal numbers of repeats, whatever each would
need by itself. Finished networks and sizes pause; they are not compared repeat by repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crosstrain.results.rows import Row, rows, size_text
from crosstrain.results.schema import CellResult, Size
from crosstrain.statistics.location import FEWEST_RANKED
from crosstrain.statistics.repeats import needed

FEWEST = FEWEST_RANKED
"""Repeats that a row has before it may be called narrow. To stop as soon as an interval happens to be narrow
makes it miss the truth more often than it says: from three repeats on in up to 11 % of all cases, from six
on in up to 7 % (``docs/statistics.md``)."""

MOST, MOST_IN_BUDGET = 30, 1000
"""Rounds (seeds × repeats) at which it ends: without a budget, and with one."""

MOST_NAMED = 3
"""Rows that a sentence names at most."""


@dataclass(frozen=True)
class Wide:
    """A row whose interval is too wide. About ``remaining`` more repeats should narrow it;
    None where there are too few to tell."""

    row: Row
    half_width: float | None
    remaining: int | None

    def __str__(self) -> str:
        size = "" if self.row.input_size is None else f" at {size_text(self.row.input_size)}"
        width = "" if self.half_width is None else f" ±{self.half_width:.1%}"
        return f"{self.row.network}{size} on {self.row.engine}{width}"


def sound(row: Row) -> bool:
    """Whether its repeats can be gone on with: one that failed takes no further part."""
    return row.status == "done" and not row.error


def still_wide(results: Sequence[CellResult], share: float) -> list[Wide]:
    """The rows of which half the interval exceeds ``share`` of the median, or that have too few repeats."""
    wide = []
    for row in rows(results):
        if not sound(row) or not row.seconds:
            continue
        count, width = len(row.runs), row.seconds.half_width if len(row.runs) > 1 else None
        if count >= FEWEST and width is not None and width <= share:
            continue
        wanted = needed(row.runs, share)
        wide.append(Wide(row, width, None if wanted is None else max(wanted, FEWEST, count + 1) - count))
    return wide


def taking_part(results: Sequence[CellResult], wide: Sequence[Wide]) -> Callable[[str, Size, str], bool]:
    """Who is in a further round, by network, size and engine: the sound rows beside a wide one."""
    going = {(w.row.network, size_text(w.row.input_size)) for w in wide}
    taking = {
        (row.network, size_text(row.input_size), row.engine)
        for row in rows(results)
        if sound(row) and (row.network, size_text(row.input_size)) in going
    }
    return lambda network, size, engine: (network, size_text(size), engine) in taking


def progress_note(wide: Sequence[Wide], share: float, index: int) -> str:
    """What is still too wide before round ``index`` (from 0), and how many repeats to expect."""
    remaining = [w.remaining for w in wide if w.remaining is not None]
    more = (
        f"; about {max(remaining)} more repeats are expected"
        if remaining and len(remaining) == len(wide)
        else ""
    )
    return f"Round {index + 1}, for intervals of ±{100 * share:g}%: {_names(wide)}{more}."


def final_note(results: Sequence[CellResult], wide: Sequence[Wide], share: float, ended_by: str) -> str:
    """What was reached; ``ended_by`` is what ended it where something is left."""
    counts = [len(row.runs) for row in rows(results) if sound(row) and row.seconds]
    if not counts:
        return ""
    repeats = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    if not wide:
        return (
            f"Every interval of s/epoch is within ±{100 * share:g}% of its median, after {repeats} repeats."
        )
    remaining = [w.remaining for w in wide if w.remaining is not None]
    more = (
        f"; about {max(remaining)} more repeats should suffice"
        if remaining and len(remaining) == len(wide)
        else ""
    )
    return (
        f"{ended_by} ended the repeats ({repeats}) before every interval was within ±{100 * share:g}%: "
        f"{_names(wide)}{more}."
    )


def _names(wide: Sequence[Wide]) -> str:
    order = sorted(wide, key=lambda w: -1.0 if w.half_width is None else w.half_width, reverse=True)
    named = ", ".join(map(str, order[:MOST_NAMED]))
    return named + (f" and {len(wide) - MOST_NAMED} more" if len(wide) > MOST_NAMED else "")
