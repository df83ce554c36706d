"""The energy of a network with feedback: as a landscape over two units, and step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from crosstrain.classic.pictures.canvas import CLASSES, save
from crosstrain.classic.pictures.errors import error_surface


def energy_landscape(
    energy: Callable[[np.ndarray], float],
    paths: Mapping[str, np.ndarray],
    file: str | Path,
    *,
    title: str = "Energy of two units",
    bounds: tuple[tuple[float, float], tuple[float, float]] = ((-1.0, 1.0), (-1.0, 1.0)),
) -> Path:
    """Draws ``energy`` (of an array (2,), two units' states) and the ways that states take down to rest.

    ``paths`` has for each start its states step by step, (steps, 2); ``bounds``
    are each unit's least and largest state. Writes PNG, SVG or HTML.
    """
    return error_surface(
        energy, paths, file, title=title, names=("unit 1", "unit 2"), height="energy", bounds=bounds
    )


def energy_course(
    courses: Mapping[str, Sequence[float]], file: str | Path, *, title: str = "Energy step by step"
) -> Path:
    """Draws the energies of each course, (steps,), as lines. Writes PNG, SVG or HTML."""
    import altair as alt

    rows = [
        {"course": name, "step": number, "energy": float(energy)}
        for name, energies in courses.items()
        for number, energy in enumerate(energies)
    ]
    names = list(courses)
    colours = [CLASSES[index % len(CLASSES)] for index in range(len(names))]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=alt.OverlayMarkDef(size=30), interpolate="step-after")
        .encode(
            x=alt.X("step:Q", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("energy:Q", scale=alt.Scale(zero=False)),
            color=alt.Color("course:N", title=None, scale=alt.Scale(domain=names, range=colours)),
        )
        .properties(width=520, height=300, title=title)
    )
    return save(chart, file)
