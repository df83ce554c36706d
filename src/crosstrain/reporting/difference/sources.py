"""The lines of source that a place of a difference names."""

from __future__ import annotations

from pathlib import Path

from crosstrain.difference.findings import Place


def line_of(place: Place, definition: str) -> str:
    """The text of ``place.line`` (``net.py:9``): of a definition's file (``folder/net.py:build``) or of one
    beside it; "" where it is of no file there."""
    name, _, number = place.line.rpartition(":")
    file = Path(definition.rpartition(":")[0]).parent / Path(name).name
    if not name or not number.isdigit() or not file.is_file():
        return ""
    lines = file.read_text(errors="replace").splitlines()
    return lines[int(number) - 1].strip() if 0 < int(number) <= len(lines) else ""
