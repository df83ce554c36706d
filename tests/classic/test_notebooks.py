"""Each notebook of docs/classic runs from top to bottom, and its pictures are pictures.

Cells run as Jupyter runs them, one after the other in one namespace, and what the last line of a cell is
would be shown. Jupyter itself is not needed.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from crosstrain.classic.pictures.canvas import Picture

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "classic" / "notebooks").glob("*.ipynb"))
FAMILIES = {"single_layer", "multilayer", "radial", "competitive", "associative", "recurrent", "stochastic"}


def run(source: str, namespace: dict[str, Any]) -> Any:
    """Runs a cell; the value of its last line if that is an expression."""
    module = ast.parse(source)
    last = module.body.pop() if isinstance(module.body[-1], ast.Expr) else None
    exec(compile(module, "cell", "exec"), namespace)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)


def test_every_family_has_a_notebook() -> None:
    assert {path.stem for path in NOTEBOOKS} == FAMILIES


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = json.loads(notebook.read_text())
    assert content["nbformat"] == 4
    namespace: dict[str, Any] = {}
    shown = [
        run("".join(cell["source"]), namespace) for cell in content["cells"] if cell["cell_type"] == "code"
    ]
    pictures = [value for value in shown if isinstance(value, Picture)]
    assert pictures
    for picture in pictures:
        if picture.suffix == ".gif":
            assert picture._repr_html_().startswith("<img")
            continue
        image = cv2.imdecode(np.frombuffer(picture._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        assert image.std() > 5
