"""A panel for each view: its picture, and the words beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from crosstrain.inside.look import Insight
from crosstrain.reporting.inside import colours
from crosstrain.reporting.inside.scatter import scatter
from crosstrain.reporting.montage import beside, fitted, grid, side_of, stacked, text
from crosstrain.reporting.pictures import shown, value_range

MOST_FILTERS = 256
"""More are counted and not drawn."""


@dataclass(frozen=True)
class Panel:
    """A view as people look at it: ``name`` of its file, ``picture`` uint8 (H, W, 3) RGB."""

    name: str
    title: str
    caption: str
    picture: np.ndarray


def panels(insight: Insight) -> list[Panel]:
    """The panels of all views that there are arrays for, in their order."""
    drawn = (draw(insight) for needs, draw in _PANELS.items() if needs in insight.arrays)
    return [panel for panel in drawn if panel is not None]


def shown_picture(insight: Insight) -> np.ndarray | None:
    """The picture that was looked at, uint8 (H, W, 1 or 3)."""
    if insight.picture is None:
        return None
    data = insight.subject.data
    if data is None:
        low, high = value_range(insight.picture)
        scaled = np.rint((insight.picture - low) / (high - low) * 255)
        return np.clip(scaled, 0, 255).astype(np.uint8)
    ((name, array),) = data.arrays("test")[0].items()
    return shown(data, name, array, insight.picture[None])[0]


# -- one for each view ------------------------------------------------------------------------------
def _filters(insight: Insight) -> Panel:
    filters = insight.arrays["filters"]
    pictures = [colours.signed(_seen(each)) for each in filters[:MOST_FILTERS]]
    more = f"; {MOST_FILTERS} are shown" if len(filters) > MOST_FILTERS else ""
    height, width = filters.shape[1:3]
    return Panel(
        "filters",
        "First filters",
        f"The {len(filters)} filters of the first layer, {height}×{width}{more}. Grey is 0; each has its own "
        "scale.",
        grid(pictures, _numbers(range(len(pictures)))),
    )


def _maps(insight: Insight) -> Panel:
    maps = np.moveaxis(insight.arrays["maps"], -1, 0)
    return Panel(
        "maps",
        f"Activation maps of {insight.facts['layer']}",
        "The maps with the largest values for this picture, the largest first; black is a map's smallest "
        "value, white its largest.",
        grid([colours.stretched(each[..., None]) for each in maps], _numbers(insight.arrays["units"])),
    )


def _projection(insight: Insight) -> Panel:
    whole, single = insight.arrays["projection"], insight.arrays["projections"]
    pictures = [*_original(insight), colours.signed(whole), *map(colours.signed, single)]
    labels = [*_original_label(insight), "all units", *_numbers(insight.arrays["units"])]
    return Panel(
        "projection",
        f"Projection of {insight.facts['layer']} to the pixels",
        "A deconvnet (Zeiler and Fergus 2014): all units of the layer at once, then the strongest value of "
        "single ones, taken down by the switches of max-pooling, rectification and transposed filters.",
        grid(pictures, labels),
    )


def _saliency(insight: Insight) -> Panel:
    return _attribution(
        insight,
        "saliency",
        f"Saliency for {_class(insight)}",
        "The magnitude of the class score's gradient at each pixel (Simonyan et al. 2013).",
        colours.magnitude(insight.arrays["saliency"]),
    )


def _guided(insight: Insight) -> Panel:
    return _attribution(
        insight,
        "guided",
        f"Guided backpropagation for {_class(insight)}",
        "The gradient, as far as it and the input of every rectifier on its way are positive (Springenberg "
        "et al. 2014). Grey is 0.",
        colours.signed(insight.arrays["guided"]),
    )


def _grad_cam(insight: Insight) -> Panel | None:
    return _heat(
        insight,
        "grad-cam",
        f"Grad-CAM for {_class(insight)} at {insight.facts['maps_of']}",
        "Where the class is seen, red the most: maps by their mean gradient (Selvaraju et al. 2017).",
    )


def _occlusion(insight: Insight) -> Panel | None:
    fall = float(insight.arrays["occlusion"].max())
    probability = float(insight.arrays["probabilities"][insight.facts["target"]])
    return _heat(
        insight,
        "occlusion",
        f"Occlusion for {_class(insight)}",
        f"What a square of the mean colour takes from the class's {probability:.3f} where it covers a pixel: "
        f"red the most, {fall:.3f} (Zeiler and Fergus 2014).",
    )


def _exciting(insight: Insight) -> Panel | None:
    data = insight.subject.data
    if data is None:
        return None
    ((name, array),) = data.arrays("test")[0].items()
    best, units = insight.arrays["exciting"], insight.arrays["units"]
    strips = []
    for unit, positions in zip(units, best, strict=True):
        row = shown(data, name, array, np.asarray(array)[positions])
        side = side_of(row[0])
        strip = beside([fitted(picture, side) for picture in row], side)
        strips += [text(f"unit {unit}", strip.shape[1]), strip]
    return Panel(
        "exciting",
        f"What excites {insight.facts['layer']} most",
        f"Of {len(insight.positions)} test examples, those with a unit's largest values, the largest first.",
        stacked(strips),
    )


def _features(insight: Insight) -> Panel:
    how = {"t-sne": "t-SNE", "pca": "PCA"}[insight.wanted.embedding]
    width = insight.arrays["features"].shape[1]
    names = None
    if insight.labels is not None:
        names = [insight.class_name(int(label)) for label in insight.labels]
    return Panel(
        "features",
        f"Features by {how}",
        f"The {width} features that the class scores are made of, of {len(insight.positions)} test "
        "examples, in the plane.",
        scatter(insight.arrays["embedding"], names),
    )


_PANELS: dict[str, Callable[[Insight], Panel | None]] = {
    "filters": _filters,
    "maps": _maps,
    "projection": _projection,
    "saliency": _saliency,
    "guided": _guided,
    "grad-cam": _grad_cam,
    "occlusion": _occlusion,
    "exciting": _exciting,
    "embedding": _features,
}
"""By the array that each needs."""


# -- help -------------------------------------------------------------------------------------------
def _attribution(insight: Insight, name: str, title: str, caption: str, picture: np.ndarray) -> Panel:
    pictures = [*_original(insight), picture]
    return Panel(name, title, caption, grid(pictures, [*_original_label(insight), name]))


def _heat(insight: Insight, name: str, title: str, caption: str) -> Panel | None:
    original = shown_picture(insight)
    if original is None:
        return None
    return _attribution(insight, name, title, caption, colours.heat(insight.arrays[name], original))


def _original(insight: Insight) -> list[np.ndarray]:
    picture = shown_picture(insight)
    return [] if picture is None else [picture]


def _original_label(insight: Insight) -> list[str]:
    return [] if insight.picture is None else ["the picture"]


def _class(insight: Insight) -> str:
    return insight.class_name(insight.facts["target"])


def _numbers(numbers: Sequence[int] | range | np.ndarray) -> list[str]:
    return [str(int(number)) for number in numbers]


def _seen(array: np.ndarray) -> np.ndarray:
    """(h, w, c) with 1 or 3 channels; other numbers of them as their mean."""
    return array if array.shape[-1] in (1, 3) else array.mean(axis=-1, keepdims=True)
