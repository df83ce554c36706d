"""Rounding twins: every training as a point, beside the band that rounding alone explains."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from crosstrain.reporting.page.figures import ROWS, Figure, specification
from crosstrain.reporting.page.grids import Cell, Grid
from crosstrain.reporting.page.view import View
from crosstrain.reporting.terminal import text

BANDS = "bands"
WIDTH = 2
"""A band reaches so many standard deviations of rounding to either side of a seed's mean."""


def twins(view: View) -> Figure | None:
    """A line for each row; points are trainings, by seed."""
    import altair as alt

    rows: list[dict[str, Any]] = []
    bands: list[dict[str, Any]] = []
    for entry in view.result.rounding.get("rows", ()):
        key = view.key(entry)
        place = {**key, "label": f"{key['network']} {key['size']}, {key['engine']}"}
        half = WIDTH * entry["spread"]
        for seed, scores in entry["scores"]:
            middle = fmean(scores)
            bands.append({**place, "seed": str(seed), "low": middle - half, "high": middle + half})
            rows += [
                {**place, "seed": str(seed), "what": "twin" if i else "training", "score": score}
                for i, score in enumerate(scores)
            ]
    if not rows:
        return None
    title = f"test {view.result.rounding['rows'][0]['title']}"
    axis, scale = alt.Axis(format="%"), alt.Scale(zero=False, padding=12)
    y = alt.Y(
        "label:N",
        title=None,
        sort=list(dict.fromkeys(band["label"] for band in bands)),
        axis=alt.Axis(labelLimit=220),
    )
    seeds = list(dict.fromkeys(row["seed"] for row in rows))
    colour = alt.Color("seed:N", scale=alt.Scale(domain=seeds), title="seed")
    band = alt.Chart(alt.NamedData(BANDS)).mark_rule(strokeWidth=18, opacity=0.2)
    points = alt.Chart(alt.NamedData(ROWS)).mark_point(filled=True, opacity=0.9)
    chart = alt.layer(
        band.encode(x=alt.X("low:Q", title=title, axis=axis, scale=scale), x2="high:Q", y=y, color=colour),
        points.encode(
            x=alt.X("score:Q", title=title, axis=axis, scale=scale),
            y=y,
            color=colour,
            size=alt.Size(
                "what:N", scale=alt.Scale(domain=["training", "twin"], range=[110, 35]), title=None
            ),
            tooltip=["label:N", "seed:N", "what:N", alt.Tooltip("score:Q", format=".2%")],
        ),
    )
    return Figure(
        "rounding-twins",
        "What rounding alone does",
        f"Every training and its rounding twins; the bands reach {WIDTH} standard deviations of rounding to "
        "either side of each seed's mean.",
        specification(chart, {ROWS: rows, BANDS: bands}, alt.Step(34)),
        Grid(
            "Trainings and their rounding twins",
            ["network", "size", "engine", "seed", "what", title],
            [
                [r["network"], r["size"], r["engine"], r["seed"], r["what"],
                 Cell(text.share(r["score"]), r["score"])]
                for r in rows
            ],
            frozenset({1, 3, 5}),
            [{k: r[k] for k in ("network", "size", "engine")} for r in rows],
        ),
    )  # fmt: skip
