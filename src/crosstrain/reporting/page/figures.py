"""A chart with all that belongs to it: what it says in words, its table, its downloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from crosstrain.reporting.page.grids import Grid, folded
from crosstrain.reporting.page.markup import Child, Html, tag

if TYPE_CHECKING:
    import altair as alt

ROWS = "rows"
"""The name of a chart's main data set; the page's script filters it, and every other of the chart."""

MOST_TABLE_ROWS = 400
"""A chart's table is no longer than this in the page; the results' folder has everything."""


@dataclass(frozen=True)
class Figure:
    """A chart: ``spec`` is Vega-Lite's with its data sets by name, ``grid`` the same as a table.

    ``title`` stands above it, ``caption`` says in a sentence what is drawn (screen readers read it out),
    ``under`` is text below it.
    """

    name: str
    title: str
    caption: str
    spec: dict[str, Any]
    grid: Grid
    under: Child = None

    def html(self) -> Html:
        shown = tag(
            "div",
            class_="chart",
            id=f"chart-{self.name}",
            role="img",
            aria_label=f"{self.title}. {self.caption}",
        )
        return tag(
            "figure",
            tag("h3", self.title, id=f"chart-{self.name}-title"),
            shown,
            tag("p", class_="empty", hidden=True, role="status"),
            tag("figcaption", self.caption),
            tag("div", self.under, class_="under") if self.under else None,
            tag("div", _downloads(self.name, self.title), class_="downloads"),
            folded("Show as a table", self.grid.html(caption=False)),
            data_chart=self.name,
        )


def _downloads(name: str, title: str) -> list[Html]:
    return [
        tag(
            "button",
            form,
            type="button",
            data_download=form.lower(),
            aria_label=f"Download {title} as {form}",
        )
        for form in ("CSV", "PNG", "SVG")
    ]


def specification(
    chart: Any, datasets: dict[str, list[dict[str, Any]]], height: Any = None, panels: str | None = None
) -> dict[str, Any]:
    """An Altair chart as Vega-Lite's JSON, as wide as its place, with its data sets inside. ``panels`` is a
    field of its rows: the page's script draws a panel for each of its values, as many beside each other as
    fit (Vega-Lite's own facets know no width of their place)."""
    if height is not None:
        chart = chart.properties(height=height)
    spec: dict[str, Any] = chart.properties(width="container").to_dict()
    spec["datasets"] = datasets
    if panels:
        spec["panels"] = panels
    for key in ("config", "usermeta"):
        spec.pop(key, None)
    return spec


def axis_scale(values: Sequence[float], factor: float = 30, *, zero: bool = True) -> alt.Scale:
    """A scale for these values: from 0 where ``zero`` is true, logarithmic where they lie far apart."""
    import altair as alt

    if scale_type(values, factor) == "log":
        return alt.Scale(type="log", nice=False, padding=12)
    return alt.Scale(zero=True) if zero else alt.Scale(zero=False, padding=12)


def scale_type(values: Sequence[float], factor: float = 30) -> Literal["log", "linear"]:
    """``log`` where positive values lie so far apart that the small ones would vanish; else ``linear``."""
    positive = [value for value in values if value > 0]
    apart = len(positive) == len(values) > 1 and max(positive) / min(positive) > factor
    return "log" if apart else "linear"


Draw = Callable[[Any], Figure | None]
"""From a ``View`` to a figure, or None where the results have nothing for it."""
