"""What was seen, written: a PNG for each view, all of them on a page, and the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.inside.look import Insight
from crosstrain.reporting.inside.panels import Panel, panels
from crosstrain.reporting.montage import png
from crosstrain.reporting.page.document import FOOTER, document
from crosstrain.reporting.page.insides import RECORD, figure
from crosstrain.reporting.page.markup import Html, join, tag
from crosstrain.system.files import storage_errors, write_arrays, write_bytes, write_json

PAGE, ARRAYS = "inside.html", "inside.npz"
LIKELIEST = 5


@dataclass(frozen=True)
class Inside:
    """What ``look`` wrote of a network: the ``folder``, the ``page`` and the ``arrays`` in it, and the
    ``views`` (each with ``name``, ``title``, ``caption`` and ``file``). ``target`` is the class that was
    looked for, ``likeliest`` the classes with the largest probabilities."""

    folder: Path
    page: Path
    arrays: Path
    network: str
    weights: str
    picture: str
    layer: str
    layers: tuple[str, ...]
    target: str | None
    likeliest: tuple[tuple[str, float], ...]
    views: tuple[dict[str, str], ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), **{k: str(getattr(self, k)) for k in ("folder", "page", "arrays")}}


def write_inside(insight: Insight, folder: Path) -> Inside:
    """Write ``NAME.png`` for each view, ``inside.html``, ``inside.json`` and ``inside.npz`` to ``folder``; an
    earlier look's make way. ``StorageError`` where the disk does not take them."""
    drawn = panels(insight)
    target = insight.facts["target"]
    inside = Inside(
        folder=folder,
        page=folder / PAGE,
        arrays=folder / ARRAYS,
        network=insight.subject.name,
        weights=insight.subject.chosen,
        picture=insight.picture_name,
        layer=insight.facts["layer"],
        layers=tuple(insight.facts["layers"]),
        target=None if target is None else insight.class_name(target),
        likeliest=_likeliest(insight),
        views=tuple(
            {"name": p.name, "title": p.title, "caption": p.caption, "file": f"{p.name}.png"} for p in drawn
        ),
        notes=insight.notes,
    )
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    files = [png(panel.picture) for panel in drawn]
    for panel, file in zip(drawn, files, strict=True):
        write_bytes(folder / f"{panel.name}.png", file)
    write_arrays(inside.arrays, insight.arrays)
    write_bytes(inside.page, _page(inside, drawn, files).encode())
    write_json(folder / RECORD, inside.to_json())
    return inside


def _page(inside: Inside, drawn: Sequence[Panel], files: Sequence[bytes]) -> str:
    title = f"Inside {inside.network}"
    figures = [figure(p.title, p.caption, file, "h2") for p, file in zip(drawn, files, strict=True)]
    body = tag(
        "body",
        tag("header", tag("h1", title), tag("p", _about(inside))),
        tag("main", tag("section", [tag("p", note) for note in inside.notes], figures), id="main"),
        tag("footer", tag("p", FOOTER)),
    )
    return document(title, body, ["'none'"])


def _about(inside: Inside) -> Html:
    likeliest = ", ".join(f"{name} {probability:.3f}" for name, probability in inside.likeliest)
    parts = [
        f"{inside.weights} weights",
        inside.picture,
        f"likeliest: {likeliest}" if likeliest else "",
    ]
    return join(" · ".join(part for part in parts if part))


def _likeliest(insight: Insight) -> tuple[tuple[str, float], ...]:
    known = insight.arrays.get("probabilities")
    if known is None:
        return ()
    order = np.argsort(-known, kind="stable")[:LIKELIEST]
    return tuple((insight.class_name(int(c)), float(known[c])) for c in order)
