"""What else decides, as a table: one row for each network, size and engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crosstrain.data.prepared import unit_of
from crosstrain.reporting.page.grids import Cell, Grid, folded, items
from crosstrain.reporting.page.markup import Section, section
from crosstrain.reporting.page.view import View, at_size, interval_of
from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.criteria import size

Entry = Mapping[str, Any]
Column = Callable[[Entry], Cell]


def _number(key: str, show: Callable[[Any], str]) -> Column:
    """A number of an entry; for an interval, its value."""

    def cell(entry: Entry) -> Cell:
        raw = entry.get(key)
        interval = interval_of(raw)
        value = interval.value if interval else raw if isinstance(raw, int | float) else None
        return Cell(text.NOTHING) if value is None else Cell(show(value), value)

    return cell


def _repeats(entry: Entry) -> Cell:
    known = entry.get("repeatable")
    if known is None:
        return Cell(text.NOTHING)
    return Cell(
        "yes" if known else f"no, ±{text.error(entry.get('largest_difference'))}", "yes" if known else "no"
    )


def _switch(entry: Entry) -> Cell:
    """The option that makes training deterministic, and its time relative to the row's own."""
    deterministic = entry.get("deterministic")
    if not deterministic:
        return Cell(text.NOTHING)
    if deterministic.get("repeatable") is None:
        return Cell(f"fails: {deterministic.get('error') or 'no reason was given'}", "fails")
    cost = interval_of(deterministic.get("cost"))
    price = f"{cost.value:.2f} [{cost.low:.2f}–{cost.high:.2f}] times the time" if cost else "no further cost"
    works = "" if deterministic["repeatable"] else ", and still differs"
    return Cell(f"{deterministic.get('option') or 'switch'}: {price}{works}", cost.value if cost else 1.0)


def _reliability(entry: Entry) -> Cell:
    reliability = entry.get("reliability") or {}
    if reliability.get("cells") is None:
        return Cell(text.NOTHING)
    return Cell(
        f"{reliability.get('ended_well', 0)} of {reliability['cells']}", reliability.get("ended_well", 0)
    )


def _devices(entry: Entry) -> Cell:
    devices = ", ".join(map(str, entry.get("devices") or ()))
    return Cell(devices or text.NOTHING, devices or None)


COLUMNS: dict[str, tuple[str, Column]] = {
    "repeatable": ("same weights again", _repeats),
    "deterministic": ("repeatable by", _switch),
    "peak_share": ("share of peak", _number("peak_share", lambda v: f"{100 * v:.1f} %")),
    "latency_p50": ("latency p50", _number("latency_p50", text.seconds)),
    "latency_p95": ("p95", _number("latency_p95", text.seconds)),
    "latency_p99": ("p99", _number("latency_p99", text.seconds)),
    "export_bytes": ("exported", _number("export_bytes", size)),
    "install_bytes": ("installed", _number("install_bytes", size)),
    "install_seconds": ("install time", _number("install_seconds", text.seconds)),
    "lines_of_source": ("lines of source", _number("lines_of_source", lambda v: f"{v:,.0f}")),
    "energy_joules_per_epoch": ("J/epoch", _number("energy_joules_per_epoch", lambda v: f"{v:.4g}")),
    "reliability": ("ended well", _reliability),
    "devices": ("devices", _devices),
}
"""By the key of the result; a column in which nothing is known is left out."""


def criteria(view: View) -> Section | None:
    """The table; what could not be had is said with its reason."""
    entries = view.result.criteria
    batches = sorted({str(b) for e in entries for b in e.get("throughput") or ()}, key=lambda b: (len(b), b))
    columns = [
        *COLUMNS.values(),
        *((f"{unit_of(view.result.data)}/s at {batch}", _rate(batch)) for batch in batches),
    ]
    known = [(title, of) for title, of in columns if any(of(entry).value is not None for entry in entries)]
    remarks = _remarks(entries)
    grid = Grid(
        "Criteria by network, size and engine",
        ["network", "size", "engine", *(title for title, _ in known)],
        [[*view.key(entry).values(), *(of(entry) for _, of in known)] for entry in entries],
        frozenset({1, *range(3, 3 + len(known))}),
        [view.key(entry) for entry in entries],
    )
    return section(
        "criteria",
        "What else decides",
        grid.html(sortable=True, identity="criteria-table") if known else None,
        folded("What is not known, and why", items(remarks)) if remarks else None,
    )


def _rate(batch: str) -> Column:
    return lambda entry: _number(batch, text.rate)(entry.get("throughput") or {})


def _remarks(entries: Sequence[Entry]) -> list[str]:
    """Why cells are empty or a repetition was partial: each reason once, with the entrants it concerns."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        entrant = (
            f"{at_size(str(entry.get('network') or ''), entry.get('input_size'))} on {entry.get('engine')}"
        )
        why_not = dict(entry.get("why_not") or {})
        if entry.get("repeat_remark"):
            why_not["repeatable"] = entry["repeat_remark"]
        for key, reason in why_not.items():
            what = COLUMNS[key][0] if key in COLUMNS else key.replace("_", " ")
            reasons.setdefault((what, str(reason)), []).append(entrant)
    return [
        f"{what}: {reason}" + ("" if len(entrants) == len(entries) else f" ({', '.join(entrants)})")
        for (what, reason), entrants in reasons.items()
    ]
