"""The terminal's table of what else decides, at most 100 columns wide."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.grid import grid
from crosstrain.results.rows import size_text

MOST_REASONS = 8
"""Number of reasons for empty cells that are printed; the JSON has all of them."""

_WORDS = {
    "repeatable": "repeatability", "deterministic": "the switch for it", "peak_share": "share of the peak",
    "latency_p50": "latency", "export_bytes": "exported size", "install_bytes": "installed size",
    "lines_of_source": "lines of source", "energy_joules_per_epoch": "energy",
}  # fmt: skip
"""The fields that the table shows, as a reader calls them."""


_LEGEND = {
    "bits": "bits: does the same seed end in the same weights",
    "switch": "switch: what makes it so, and its time over the row's own",
    "peak": "peak: share of the machine's matrix-product peak",
}
"""What columns mean, where their names do not say it."""

Column = Callable[[Mapping[str, Any]], Text | str]


def print_criteria(entries: Sequence[Mapping[str, Any]], out: Console) -> None:
    """The table and its remarks; nothing where no criteria were measured."""
    if not entries:
        return
    out.print()
    out.print(criteria_table(entries))
    explained = [_LEGEND[name] for name, _ in _known(entries) if name in _LEGEND]
    out.print("; ".join(explained), style="dim")
    for line in remarks(entries):
        out.print(line, style="dim")


def criteria_table(entries: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each network, input size and engine; a column in which nothing is known is left out."""
    known = _known(entries)
    columns = ["network", "size", "engine", *(name for name, _ in known)]
    left = ("network", "engine", "bits", "switch")
    table = grid(columns, right=[i for i, name in enumerate(columns) if name not in left])
    for each in entries:
        who = (each["network"], size_text(each.get("input_size")), each["engine"])
        table.add_row(*who, *(show(each) for _, show in known))
    return table


def _known(entries: Sequence[Mapping[str, Any]]) -> list[tuple[str, Column]]:
    """The columns in which any entry has a value."""
    return [(n, show) for n, show in _COLUMNS.items() if any(show(e) != text.NOTHING for e in entries)]


def remarks(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why a repetition was partial or a cell of the table is empty: each reason once."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in entries:
        if each.get("repeat_remark"):
            reasons.setdefault(("repeatability", each["repeat_remark"]), []).append(_who(each))
        for name, reason in (each.get("why_not") or {}).items():
            if name in _WORDS:
                reasons.setdefault((_WORDS[name], reason), []).append(_who(each))
    lines = [
        f"{what}: {reason}{'' if len(entrants) == len(entries) else f' ({_listed(entrants)})'}"
        for (what, reason), entrants in reasons.items()
    ]
    remaining = len(lines) - MOST_REASONS
    if remaining <= 0:
        return lines
    return [*lines[:MOST_REASONS], f"and {remaining} more reasons in the JSON (why_not)"]


def _repeats(each: Mapping[str, Any]) -> Text | str:
    known = each.get("repeatable")
    if known is None:
        return text.NOTHING
    # The largest difference says whether it is rounding or something else.
    return (
        Text("same", "green") if known else Text(f"±{text.error(each.get('largest_difference'))}", "yellow")
    )


def _switch(each: Mapping[str, Any]) -> Text | str:
    deterministic = each.get("deterministic")
    if not deterministic:
        return text.NOTHING
    if deterministic.get("repeatable") is None:
        return Text("fails", "red")
    cost = deterministic.get("cost")
    time = f"×{cost['value']:.2f}" if cost else "same"
    return time if deterministic["repeatable"] else Text(f"{time}, differs", "yellow")


def size(value: float | None) -> str:
    """Bytes in KiB, MiB or GiB."""
    if value is None:
        return text.NOTHING
    return f"{value / 2**10:.0f} KiB" if value < 2**20 else text.memory(int(value))


def _milliseconds(value: float | None) -> str:
    return text.NOTHING if value is None else f"{value * 1000:.3g}"


def _joules(value: float | None) -> str:
    return text.NOTHING if value is None else f"{value:.3g}"


def _share(value: float | None) -> str:
    return text.NOTHING if value is None else f"{100 * value:.1f} %"


def _of(key: str, show: Callable[[Any], str]) -> Column:
    """The column that shows a field."""
    return lambda each: show(each.get(key))


_COLUMNS: dict[str, Column] = {
    "bits": _repeats,
    "switch": _switch,
    "peak": _of("peak_share", _share),
    "p50 ms": _of("latency_p50", _milliseconds),
    "p99 ms": _of("latency_p99", _milliseconds),
    "ONNX": _of("export_bytes", size),
    "install": _of("install_bytes", size),
    "lines": _of("lines_of_source", text.count),
    "J/epoch": _of("energy_joules_per_epoch", _joules),
}


def _who(each: Mapping[str, Any]) -> str:
    of = "" if each.get("input_size") is None else f" {size_text(each['input_size'])}"
    return f"{each['network']}{of} on {each['engine']}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
