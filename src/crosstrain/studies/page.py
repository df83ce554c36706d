"""The page of a study's published figures: then and now, a chart and a table for each kind of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crosstrain.reporting.page.figures import ROWS, Figure, specification
from crosstrain.reporting.page.grids import Cell, Grid
from crosstrain.reporting.page.markup import section, tag
from crosstrain.reporting.page.writing import page
from crosstrain.reporting.terminal import text
from crosstrain.studies.then_and_now import TITLES, Beside, Kind
from crosstrain.system.files import write_bytes

PAGE = "then-and-now.html"
WORDS = ["then", "now"]


def write_page(title: str, beside: Sequence[Beside], path: Path) -> None:
    """Write the page, whole or not at all."""
    kinds: list[Kind] = list(dict.fromkeys(each.kind for each in beside))
    figures = {kind: _figure(kind, [each for each in beside if each.kind == kind]) for kind in kinds}
    parts = [
        section(
            kind, TITLES[kind], tag("div", figures[kind].html(), class_="charts"),
            figures[kind].grid.html(sortable=True, caption=False),
        )
        for kind in kinds
    ]  # fmt: skip
    about = "What was published and what was measured here, as ratios within one machine: machines differ."
    html = page(f"{title}: then and now", about, [each for each in parts if each], [*figures.values()])
    write_bytes(path, html.encode())


def shown(each: Beside) -> tuple[str, str]:
    """Then and now as text."""
    if each.kind == "accuracy":
        now = (
            text.NOTHING
            if each.now is None
            else f"{100 * each.now.value:.2f} " + (f"[{100 * each.now.low:.2f}–{100 * each.now.high:.2f}] %")
        )
        return f"{100 * each.then:.2f} %", now
    return f"{each.then:.2f}", text.NOTHING if each.now is None else (
        f"{each.now.value:.2f} [{each.now.low:.2f}–{each.now.high:.2f}]"
    )


def ranks(each: Beside) -> str:
    """``2 → 1``; a dash where the engine was not measured both then and now."""
    return text.NOTHING if each.rank_now is None else f"{each.rank_then} → {each.rank_now}"


def columns(kind: Kind) -> list[str]:
    """Of the table of a kind; only engines have ranks."""
    return ["what", "device", "engine", "then", "now [95 %]", *(["rank"] if kind == "engine" else [])]


def cells(each: Beside) -> list[str]:
    """A line of that table."""
    return [
        each.subject, each.device, each.engine, *shown(each),
        *([ranks(each)] if each.kind == "engine" else []),
    ]  # fmt: skip


def _figure(kind: Kind, beside: Sequence[Beside]) -> Figure:
    """A line for each figure: an open point then, a full one with its interval now."""
    import altair as alt

    rows: list[dict[str, Any]] = []
    for each in beside:
        label = f"{each.subject}, {each.device}: {each.engine}"
        then, now = shown(each)
        rows.append({"label": label, "when": "then", "value": each.then, "shown": then})
        if each.now is not None:
            limits = {"low": each.now.low, "high": each.now.high}
            rows.append({"label": label, "when": "now", "value": each.now.value, "shown": now, **limits})
    title, of_times = TITLES[kind], kind != "accuracy"
    scale = alt.Scale(type="log", nice=False, padding=12) if of_times else alt.Scale(zero=False, padding=12)
    x = alt.X(
        "value:Q", title="times the time" if of_times else "test accuracy", scale=scale,
        axis=alt.Axis(format=".3~g" if of_times else "%"),
    )  # fmt: skip
    y = alt.Y("label:N", title=None, sort=list(dict.fromkeys(row["label"] for row in rows)),
              axis=alt.Axis(labelLimit=340))  # fmt: skip
    colour = alt.Color("when:N", scale=alt.Scale(domain=WORDS), title=None)
    base = alt.Chart(alt.NamedData(ROWS))
    chart = alt.layer(
        base.mark_line(strokeWidth=1, opacity=0.4).encode(x=x, y=y, detail="label:N"),
        base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", scale=scale), x2="high:Q", y=y, color=colour),
        base.mark_point(filled=True, size=80, opacity=1).encode(
            x=x, y=y, color=colour, shape=alt.Shape("when:N", scale=alt.Scale(domain=WORDS), title=None),
            tooltip=["label:N", "when:N", "shown:N"],
        ),
    )  # fmt: skip
    numbers = frozenset({3, 4, 5} if kind == "engine" else {3, 4})
    table = [
        [*cells(each)[:3], Cell(shown(each)[0], each.then), Cell(shown(each)[1], each.now and each.now.value),
         *cells(each)[5:]]
        for each in beside
    ]  # fmt: skip
    return Figure(
        f"then-and-now-{kind}", title,
        f"{title}, as published and as measured here with 95 % intervals; what has no second point was not "
        "measured here.",
        specification(chart, {ROWS: rows}, alt.Step(18)),
        Grid(title, columns(kind), table, numbers),
    )  # fmt: skip
