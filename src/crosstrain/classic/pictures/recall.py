"""An associative memory at work: its pattern step by step, still or moving."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from crosstrain.classic.pictures.canvas import data_uri, frame, heading, save, save_animation

SIDE = 240
"""The longer side of a moving pattern, in pixels; still ones are smaller."""
SMALL = 96
MOST = 12
"""Steps in a still picture; of longer courses it shows some, the first and the last among them."""
FRAMES = 40
"""Steps in a moving one."""


def recall(
    steps: Any,
    shape: tuple[int, int],
    file: str | Path,
    *,
    energies: Sequence[float] | None = None,
    title: str = "Recall",
    seconds: float = 0.4,
) -> Path:
    """Draws patterns (steps, units), each as a picture of ``shape`` (height, width), dark where large.

    The file's suffix says how: PNG or SVG in a row, GIF moving, HTML with a slider for the step.
    ``energies`` (steps,) are written beside the steps.

    :raises ValueError: the patterns do not fit the shape, or the energies the steps.
    """
    patterns = np.asarray(steps, dtype=np.float64)
    if patterns.ndim != 2 or patterns.shape[1] != shape[0] * shape[1] or not len(patterns):
        raise ValueError(
            f"the steps must have the shape (steps, {shape[0] * shape[1]}), not {patterns.shape}"
        )
    if energies is not None and len(energies) != len(patterns):
        raise ValueError(f"there are {len(patterns)} steps and {len(energies)} energies")
    suffix = Path(file).suffix
    numbers = some(len(patterns), FRAMES if suffix in (".gif", ".html") else MOST)
    low, high = float(patterns.min()), float(patterns.max())
    rows = [
        {
            "step": number,
            "url": data_uri(_image(patterns[number].reshape(shape), low, high)),
            "label": f"step {number}"
            + (f", energy {energies[number]:.4g}" if energies is not None else "").replace("-", "−"),
        }
        for number in numbers
    ]
    if suffix == ".gif":
        return save_animation([frame(_one(row, shape, title)) for row in rows], file, seconds)
    return save(_slider(rows, shape, title) if suffix == ".html" else _row(rows, shape, title), file)


def some(number: int, most: int) -> list[int]:
    """At most ``most`` of the steps 0 … number − 1, evenly, with the first and the last."""
    steps: list[int] = np.unique(np.linspace(0, number - 1, min(number, most)).round().astype(int)).tolist()
    return steps


def _image(pattern: np.ndarray, low: float, high: float) -> np.ndarray:
    """Dark where large; each number a square with a thin edge."""
    cell = max(2, SIDE // max(pattern.shape))
    grey = 255 - np.rint((pattern - low) / ((high - low) or 1.0) * 225).astype(np.uint8)
    large = np.kron(grey, np.ones((cell, cell), dtype=np.uint8))
    if cell >= 6:
        large[::cell], large[:, ::cell] = 215, 215
        large[-1], large[:, -1] = 215, 215
    return np.asarray(cv2.cvtColor(large, cv2.COLOR_GRAY2BGR))


def _size(shape: tuple[int, int], longer: int) -> tuple[float, float]:
    """(width, height)"""
    return longer * shape[1] / max(shape), longer * shape[0] / max(shape)


def _picture(data: Any, shape: tuple[int, int], longer: int) -> Any:
    import altair as alt

    width, height = _size(shape, longer)
    return (
        alt.Chart(data)
        .mark_image(width=width, height=height)
        .encode(x=alt.value(width / 2), y=alt.value(height / 2), url="url:N")
        .properties(width=width, height=height)
    )


def _one(row: dict[str, Any], shape: tuple[int, int], title: str) -> Any:
    import altair as alt

    return _picture(alt.Data(values=[row]), shape, SIDE).properties(title=heading(title, row["label"]))


def _row(rows: list[dict[str, Any]], shape: tuple[int, int], title: str) -> Any:
    import altair as alt

    charts = [
        _picture(alt.Data(values=[row]), shape, SMALL).properties(
            title=alt.Title(row["label"].split(", "), fontSize=10, fontWeight="normal")
        )
        for row in rows
    ]
    return alt.concat(*charts, columns=6, spacing=14).properties(title=title)


def _slider(rows: list[dict[str, Any]], shape: tuple[int, int], title: str) -> Any:
    import altair as alt

    place = alt.binding_range(min=0, max=len(rows) - 1, step=1, name="step ")
    at = alt.param(name="at", value=0, bind=place)
    data = alt.Data(values=[row | {"place": number} for number, row in enumerate(rows)])
    shown = _picture(data, shape, SIDE).transform_filter("datum.place == at")
    width, height = _size(shape, SIDE)
    text = (
        alt.Chart(data)
        .transform_filter("datum.place == at")
        .mark_text(fontSize=13)
        .encode(text="label:N", x=alt.value(width / 2), y=alt.value(height + 16))
    )
    return alt.layer(shown, text).add_params(at).properties(title=title)
