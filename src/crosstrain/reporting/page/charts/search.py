"""Charts of a search for the best settings: the score over each setting that was searched."""

from __future__ import annotations

from typing import Any

from crosstrain.reporting.page.figures import ROWS, Figure, axis_scale, specification
from crosstrain.reporting.page.grids import Cell, Grid
from crosstrain.reporting.page.view import View
from crosstrain.reporting.terminal import search as shown
from crosstrain.results.schema import SearchResult


def figures(view: View) -> list[Figure]:
    """One for each setting; none without a search."""
    search = view.result.search
    return [_figure(search, name) for name in search.space] if search else []


def _figure(search: SearchResult, name: str) -> Figure:
    import altair as alt

    word = shown.word(name)
    scored = [(number, trial) for number, trial in enumerate(search.trials) if trial.score is not None]
    rows: list[dict[str, Any]] = [
        {"trial": number + 1, "value": trial.values[name], "score": trial.score,
         "best": "best" if number == search.best else "other"}
        for number, trial in scored
    ]  # fmt: skip
    on_axis = all(isinstance(row["value"], int | float) for row in rows)
    kind = "value:Q" if on_axis else "value:N"
    scale = axis_scale([row["value"] for row in rows], 10, zero=False) if on_axis else alt.Undefined
    x = alt.X(kind, title=word, scale=scale)
    y = alt.Y("score:Q", title=search.measure, scale=alt.Scale(zero=False, padding=12))
    base = alt.Chart(alt.NamedData(ROWS)).encode(x=x, y=y)
    tips = ["trial:Q", alt.Tooltip(kind, title=word), alt.Tooltip("score:Q", format=".4g")]
    parts = [
        base.mark_point(filled=True, size=60, opacity=0.8).encode(tooltip=tips),
        base.transform_filter("datum.best == 'best'").mark_point(size=260, strokeWidth=2, shape="circle"),
    ]
    missing = len(search.trials) - len(scored)
    without = f"; {missing} without a score {'is' if missing == 1 else 'are'} not drawn" if missing else ""
    title = f"The search: {search.measure} by {word}"
    return Figure(
        f"search-{word}",
        title,
        f"Each point is a trial on {search.engine}; the ring is the one whose values were taken{without}.",
        specification(alt.layer(*parts), {ROWS: rows}, 200),
        Grid(
            title,
            ["trial", word, search.measure],
            [
                [row["trial"], Cell(shown.number_or_word(row["value"]), row["value"]),
                 Cell(f"{row['score']:.4g}", row["score"])]
                for row in rows
            ],
            frozenset({0, 1, 2} if on_axis else {0, 2}),
        ),
    )  # fmt: skip
