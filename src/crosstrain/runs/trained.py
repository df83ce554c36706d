"""Where trained weights lie, and the definition of the network that they belong to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosstrain.errors import CrosstrainError


@dataclass(frozen=True)
class Run:
    """A finished training: ``definition`` is the folder of the define task, ``weights`` the ``.npz`` of its
    trained weights (by Keras path), ``data`` the data set's spelling, ``prepare`` and ``split`` how it was
    prepared."""

    definition: Path
    weights: Path
    data: str
    prepare: str = ""
    split: str = ""


def find_run(folder: Path, cell: str | None = None, weights: str = "best") -> Run:
    """The run in a folder of ``crosstrain train`` (``weights`` is ``best`` or ``last``), or that of one cell
    of ``crosstrain compare``. ``CrosstrainError`` where there is none."""
    try:
        plan = json.loads((folder / "plan.json").read_text())
        kind, identity = plan["kind"], plan.get("identity") or {}
    except (OSError, ValueError, KeyError) as error:
        raise CrosstrainError(f"{folder} is not a crosstrain folder (it has no valid plan.json)") from error
    definition, trained = _files(folder, kind, plan, cell, weights)
    return Run(definition, trained, *(str(identity.get(key) or "") for key in ("data", "prepare", "split")))


def _files(folder: Path, kind: str, plan: Any, cell: str | None, weights: str) -> tuple[Path, Path]:
    """The definition's folder and the weights' file."""
    if kind == "training":
        if "definition" not in plan:
            raise CrosstrainError(f"the training in {folder} has not begun yet")
        return folder / plan["definition"], folder / f"{weights}.npz"
    record = _record(folder, cell, plan.get("cells") or [])
    return folder / record["definition"], folder / "cells" / f"{cell}.npz"


def _record(folder: Path, cell: str | None, cells: list[str]) -> Any:
    if cell not in cells:
        known = ", ".join(cells) or "none yet"
        problem = f"has no cell {cell!r}" if cell else "is a comparison: name one of its cells"
        raise CrosstrainError(f"{folder} {problem}; there are {known}")
    try:
        return json.loads((folder / "cells" / f"{cell}.json").read_text())
    except (OSError, ValueError) as error:
        raise CrosstrainError(f"the cell {cell!r} in {folder} is not finished") from error
