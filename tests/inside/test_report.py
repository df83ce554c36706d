"""Looks into cells as a section of a comparison's page: pictures of the folder, words escaped."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np

from crosstrain.reporting.montage import png
from crosstrain.reporting.page.insides import insides
from crosstrain.reporting.page.view import View
from tests.reporting.samples import small


def recorded(folder: Path, cell: str, *files: str) -> bytes:
    """A look into a cell, whose views all have one picture; gives its file's content."""
    place = folder / "inside" / cell
    place.mkdir(parents=True)
    picture = png(np.full((4, 4, 3), 90, np.uint8))
    (place / "filters.png").write_bytes(picture)
    views = [{"name": "filters", "title": "A <b>title", "caption": "of & on", "file": file} for file in files]
    record = {"network": "net", "weights": "last", "picture": "<i>sign.png", "views": views}
    (place / "inside.json").write_text(json.dumps(record))
    return picture


def test_a_look_is_a_section(tmp_path: Path) -> None:
    picture = recorded(tmp_path, "lenet5-8-torch-s0-r0", "filters.png")
    section = insides(View(small(), tmp_path))
    assert section is not None
    html = section.html()
    assert base64.b64encode(picture).decode() in html
    for words in (
        "What the networks see",
        "lenet5-8-torch-s0-r0",
        "A &lt;b&gt;title",
        "of &amp; on",
        "&lt;i&gt;",
    ):
        assert words in html
    assert "<b>" not in html


def test_no_file_outside_a_look_s_folder_is_shown(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"a secret")
    recorded(tmp_path, "cell", "../../secret.png", str(secret), "missing.png")
    section = insides(View(small(), tmp_path))
    assert section is not None
    assert "data:image" not in section.html()


def test_damaged_records_are_passed_over(tmp_path: Path) -> None:
    recorded(tmp_path, "cell", "filters.png")
    for cell, content in (("broken", "{"), ("list", "[]"), ("other", '{"views": 3}')):
        place = tmp_path / "inside" / cell
        place.mkdir()
        (place / "inside.json").write_text(content)
    section = insides(View(small(), tmp_path))
    assert section is not None
    assert section.html().count("<h3>") == 1
    assert insides(View(small(), tmp_path / "nowhere")) is None
    assert insides(View(small(), tmp_path, live=True)) is None
