"""A backtest on its page: forecasts as if the series had ended earlier, means over the ends and each by
itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crosstrain.forecasting.baselines import LAST
from crosstrain.forecasting.measures import NAMES
from crosstrain.reporting.page.figures import ROWS, Figure, specification
from crosstrain.reporting.page.grids import Cell, Grid, items
from crosstrain.reporting.page.markup import Section, section, tag
from crosstrain.reporting.terminal.forecasts import measure
from crosstrain.training.spelling import listed

Record = Mapping[str, Any]
"""The content of ``backtest.json``."""


def sections(record: Record) -> list[Section]:
    """The answer with the table of means, and the way to each comparison."""
    ends, entries = record["ends"], record["entries"]
    lines = [
        [each["name"], each["engine"] or "baseline", *(measure(name, each[name]) for name in NAMES),
         f"{each['better']} of {len(ends)}"]
        for each in entries
    ]  # fmt: skip
    titles = ["forecast", "by", *NAMES, "better"]
    grid = Grid("Means over the ends", titles, lines, frozenset(range(2, len(titles))))
    note = (
        f"Each line was tested {len(ends)} times, on the last part of the series up to step "
        f"{listed([f'{end:,}' for end in ends])}, after a training on what came before. Measures are means; "
        "better: the mean absolute error is less than that of tomorrow equals today."
    )
    parts = [
        tag("li", tag("a", f"the first {end:,} steps", href=f"{Path(part).name}/report.html"))
        for end, part in zip(ends, record["parts"], strict=True)
    ]
    return [
        part
        for part in (
            section(
                "backtest", "How well it forecasts, from several ends",
                items([*map(_sentence, _networks(entries), [len(ends)] * len(entries))]),
                grid.html(caption=False, identity="backtest-table"), tag("p", note, class_="small"),
            ),
            section("parts", "Each comparison", tag("ul", parts)),
        )
        if part
    ]  # fmt: skip


def _networks(entries: Sequence[Record]) -> list[Record]:
    return [entry for entry in entries if entry["kind"] == "network"]


def _sentence(entry: Record, ends: int) -> str:
    """How often a network is better than tomorrow equals today."""
    by = f" on {entry['engine']}" if entry["engine"] else ""
    often = {0: f"in none of {ends} series", ends: f"in all {ends} series"}.get(
        entry["better"], f"in {entry['better']} of {ends} series"
    )
    return f"{entry['name']}{by} forecasts better than tomorrow equals today {often}."


def figures(record: Record) -> list[Figure]:
    """The error by the end of the series, against that of tomorrow equals today; none where the latter is
    not known, or 0."""
    import altair as alt

    today: list[float] = next((entry["errors"] for entry in record["entries"] if entry["name"] == LAST), [])
    if not today or not all(today):
        return []
    rows = [
        {"name": _name(entry), "kind": entry["kind"], "end": end, "ratio": float(f"{error / base:.6g}")}
        for entry in record["entries"]
        for end, error, base in zip(record["ends"], entry["errors"], today, strict=True)
    ]
    order = list(dict.fromkeys(row["name"] for row in rows))
    chart = (
        alt.Chart(alt.NamedData(ROWS))
        .mark_line(strokeWidth=1.8, point=alt.OverlayMarkDef(filled=True, size=26))
        .encode(
            x=alt.X("end:Q", title="steps of the series", scale=alt.Scale(zero=False)),
            y=alt.Y("ratio:Q", title="error (1: tomorrow equals today)", scale=alt.Scale(zero=True)),
            color=alt.Color("name:N", title=None, sort=order, scale=alt.Scale(domain=order)),
            strokeDash=alt.StrokeDash("kind:N", title=None, sort=["network", "baseline"]),
            tooltip=["name:N", "end:Q", alt.Tooltip("ratio:Q", format=".4g")],
        )
    )
    title = "Error by the end of the series"
    caption = (
        "The mean absolute error on the last part of the series up to each end, over that of tomorrow equals "
        "today. Solid lines are networks, dashed ones baselines."
    )
    table = [[row["name"], f"{row['end']:,}", Cell(f"{row['ratio']:.4g}", row["ratio"])] for row in rows]
    grid = Grid(title, ["forecast", "steps", "error / last value's"], table, frozenset({1, 2}))
    return [Figure("backtest", title, caption, specification(chart, {ROWS: rows}, 320), grid)]


def _name(entry: Record) -> str:
    return f"{entry['name']}, {entry['engine']}" if entry["engine"] else str(entry["name"])
