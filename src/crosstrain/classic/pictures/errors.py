"""The error over one or two weights, and the paths that training rules take on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from crosstrain.classic.pictures.canvas import CLASSES, backdrop, field, grid, heading, records, save

SIDE = 440
CURVE = 400
"""Points of a curve."""
CELLS, FINER = 160, 6
"""Points of a surface along each side, and pixels between them."""
BANDS = 24
"""Steps of colour on a surface: their edges are lines of equal error."""
INK = "#1b1f24"

Loss = Callable[[np.ndarray], float]
"""The error for weights (n_weights,)."""


def slice_through(loss: Loss, weights: np.ndarray, indices: tuple[int, ...]) -> Loss:
    """The loss as a function of the weights at ``indices`` alone; the others stay as in ``weights``."""
    fixed = np.array(weights, dtype=np.float64)

    def cut(chosen: np.ndarray) -> float:
        moved = fixed.copy()
        moved[list(indices)] = chosen
        return float(loss(moved))

    return cut


def error_curve(
    loss: Loss, paths: Mapping[str, np.ndarray], file: str | Path, *, title: str = "Error over one weight"
) -> Path:
    """Draws ``loss`` (of an array (1,)) as a curve, and on it the steps of each training rule.

    ``paths`` has for each rule its weights step by step, (steps,) or (steps, 1). Writes PNG, SVG or HTML.
    """
    import altair as alt

    steps = _paths(paths, 1)
    low, high = _range(steps)
    w = np.linspace(low[0], high[0], CURVE)
    curve = records(weight=w, error=[float(loss(np.array([each]))) for each in w])
    rows: list[dict[str, Any]] = [
        {"rule": name, "step": number, "weight": float(at[0]), "error": float(loss(at))}
        for name, path in steps.items()
        for number, at in enumerate(path)
    ]
    x = alt.X("weight:Q", scale=alt.Scale(domain=[low[0], high[0]], nice=False, zero=False))
    y = alt.Y("error:Q", scale=alt.Scale(zero=False))
    colour = _colour(list(steps))
    walks = alt.Chart(alt.Data(values=rows))
    chart = alt.layer(
        alt.Chart(alt.Data(values=curve)).mark_line(color="#8a939d", strokeWidth=2).encode(x=x, y=y),
        walks.mark_line(strokeWidth=1.5, opacity=0.9).encode(x=x, y=y, color=colour, order="step:Q"),
        walks.mark_circle(size=50, opacity=1).encode(x=x, y=y, color=colour),
        walks.transform_filter("datum.step == 0")
        .mark_point(size=140, shape="diamond", color=INK, strokeWidth=1.5)
        .encode(x=x, y=y),
    ).properties(
        width=SIDE * 1.3, height=SIDE * 0.75,
        title=heading(title, "diamond: the start; dots: steps of each rule"),
    )  # fmt: skip
    return save(chart, file)


def error_surface(
    loss: Loss,
    paths: Mapping[str, np.ndarray],
    file: str | Path,
    *,
    title: str = "Error over two weights",
    names: tuple[str, str] = ("weight 1", "weight 2"),
    height: str = "error",
    bounds: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> Path:
    """Draws ``loss`` (of an array (2,)) as a coloured surface, and on it the path of each training rule.

    ``paths`` has for each rule its weights step by step, (steps, 2). The colours' steps are the same part of
    the area each, so that valleys show however steep the walls are. ``height`` says what the loss is;
    ``bounds`` are each weight's least and largest, by default those of the paths and some more. Writes PNG,
    SVG or HTML.
    """
    import altair as alt

    steps = _paths(paths, 2)
    low, high = np.transpose(bounds) if bounds else _range(steps)
    x, y = grid(low, high, CELLS, CELLS)
    values = np.array([[float(loss(np.array([u, v]))) for u in x] for v in y])
    rows: list[dict[str, Any]] = [
        {"rule": name, "step": number, "x": float(at[0]), "y": float(at[1])}
        for name, path in steps.items()
        for number, at in enumerate(path)
    ]
    ends = [row for row in rows if row["step"] == len(steps[row["rule"]]) - 1]
    place = {
        "x": alt.X("x:Q", title=names[0], scale=_fixed(low[0], high[0])),
        "y": alt.Y("y:Q", title=names[1], scale=_fixed(low[1], high[1])),
    }
    colour = _colour(list(steps))
    walks = alt.Chart(alt.Data(values=rows))
    chart = alt.layer(
        backdrop(field(*_banded(values)), SIDE, SIDE),
        walks.mark_line(strokeWidth=4, color="white", opacity=0.85).encode(
            **place, detail="rule:N", order="step:Q"
        ),
        walks.mark_line(strokeWidth=2).encode(**place, color=colour, order="step:Q"),
        walks.mark_circle(size=16, opacity=1).encode(**place, color=colour),
        alt.Chart(alt.Data(values=[row for row in rows if row["step"] == 0]))
        .mark_point(size=170, shape="diamond", color="white", fill=INK, strokeWidth=1.5, opacity=1)
        .encode(**place),
        alt.Chart(alt.Data(values=ends))
        .mark_point(size=150, filled=True, stroke="white", strokeWidth=1.5, opacity=1)
        .encode(**place, color=colour),
    ).properties(
        width=SIDE, height=SIDE,
        title=heading(
            title,
            [
                f"dark: small {height} ({values.min():.3g}), bright: large ({values.max():.3g})",
                "diamond: the start; large dot: the end",
            ],
        ),
    )  # fmt: skip
    return save(chart, file)


def _banded(values: np.ndarray) -> tuple[np.ndarray, float, float]:
    """The band of each value, by rank, and the first and the last band; finer than the values, so that
    the bands' edges are smooth."""
    values = np.minimum(values, values[np.isfinite(values)].max())
    fine = cv2.resize(values, None, fx=FINER, fy=FINER, interpolation=cv2.INTER_LINEAR)
    edges = np.quantile(fine, np.linspace(0, 1, BANDS + 1)[1:-1])
    return np.searchsorted(edges, fine).astype(np.float64), 0.0, BANDS - 1.0


def _paths(paths: Mapping[str, np.ndarray], weights: int) -> dict[str, np.ndarray]:
    if not paths:
        raise ValueError("paths must have at least one rule's weights step by step")
    steps = {}
    for name, path in paths.items():
        array = np.asarray(path, dtype=np.float64)
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2 or array.shape[1] != weights or not len(array):
            raise ValueError(
                f"the path of {name!r} must have the shape (steps, {weights}), not {array.shape}"
            )
        steps[name] = array
    return steps


def _range(steps: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    every = np.concatenate(list(steps.values()))
    low, high = every.min(axis=0), every.max(axis=0)
    margin = 0.25 * np.where(high > low, high - low, 1.0)
    return low - margin, high + margin


def _fixed(low: float, high: float) -> Any:
    import altair as alt

    return alt.Scale(domain=[float(low), float(high)], nice=False, zero=False)


def _colour(rules: list[str]) -> Any:
    import altair as alt

    colours = [ON_FIELD[index % len(ON_FIELD)] for index in range(len(rules))]
    return alt.Color("rule:N", title=None, scale=alt.Scale(domain=rules, range=colours))


ON_FIELD = ("#d55e00", "#000000", "#cc79a7", "#0072b2", "#e69f00", *CLASSES[6:])
"""Colours of paths, apart from the surface's own."""
