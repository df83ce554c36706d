"""What was seen inside the networks of a comparison (``crosstrain look``), as a section of its page."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from crosstrain.reporting.page.markup import Html, Section, join, section, tag
from crosstrain.reporting.page.view import View

FOLDER, RECORD = "inside", "inside.json"
"""Where looks into cells lie, and the file that records one."""
LARGEST = 4 * 2**20
"""Bytes of a picture; larger ones are left to their own page."""


def insides(view: View) -> Section | None:
    """Every look into a cell that lies in the comparison's folder."""
    if view.live:
        return None
    looks = [_look(folder.name, record, folder) for folder, record in _records(view.folder / FOLDER)]
    return section("inside", "What the networks see", looks) if looks else None


def figure(title: str, caption: str, file: bytes, heading: str = "h4") -> Html:
    """A view with its picture (the content of a PNG file) inside the page."""
    source = "data:image/png;base64," + base64.b64encode(file).decode()
    return tag(
        "figure",
        tag(heading, title),
        tag("img", src=source, alt=title, style="max-width:100%"),
        tag("figcaption", caption),
    )


def _records(place: Path) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The folders of looks with what they recorded; damaged ones are passed over."""
    for path in sorted(place.glob(f"*/{RECORD}")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(record, dict) and isinstance(record.get("views"), list):
            yield path.parent, record


def _look(cell: str, record: Mapping[str, Any], folder: Path) -> Html:
    figures = [_view(each, folder) for each in record["views"] if isinstance(each, dict)]
    about = f"{record.get('network')}, {record.get('weights')} weights, {record.get('picture')}"
    return join(tag("h3", cell), tag("p", about, class_="small"), figures)


def _view(view: Mapping[str, Any], folder: Path) -> Html | None:
    """A view; its picture is one of the look's own folder."""
    path = folder / Path(str(view.get("file"))).name
    try:
        if path.stat().st_size > LARGEST:
            return None
        file = path.read_bytes()
    except OSError:
        return None
    return figure(str(view.get("title")), str(view.get("caption")), file)
