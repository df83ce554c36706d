"""Decision boundaries of a classifier of two features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.classic.arrays import to_numpy
from crosstrain.classic.pictures.canvas import CLASSES, backdrop, bgr, grid, records, save

SIDE = 420
"""The plane's width and height, in pixels."""
PALE = 0.3
"""How strong the regions' colours are; samples have the full ones."""


def regions(estimator: Any, low: np.ndarray, high: np.ndarray, side: int = SIDE) -> np.ndarray:
    """The class (its index in ``classes_``) at each pixel, (side, side), the top row first."""
    x, y = grid(low, high, side, side)
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    labels = to_numpy(estimator.predict(points))
    return np.searchsorted(estimator.classes_, labels).reshape(side, side)


def decision_boundary(
    estimator: Any, X: Any, y: Any, file: str | Path, *, title: str = "", names: tuple[str, str] | None = None
) -> Path:
    """Draws the regions of a fitted classifier, the lines between them, and samples; rings mark mistakes.

    ``X`` (n_samples, 2), ``y`` their labels; ``names`` are the features'. Writes a PNG, SVG or HTML file.

    :raises ValueError: the data have not two features.
    """
    import altair as alt

    X, y = to_numpy(X), to_numpy(y)
    if X.ndim != 2 or X.shape[1] != 2:
        raise ValueError(f"a decision boundary is drawn over two features; X has the shape {X.shape}")
    span = X.max(axis=0) - X.min(axis=0)
    margin = 0.1 * np.where(span > 0, span, 1.0)
    low, high = X.min(axis=0) - margin, X.max(axis=0) + margin
    classes = [str(each) for each in estimator.classes_]
    colours = [CLASSES[index % len(CLASSES)] for index in range(len(classes))]
    first, second = names or ("feature 1", "feature 2")
    right = to_numpy(estimator.predict(X)) == y
    rows = records(x=X[:, 0], y=X[:, 1], label=[str(each) for each in y], right=right)
    points = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("x:Q", title=first, scale=_fixed(low[0], high[0])),
        y=alt.Y("y:Q", title=second, scale=_fixed(low[1], high[1])),
    )
    colour = alt.Color("label:N", title=None, scale=alt.Scale(domain=classes, range=colours))
    share = f"{right.mean():.1%} of {len(y)} samples right"
    chart = alt.layer(
        backdrop(_image(regions(estimator, low, high), colours), SIDE, SIDE),
        points.mark_circle(size=45, stroke="white", strokeWidth=0.8, opacity=1).encode(color=colour),
        points.transform_filter("!datum.right").mark_point(size=130, stroke="black", strokeWidth=1.6),
    ).properties(width=SIDE, height=SIDE, title=alt.Title(title or type(estimator).__name__, subtitle=share))
    return save(chart, file)


def _fixed(low: float, high: float) -> Any:
    import altair as alt

    return alt.Scale(domain=[float(low), float(high)], nice=False, zero=False)


def _image(areas: np.ndarray, colours: list[str]) -> np.ndarray:
    """Pale regions, and dark pixels where they meet."""
    strong = np.stack([bgr(each) for each in colours]).astype(np.float64)
    pale = (255 - PALE * (255 - strong)).astype(np.uint8)
    image: np.ndarray = pale[areas]
    edge = np.zeros(areas.shape, dtype=bool)
    edge[:, 1:] |= areas[:, 1:] != areas[:, :-1]
    edge[1:] |= areas[1:] != areas[:-1]
    image[edge] = 60
    return image
