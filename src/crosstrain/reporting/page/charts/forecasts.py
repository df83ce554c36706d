"""Charts of forecasts: beside what came and the best baseline, and how errors grow with the steps ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from crosstrain.forecasting.summary import BASELINE, NETWORK, read_forecasts
from crosstrain.reporting.page.figures import MOST_TABLE_ROWS, ROWS, Figure, specification
from crosstrain.reporting.page.grids import Cell, Grid
from crosstrain.reporting.page.view import View

MOST_STEPS = 120
"""Steps of the test part that the first chart draws, its last ones: more would lie too close to be told
apart."""
CAME = "what came"


def figures(view: View) -> list[Figure]:
    """Empty where the data is no series."""
    summary = view.result.forecasts
    if not summary:
        return []
    drawn = [_drawn(view, summary), _by_step(summary) if summary["horizon"] > 1 else None]
    return [figure for figure in drawn if figure]


def _drawn(view: View, summary: Mapping[str, Any]) -> Figure | None:
    """The last steps of the test part, each forecast from as many steps before as the horizon has."""
    import altair as alt

    arrays = read_forecasts(view.folder)
    if not arrays:
        return None
    best = min((e for e in summary["entries"] if e["kind"] == BASELINE), key=lambda entry: entry["MAE"])[
        "name"
    ]
    named = {CAME: arrays["actual"], **{name: arrays[key] for key, name in _chosen(arrays, best)}}
    ahead = int(summary["horizon"])
    steps = (arrays["origins"] + ahead)[-MOST_STEPS:]
    rows = [
        {"step": int(step), "value": float(f"{value:.6g}"), "series": name}
        for name, values in named.items()
        for step, value in zip(steps, values[-MOST_STEPS:, -1], strict=True)
    ]
    base = alt.Chart(alt.NamedData(ROWS)).encode(
        x=alt.X(
            "step:Q", title=f"step of the series{_unit(summary)}", scale=alt.Scale(zero=False, nice=False)
        ),
        y=alt.Y("value:Q", title=str(summary["variable"]), scale=alt.Scale(zero=False)),
        color=alt.Color("series:N", title=None, sort=list(named), scale=alt.Scale(domain=list(named))),
        tooltip=["series:N", "step:Q", alt.Tooltip("value:Q", format=".5g")],
    )
    lines = base.mark_line(strokeWidth=1.6).encode(
        strokeDash=alt.StrokeDash(
            "series:N", title=None, sort=list(named), scale=alt.Scale(domain=list(named))
        )
    )
    title = f"Forecasts {ahead} step{'' if ahead == 1 else 's'} ahead"
    caption = (
        f"The last {len(steps)} steps of the test part: what came, each network's forecast from {ahead} "
        f"step{'' if ahead == 1 else 's'} before, and that of the best baseline, {best}."
    )
    table = [
        [int(step), *(Cell(f"{v[i]:.5g}", float(v[i])) for v in _last(named))] for i, step in enumerate(steps)
    ]
    grid = Grid(title, ["step", *named], table[:MOST_TABLE_ROWS], frozenset(range(1 + len(named))))
    return Figure("forecasts", title, caption, specification(lines, {ROWS: rows}, 320), grid)


def _last(named: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    return [values[-MOST_STEPS:, -1] for values in named.values()]


def _chosen(arrays: Mapping[str, np.ndarray], best: str) -> list[tuple[str, str]]:
    """Keys and names of what is drawn: all networks, and the best baseline."""
    split = [(key, *key.partition("/")[::2]) for key in arrays if "/" in key]
    return [(key, name) for key, kind, name in split if kind == NETWORK or name == best]


def _by_step(summary: Mapping[str, Any]) -> Figure:
    import altair as alt

    entries: dict[str, Mapping[str, Any]] = {}
    for entry in summary["entries"]:
        entries.setdefault(entry["name"], entry)  # engines that do the same work err alike
    rows = [
        {"name": name, "kind": entry["kind"], "step": each["step"], "error": float(f"{each['NRMSE']:.6g}")}
        for name, entry in entries.items()
        for each in entry["by_step"]
        if each["NRMSE"] is not None
    ]
    order = [name for name, e in entries.items() if e["kind"] == NETWORK]
    order += [name for name, e in entries.items() if e["kind"] == BASELINE]
    chart = (
        alt.Chart(alt.NamedData(ROWS))
        .mark_line(strokeWidth=1.8, point=alt.OverlayMarkDef(filled=True, size=18))
        .encode(
            x=alt.X("step:Q", title=f"steps ahead{_unit(summary)}", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("error:Q", title="NRMSE (1: no better than the mean)", scale=alt.Scale(zero=True)),
            color=alt.Color("name:N", title=None, sort=order, scale=alt.Scale(domain=order)),
            strokeDash=alt.StrokeDash("kind:N", title=None, sort=[NETWORK, BASELINE]),
            tooltip=["name:N", "step:Q", alt.Tooltip("error:Q", format=".4g")],
        )
    )
    title = "Error by steps ahead"
    caption = (
        "The root mean square error of each step ahead, over the standard deviation of what came there. "
        "Solid "
        "lines are networks (on the first engine), dashed ones baselines."
    )
    table = [[row["name"], row["step"], Cell(f"{row['error']:.4g}", row["error"])] for row in rows]
    grid = Grid(title, ["forecast", "steps ahead", "NRMSE"], table[:MOST_TABLE_ROWS], frozenset({1, 2}))
    return Figure("error-by-step", title, caption, specification(chart, {ROWS: rows}, 320), grid)


def _unit(summary: Mapping[str, Any]) -> str:
    return f" ({summary['unit']}s)" if summary["unit"] else ""
