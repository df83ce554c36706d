"""What all pictures share: colours, fields of numbers as images, and files of every form."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    import altair as alt

CLASSES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#7f7f7f")
"""Okabe and Ito's colours, which all eyes tell apart; more classes begin again."""
SCHEME: Final = "viridis"
COLOUR_MAP = cv2.COLORMAP_VIRIDIS
"""The same scale of colours, for Vega and for OpenCV."""
SCALE = 2
"""Pixels of a PNG for one of the chart."""
EXACT_COLOURS = 3
"""OpenCV's kind of GIF dithering that leaves pictures of few colours as they are."""
FORMS = (".png", ".svg", ".html")


_PATH: Any = type(Path())  # before Python 3.12 only the platform's own class can be inherited from


class Picture(_PATH):
    """A picture's path, which a notebook shows as the picture."""

    def _repr_png_(self) -> bytes | None:
        return self.read_bytes() if self.suffix == ".png" else None

    def _repr_svg_(self) -> str | None:
        return self.read_text() if self.suffix == ".svg" else None

    def _repr_html_(self) -> str | None:
        if self.suffix != ".gif":
            return None
        return f'<img src="data:image/gif;base64,{base64.b64encode(self.read_bytes()).decode()}">'


def save(chart: alt.TopLevelMixin, file: str | Path) -> Path:
    """Writes an Altair chart; the suffix says how. A page has all that it needs inside.

    :raises ValueError: the suffix is none of ``.png``, ``.svg``, ``.html``.
    """
    import vl_convert

    path = Picture(file)
    if path.suffix not in FORMS:
        raise ValueError(f"a picture's file must end in {', '.join(FORMS)}, not {path.suffix or 'nothing'!r}")
    spec = json.dumps(_themed(chart))
    if path.suffix == ".png":
        path.write_bytes(vl_convert.vegalite_to_png(spec, scale=SCALE))
    elif path.suffix == ".svg":
        path.write_text(vl_convert.vegalite_to_svg(spec))
    else:
        path.write_text(vl_convert.vegalite_to_html(spec, bundle=True))
    return path  # type: ignore[no-any-return]


def frame(chart: alt.TopLevelMixin) -> np.ndarray:
    """The chart as uint8 (H, W, 3), blue first as OpenCV has it."""
    import vl_convert

    png = vl_convert.vegalite_to_png(json.dumps(_themed(chart)), scale=SCALE)
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image)


def save_animation(frames: Sequence[np.ndarray], file: str | Path, seconds: float) -> Path:
    """Writes frames of one size as an endless GIF, each shown for ``seconds``, the last one three times as
    long."""
    path = Picture(file)
    animation = cv2.Animation()
    animation.frames = list(frames)
    animation.durations = [round(1000 * seconds)] * (len(frames) - 1) + [round(3000 * seconds)]
    animation.loop_count = 0
    if not cv2.imwriteanimation(str(path), animation, [cv2.IMWRITE_GIF_DITHER, EXACT_COLOURS]):
        raise OSError(f"{path} could not be written")
    return path  # type: ignore[no-any-return]


def _themed(chart: alt.TopLevelMixin) -> dict[str, Any]:
    spec: dict[str, Any] = chart.to_dict()
    spec["background"] = "white"
    spec["config"] = {
        "font": "DejaVu Sans, Helvetica, Arial, sans-serif",
        "title": {"fontSize": 14, "anchor": "start", "subtitleColor": "#545d68"},
        "axis": {"labelFontSize": 11, "titleFontSize": 12, "gridOpacity": 0.4},
        "legend": {"labelFontSize": 11, "titleFontSize": 12},
        "view": {"stroke": "#d5dae0"},
    }
    return spec


def data_uri(image: np.ndarray) -> str:
    """A uint8 image (H, W, 3), blue first, as a PNG in a ``data:`` URI."""
    _, png = cv2.imencode(".png", image)
    return "data:image/png;base64," + base64.b64encode(png.tobytes()).decode()


def field(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Numbers (H, W) in the colours of :data:`SCHEME`, uint8 (H, W, 3), blue first."""
    span = (high - low) or 1.0
    levels = np.clip(np.rint((values - low) / span * 255), 0, 255).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(levels, COLOUR_MAP))


def bgr(colour: str) -> np.ndarray:
    """A colour such as ``#0072b2`` as uint8 (3,), blue first."""
    return np.array([int(colour[at : at + 2], 16) for at in (5, 3, 1)], dtype=np.uint8)


def backdrop(image: np.ndarray, width: int, height: int) -> alt.Chart:
    """An image that fills a chart's plane of ``width`` × ``height``."""
    import altair as alt

    chart: alt.Chart = (
        alt.Chart(alt.Data(values=[{"url": data_uri(image)}]))
        .mark_image(width=width, height=height, aspect=False)
        .encode(x=alt.value(width / 2), y=alt.value(height / 2), url="url:N")
    )
    return chart


def grid(low: np.ndarray, high: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The points under a picture's pixels: (width,) from left to right, (height,) from top to bottom."""
    x = np.linspace(low[0], high[0], 2 * width + 1)[1::2]
    y = np.linspace(low[1], high[1], 2 * height + 1)[1::2]
    return x, y[::-1]


def heading(title: str, subtitle: str | list[str] = "") -> alt.Title:
    """A chart's title; a subtitle without a title, which Vega would leave out, takes its place."""
    import altair as alt

    return alt.Title(title or subtitle, subtitle=subtitle if title and subtitle else [])


def records(**columns: Any) -> list[dict[str, Any]]:
    """Columns of one length as rows, in Python's own numbers."""
    lists = {name: np.asarray(column).tolist() for name, column in columns.items()}
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
