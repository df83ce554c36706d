"""Series side by side: what was wanted, what came; and points through which a tour goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.classic.pictures.canvas import CLASSES, heading, save

WIDTH, HEIGHT, SIDE = 560, 280, 400


def courses(
    x: Sequence[float] | np.ndarray,
    series: Mapping[str, np.ndarray],
    file: str | Path,
    *,
    points: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    title: str = "",
    subtitle: str = "",
    names: tuple[str, str] = ("step", "value"),
) -> Path:
    """Draws each of the ``series``, (len(x),) numbers over ``x``, as a line.

    ``points`` are drawn as dots: for each name their places x and y. ``names`` are the axes'. Writes PNG, SVG
    or HTML.

    :raises ValueError: a series is not as long as ``x``.
    """
    import altair as alt

    x = np.asarray(x, dtype=np.float64)
    for name, values in series.items():
        if np.shape(values) != x.shape:
            raise ValueError(f"{name} must have the shape {x.shape} of x, not {np.shape(values)}")
    dots = points or {}
    every = [*series, *dots]
    colour = alt.Color(
        "name:N", title=None,
        scale=alt.Scale(domain=every, range=[CLASSES[at % len(CLASSES)] for at in range(len(every))]),
    )  # fmt: skip
    axes: dict[str, Any] = {
        "x": alt.X("x:Q", title=names[0], scale=alt.Scale(nice=False)),
        "y": alt.Y("y:Q", title=names[1]),
    }
    layers = [
        alt.Chart(alt.Data(values=_rows({name: (x, values) for name, values in series.items()})))
        .mark_line(strokeWidth=2)
        .encode(**axes, color=colour)
    ]
    if dots:
        marks = alt.Chart(alt.Data(values=_rows(dots))).mark_circle(size=22, opacity=0.7)
        layers.insert(0, marks.encode(**axes, color=colour))
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=heading(title, subtitle))
    return save(chart, file)


def tour(
    cities: np.ndarray, order: np.ndarray, file: str | Path, *, title: str = "Tour", subtitle: str = ""
) -> Path:
    """Draws the closed tour through ``cities`` (n, 2) in the ``order`` (n,). Writes PNG, SVG or HTML."""
    import altair as alt

    way = np.asarray(cities, dtype=np.float64)[[*order, order[0]]]
    rows = [{"x": x, "y": y, "step": step, "city": step + 1} for step, (x, y) in enumerate(way.tolist())]
    axes: dict[str, Any] = {
        name: kind(f"{name}:Q", title=None, scale=alt.Scale(zero=False, padding=12))
        for name, kind in (("x", alt.X), ("y", alt.Y))
    }
    stops = alt.Chart(alt.Data(values=rows[:-1])).encode(**axes)
    chart = alt.layer(
        alt.Chart(alt.Data(values=rows))
        .mark_line(color=CLASSES[0], strokeWidth=2)
        .encode(**axes, order="step:Q"),
        stops.mark_circle(size=330, color="white", stroke=CLASSES[0], strokeWidth=2, opacity=1),
        stops.mark_text(fontSize=11).encode(text="city:N"),
    ).properties(width=SIDE, height=SIDE, title=heading(title, subtitle))
    return save(chart, file)


def _rows(series: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[dict[str, float | str]]:
    return [
        {"name": name, "x": float(x), "y": float(y)}
        for name, (xs, ys) in series.items()
        for x, y in zip(xs, ys, strict=True)
    ]
