"""Points in the plane with a colour for each class, as a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

SIDE = 480
SCALE = 2
"""Pixels of the picture for one of the chart."""
FEW = 10
"""Classes that have colours of their own; of more, the neighbours' are alike."""
ROWS = 24
"""Of the legend, before it has a further column."""


def scatter(points: np.ndarray, names: Sequence[str] | None) -> np.ndarray:
    """Points (N, 2), coloured by ``names`` (None: all alike), as uint8 (H, W, 3) RGB.

    The axes of an embedding mean nothing and are left out.
    """
    import vl_convert

    rows: list[dict[str, Any]] = [{"x": float(x), "y": float(y)} for x, y in points]
    axis = {"type": "quantitative", "axis": None, "scale": {"zero": False}}
    encoding: dict[str, Any] = {"x": {"field": "x", **axis}, "y": {"field": "y", **axis}}
    if names is not None:
        rows = [{**row, "class": name} for row, name in zip(rows, names, strict=True)]
        order = sorted(set(names))
        encoding["color"] = {
            "field": "class",
            "type": "nominal",
            "sort": order,
            "scale": {"scheme": "category10" if len(order) <= FEW else "turbo"},
            "legend": {"columns": -(-len(order) // ROWS), "symbolLimit": len(order)},
        }
    chart = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": SIDE,
        "height": SIDE,
        "data": {"values": rows},
        "mark": {"type": "circle", "size": 36, "opacity": 0.8},
        "encoding": encoding,
    }
    png = vl_convert.vegalite_to_png(json.dumps(chart), scale=SCALE)
    decoded = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(decoded)
