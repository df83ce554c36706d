"""The times of one question over comparisons: a small chart for each network and size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crosstrain.reporting.history import History, Point
from crosstrain.reporting.page.charts.time import SECONDS
from crosstrain.reporting.page.figures import ROWS, Figure, axis_scale, specification
from crosstrain.reporting.page.grids import Cell, Grid
from crosstrain.reporting.page.view import at_size
from crosstrain.reporting.terminal import text


def figures(history: History) -> list[Figure]:
    """Lines of the engines, each named at its end; a change from the one before is a large mark."""
    groups: dict[str, list[Point]] = {}
    for point in history.points:
        groups.setdefault(at_size(point.row.network, point.row.input_size), []).append(point)
    order = list(history.results)
    return [
        _figure(f"history-{number}", title, points, order)
        for number, (title, points) in enumerate(groups.items(), start=1)
    ]


def _figure(name: str, title: str, points: Sequence[Point], comparisons: list[str]) -> Figure:
    import altair as alt

    last = {point.row.engine: point.comparison for point in points}
    rows: list[dict[str, Any]] = []
    cells: list[list[Any]] = []
    for point in points:
        seconds = point.row.seconds
        assert seconds is not None
        shown = text.interval(seconds)
        rows.append(
            {"network": point.row.network, "engine": point.row.engine, "comparison": point.comparison,
             "seconds": seconds.value, "low": seconds.low, "high": seconds.high, "shown": shown,
             "change": point.word if point.word in ("slower", "faster") else "none",
             "label": point.row.engine if last[point.row.engine] == point.comparison else ""}
        )  # fmt: skip
        cells.append([point.row.engine, point.comparison, Cell(shown, seconds.value), point.word or None])
    scale = axis_scale([row[k] for row in rows for k in ("low", "high")], 12)
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        x=alt.X("comparison:N", sort=comparisons, title=None, axis=alt.Axis(labelAngle=0, labelLimit=120)),
        color=alt.Color("engine:N", legend=None),
    )
    y = alt.Y("seconds:Q", title=SECONDS, scale=scale)
    size = alt.Size(
        "change:N", legend=None, scale=alt.Scale(domain=["none", "slower", "faster"], range=[40, 200, 200])
    )
    chart = alt.layer(
        base.mark_line().encode(y=y),
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title=SECONDS), y2="high:Q"),
        base.mark_point(filled=True, opacity=1).encode(
            y=y,
            size=size,
            tooltip=["engine:N", "comparison:N", "change:N", alt.Tooltip("shown:N", title=SECONDS)],
        ),
        base.mark_text(align="left", dx=10).encode(y=y, text="label:N"),
    )
    return Figure(
        name,
        title,
        "Median seconds of training an epoch in each comparison, with 95 % intervals; large points changed "
        "beyond noise from the one before.",
        specification(chart, {ROWS: rows}, 240),
        Grid(title, ["engine", "comparison", "s/epoch", "than the one before"], cells, frozenset({2})),
    )
