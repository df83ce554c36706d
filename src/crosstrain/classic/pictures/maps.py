"""What a self-organising map learnt: distances between units, hits, and each feature's plane."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crosstrain.classic.arrays import to_numpy
from crosstrain.classic.pictures.canvas import CLASSES, SCHEME, heading, records, save

if TYPE_CHECKING:
    import altair as alt

    from crosstrain.classic.competitive.self_organizing_map import SelfOrganizingMap

WIDE, NARROW = 380, 150
"""The longer side of one map, and of one among many, in pixels."""
IN_A_ROW = 5
"""So many planes stand in one row; more in several."""
SHORT = 2
"""Letters of a label that fits on a unit."""
HEXAGON = "M0,-1L0.866,-0.5L0.866,0.5L0,1L-0.866,0.5L-0.866,-0.5Z"
SQUARE = "M-1,-1L1,-1L1,1L-1,1Z"


def u_matrix(som: SelfOrganizingMap, file: str | Path, *, title: str = "U-matrix") -> Path:
    """Draws each unit's distance to its neighbours: bright ridges part dark plains of alike units."""
    chart = plane(som, som.u_matrix(), WIDE, "distance")
    return save(_titled(chart, title, "bright: unlike its neighbours"), file)


def hit_map(som: SelfOrganizingMap, X: Any, file: str | Path, *, y: Any = None, title: str = "Hits") -> Path:
    """Draws how many samples each unit wins; with labels ``y``, on each unit that of most of its samples:
    written where labels are short, as dots of their colours where they are long."""
    import altair as alt

    hits = som.hits(X)
    chart = plane(som, hits, WIDE, "samples")
    if y is None:
        return save(_titled(chart, title, f"{int(hits.sum())} samples"), file)
    labels = most_frequent(to_numpy(som.predict(X)), to_numpy(y), hits.size)
    rows = [row | {"label": label} for row, label in zip(_rows(som, hits), labels, strict=True) if label]
    units = alt.Chart(alt.Data(values=rows)).encode(x="x:Q", y="y:Q")
    names = sorted({row["label"] for row in rows})
    if max(map(len, names)) <= SHORT:
        bright = f"datum.value > {0.6 * hits.max()}"
        marks = units.mark_text(fontWeight="bold", fontSize=min(14.0, 0.5 * _unit(som, WIDE))).encode(
            text="label:N", color=alt.condition(bright, alt.value("#1b1f24"), alt.value("white"))
        )
    else:
        colours = [CLASSES[index % len(CLASSES)] for index in range(len(names))]
        marks = units.mark_circle(
            size=(0.5 * _unit(som, WIDE)) ** 2, stroke="white", strokeWidth=1.5, opacity=1
        ).encode(fill=alt.Fill("label:N", title=None, scale=alt.Scale(domain=names, range=colours)))
    subtitle = f"{int(hits.sum())} samples; on each unit the label of most of its own"
    return save(_titled(alt.layer(chart, marks), title, subtitle), file)


def component_planes(
    som: SelfOrganizingMap,
    file: str | Path,
    *,
    names: Sequence[str] | None = None,
    title: str = "Component planes",
) -> Path:
    """Draws the weights of each feature over the map, each with colours of its own range."""
    import altair as alt

    planes = som.component_planes()
    names = names or [f"feature {number + 1}" for number in range(len(planes))]
    if len(names) != len(planes):
        raise ValueError(f"the map has {len(planes)} features, and there are {len(names)} names")
    charts = [
        plane(som, values, NARROW, "").properties(
            title=alt.Title(
                str(name), fontSize=11, subtitle=f"{values.min():.3g} … {values.max():.3g}", limit=NARROW + 20
            )
        )
        for name, values in zip(names, planes, strict=True)
    ]
    columns = len(charts) if len(charts) <= IN_A_ROW else int(np.ceil(np.sqrt(len(charts) * 1.5)))
    chart = alt.concat(*charts, columns=columns, spacing=12).resolve_scale(color="independent")
    return save(chart.properties(title=title), file)


def most_frequent(winners: np.ndarray, labels: np.ndarray, units: int) -> list[str]:
    """For each unit the label of most samples that it wins, the first in order of equals; "" for none."""
    classes, indices = np.unique(labels, return_inverse=True)
    counts = np.zeros((units, len(classes)), dtype=np.int64)
    np.add.at(counts, (winners, indices), 1)
    return [str(classes[row.argmax()]) if row.any() else "" for row in counts]


def plane(som: SelfOrganizingMap, values: np.ndarray, longer: int, legend: str) -> alt.Chart:
    """Numbers (rows, columns) on the map's lattice, as squares or hexagons that touch."""
    import altair as alt

    lattice, unit = som.lattice_, _unit(som, longer)
    at = lattice.positions
    low, high = at.min(axis=0) - 0.6, at.max(axis=0) + 0.6
    hexagonal = lattice.topology == "hexagonal"
    # A symbol's path is drawn half the root of its size large; hexagons of width 1 have corners 1/√3 away.
    size = (2 * unit * (0.5774 if hexagonal else 0.5)) ** 2 * 1.02
    colour = alt.Color(
        "value:Q", title=legend or None, scale=alt.Scale(scheme=SCHEME, zero=False, nice=False),
        legend=alt.Legend(gradientLength=longer * 0.6) if legend else None,
    )  # fmt: skip
    chart: alt.Chart = (
        alt.Chart(alt.Data(values=_rows(som, values)))
        .mark_point(
            shape=HEXAGON if hexagonal else SQUARE,
            size=size,
            filled=True,
            opacity=1,
            strokeWidth=0,
            clip=True,
        )
        .encode(
            x=alt.X("x:Q", axis=None, scale=alt.Scale(domain=[low[0], high[0]], nice=False)),
            y=alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[high[1], low[1]], nice=False)),
            color=colour,
        )
        .properties(width=unit * (high[0] - low[0]), height=unit * (high[1] - low[1]))
    )
    return chart


def _unit(som: SelfOrganizingMap, longer: int) -> float:
    """The distance of two neighbours, in pixels."""
    return float(longer / (np.ptp(som.lattice_.positions, axis=0).max() + 1.2))


def _rows(som: SelfOrganizingMap, values: np.ndarray) -> list[dict[str, Any]]:
    at = som.lattice_.positions
    return records(x=at[:, 0], y=at[:, 1], value=np.asarray(values, dtype=np.float64).ravel())


def _titled(chart: Any, title: str, subtitle: str) -> Any:

    return chart.properties(title=heading(title, subtitle))
