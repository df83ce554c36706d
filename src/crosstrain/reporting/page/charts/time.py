"""Charts of time: by input size, by depth, by network, and what tuning made of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crosstrain.reporting.answer.text import growth
from crosstrain.reporting.page.figures import ROWS, Figure, axis_scale, scale_type, specification
from crosstrain.reporting.page.grids import Cell, Grid, folded_figures
from crosstrain.reporting.page.view import Line, View, interval_of
from crosstrain.reporting.terminal import text
from crosstrain.statistics.ratios import Interval

if TYPE_CHECKING:
    import altair as alt

SECONDS = "seconds an epoch"
GROWTH = "growth"


def interval_cells(interval: Interval | None) -> list[Cell]:
    """Value and limits, for tables."""
    if interval is None:
        return [Cell(text.NOTHING)] * 3
    return [Cell(f"{each:.4g}", each) for each in (interval.value, interval.low, interval.high)]


def colour(view: View) -> alt.Color:
    """By entrant, the same in all charts: the theme has the colours."""
    import altair as alt

    domain = list(dict.fromkeys(line.engine for line in view.done))
    return alt.Color("engine:N", scale=alt.Scale(domain=domain), title=None)


def _record(line: Line, **more: Any) -> dict[str, Any]:
    return {**line.key, "task": line.task, **more}


def _timed(line: Line, **more: Any) -> dict[str, Any]:
    assert line.seconds is not None
    return _record(
        line, seconds=line.seconds.value, low=line.seconds.low, high=line.seconds.high,
        shown=text.interval(line.seconds), **more,
    )  # fmt: skip


def time_by_size(view: View) -> Figure | None:
    """Both axes logarithmic, so that growth by a power is a straight line."""
    import altair as alt

    lines = [line for line in view.done if line.pixels and line.seconds and line.seconds.low > 0]
    sizes = sorted({line.pixels for line in lines if line.pixels})
    if len(sizes) < 2:
        return None
    fits = [entry for entry in view.result.growth if entry.get("by") == "input size"]
    span = alt.Scale(type="log", nice=False, padding=18)
    x = alt.X(
        "pixels:Q", scale=span, title="input size (pixels a side)", axis=alt.Axis(values=sizes, format="d")
    )
    shape = alt.Shape("network:N", title=None)
    base = alt.Chart(alt.NamedData(ROWS)).encode(x=x, color=colour(view))
    y = alt.Y("seconds:Q", scale=alt.Scale(type="log", nice=False, padding=12), title=SECONDS)
    parts = [
        base.mark_line(opacity=0.35 if fits else 0.8).encode(y=y, detail="network:N"),
        base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title=SECONDS), y2="high:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            y=y, shape=shape,
            tooltip=["network:N", "engine:N", "size:N", alt.Tooltip("shown:N", title=SECONDS)],
        ),
    ]  # fmt: skip
    datasets = {ROWS: [_timed(line, pixels=line.pixels) for line in lines]}
    if drawn := _fitted(view, fits):
        datasets[GROWTH] = drawn
        parts.append(_fit_layer(view, x, y))
    return Figure(
        "time-by-size",
        "Training time by input size",
        "Median seconds of training an epoch over the input size, both axes logarithmic, one line for each "
        "engine and network; vertical lines are 95 % intervals"
        + (", dashed lines the fitted growth." if drawn else "."),
        specification(alt.layer(*parts), datasets, 320),
        _time_grid("Training time by input size", lines),
        folded_figures(growth(fits)),
    )


def time_by_depth(view: View) -> Figure | None:
    """Where growth with the depth of a family of networks was fitted."""
    import altair as alt

    fits = [entry for entry in view.result.growth if entry.get("by") == "depth" and entry.get("points")]
    if not fits:
        return None
    points = [
        {**view.key(entry), "network": _family(entry), "pixels": x, "seconds": seconds}
        for entry in fits
        for x, seconds in entry["points"]
    ]
    depths = sorted({point["pixels"] for point in points})
    x = alt.X(
        "pixels:Q", title="multiply-accumulates of one example",
        scale=alt.Scale(type="log", nice=False, padding=18),
        axis=alt.Axis(values=depths, format=".3~s"),
    )  # fmt: skip
    y = alt.Y("seconds:Q", scale=alt.Scale(type="log", nice=False, padding=12), title=SECONDS)
    base = alt.Chart(alt.NamedData(ROWS)).encode(x=x, y=y, color=colour(view))
    marks = base.mark_point(filled=True, size=70, opacity=1).encode(
        shape=alt.Shape("size:N", title=None), tooltip=["network:N", "engine:N", "size:N", "seconds:Q"]
    )
    return Figure(
        "time-by-depth",
        "Training time by depth",
        "Seconds of training an epoch over what the network computes for an example, in families that "
        "differ in depth; both axes logarithmic, dashed lines are the fitted growth.",
        specification(
            alt.layer(marks, _fit_layer(view, x, y)), {ROWS: points, GROWTH: _fitted(view, fits)}, 300
        ),
        Grid(
            "Training time by depth",
            ["network", "size", "engine", "MACs", "s/epoch"],
            [[p["network"], p["size"], p["engine"], p["pixels"], Cell(f"{p['seconds']:.4g}", p["seconds"])]
             for p in points],
            frozenset({1, 3, 4}),
        ),
        folded_figures(growth(fits)),
    )  # fmt: skip


def time_by_network(view: View) -> Figure | None:
    """A line for each network and size, and in it one for each engine."""
    import altair as alt

    lines = view.done
    if not lines:
        return None
    figures = [line.seconds for line in lines if line.seconds]
    kind = scale_type([f.low for f in figures] + [f.high for f in figures])
    scale = axis_scale([f.low for f in figures] + [f.high for f in figures])
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        y=alt.Y("task:N", title=None, sort=list(dict.fromkeys(line.task for line in lines))),
        yOffset=alt.YOffset("engine:N", sort=view.engines),
    )
    x = alt.X("seconds:Q", title=SECONDS, scale=scale)
    tips = ["network:N", "engine:N", "size:N", alt.Tooltip("shown:N", title=SECONDS)]
    marks = (
        base.mark_bar() if kind == "linear" else base.mark_point(filled=True, size=80, opacity=1)
    ).encode(x=x, color=colour(view), tooltip=tips)
    rules = base.mark_rule(strokeWidth=1.5).encode(x=alt.X("low:Q", title=SECONDS), x2="high:Q")
    return Figure(
        "time-by-network",
        "Training time by network and engine",
        "Median seconds of training an epoch for each network at each input size, by engine, with 95 % "
        f"intervals; shorter is faster{', on a logarithmic axis' if kind == 'log' else ''}.",
        specification(
            alt.layer(rules, marks) if kind == "log" else alt.layer(marks, rules),
            {ROWS: [_timed(line) for line in lines]},
            alt.Step(16),
        ),
        _time_grid("Training time by network and engine", lines),
    )


def tuning(view: View) -> Figure | None:
    """Default and tuned, joined by a line, with the factor."""
    import altair as alt

    entries = []
    for entry in view.result.tuning:
        default, tuned = interval_of(entry.get("default")), interval_of(entry.get("tuned"))
        if default and tuned:
            entries.append((entry, default, tuned, interval_of(entry.get("factor"))))
    if not entries:
        return None
    rows: list[dict[str, Any]] = []
    cells = []
    for entry, default, tuned, factor in entries:
        key = view.key(entry)
        label = f"{key['network']} {key['size']}, {key['engine']}"
        times = f"{factor.value:.2f}×" if factor else ""
        rows.append({**key, "label": label, "default": default.value, "tuned": tuned.value, "factor": times})
        changes = entry.get("changes") or entry.get("options") or {}
        options = (
            "default kept"
            if entry.get("kept_default")
            else ", ".join(f"{name}={value}" for name, value in changes.items())
        )
        cells.append(
            [key["network"], key["size"], key["engine"], *interval_cells(default), *interval_cells(tuned),
             *interval_cells(factor), options, entry.get("threads")]
        )  # fmt: skip
    scale = axis_scale([row[k] for row in rows for k in ("default", "tuned")])
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        y=alt.Y("label:N", title=None, axis=alt.Axis(labelLimit=220))
    )
    x = alt.X("tuned:Q", title=SECONDS, scale=scale)
    tips = ["network:N", "engine:N", "size:N", "default:Q", "tuned:Q", "factor:N"]
    parts = [
        base.mark_rule(strokeWidth=2).encode(x=x, x2="default:Q", color=colour(view)),
        base.mark_point(size=80, strokeWidth=2, opacity=1).encode(
            x=alt.X("default:Q"), color=colour(view), tooltip=tips
        ),
        base.mark_point(filled=True, size=90, opacity=1).encode(x=x, color=colour(view), tooltip=tips),
        base.mark_text(dy=-11, fontWeight="bold").encode(x=x, text="factor:N"),
    ]
    columns = ["network", "size", "engine", "default s/epoch", "low", "high", "tuned s/epoch", "low", "high",
               "factor", "low", "high", "settings", "threads"]  # fmt: skip
    return Figure(
        "tuning",
        "What tuning gained",
        "Seconds of training an epoch with each engine's default settings and with the settings "
        "that tuning chose on this machine; open: default, filled: tuned, the factor is their ratio.",
        specification(alt.layer(*parts), {ROWS: rows}, alt.Step(34)),
        Grid("Default and tuned settings", columns, cells, frozenset({1, *range(3, 12), 13})),
    )


def _time_grid(caption: str, lines: Sequence[Line]) -> Grid:
    return Grid(
        caption,
        ["network", "size", "engine", "s/epoch", "low", "high", "samples"],
        [
            [line.network, line.size, line.engine, *interval_cells(line.seconds), line.seconds.samples]
            for line in lines
            if line.seconds
        ],
        frozenset({1, 3, 4, 5, 6}),
        [line.key for line in lines],
    )


def _family(entry: dict[str, Any]) -> str:
    return str(entry.get("network") or entry.get("family") or "")


def _fit_layer(view: View, x: alt.X, y: alt.Y) -> alt.Chart:
    import altair as alt

    base = alt.Chart(alt.NamedData(GROWTH)).mark_line(strokeDash=[6, 4], strokeWidth=2)
    layer: alt.Chart = base.encode(x=x, y=y, color=colour(view), detail=["network:N", "size:N"])
    return layer


def _fitted(view: View, fits: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The two ends of each fitted line: the exponent is the fit's, the height the points' geometric mean.

    Growth with the input size is fitted over all pixels, and drawn over those of a side.
    """
    ends = []
    for entry in fits:
        exponent = interval_of(entry.get("exponent"))
        points = [(x, s) for x, s in entry.get("points") or () if x > 0 and s > 0]
        if exponent is None or len(points) < 2:
            continue
        middle_x = sum(math.log(x) for x, _ in points) / len(points)
        middle_y = sum(math.log(s) for _, s in points) / len(points)
        for x in (min(p[0] for p in points), max(p[0] for p in points)):
            seconds = math.exp(middle_y + exponent.value * (math.log(x) - middle_x))
            drawn = math.sqrt(x) if entry.get("by") == "input size" else x
            ends.append({**view.key(entry), "network": _family(entry), "pixels": drawn, "seconds": seconds})
    return ends
