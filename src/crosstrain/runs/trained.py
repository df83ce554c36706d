"""Where trained weights lie, and the definition of the network that they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crosstrain import data
from crosstrain.data.prepared import Prepared
from crosstrain.engines.registry import engine_of
from crosstrain.errors import CrosstrainError
from crosstrain.runs.defined import Definition
from crosstrain.system.files import slug

if TYPE_CHECKING:
    from crosstrain.data.trained_preparation import TrainedPreparation


@dataclass(frozen=True)
class Run:
    """A finished training: ``definition`` is the folder of the define task, ``weights`` the ``.npz`` of its
    trained weights (by Keras path), ``data`` the data set's spelling, ``prepare`` and ``split`` how it was
    prepared, at ``size`` (None: not known, or no pictures), with at most ``limit`` examples of each class
    (None: all), ``augmentation`` what the recipe says, and ``engine`` what trained it ("": not known)."""

    definition: Path
    weights: Path
    data: str
    prepare: str = ""
    split: str = ""
    augmentation: Mapping[str, Any] = field(default_factory=dict)
    size: Any = None
    engine: str = ""
    limit: int | None = None


def find_run(folder: Path, cell: str | None = None, weights: str = "best") -> Run:
    """The run in a folder of ``crosstrain train`` (``weights`` is ``best`` or ``last``), or that of one cell
    of ``crosstrain compare``. ``CrosstrainError`` where there is none."""
    try:
        plan = json.loads((folder / "plan.json").read_text())
        kind, identity = plan["kind"], plan.get("identity") or {}
    except (OSError, ValueError, KeyError) as error:
        raise CrosstrainError(f"{folder} is not a crosstrain folder (it has no valid plan.json)") from error
    definition, trained = _files(folder, kind, plan, cell, weights)
    spec, prepare, split = (str(identity.get(key) or "") for key in ("data", "prepare", "split"))
    augmentation = (identity.get("recipe") or {}).get("augmentation") or {}
    return Run(
        definition, trained, spec, prepare, split, augmentation, _size(folder, kind, cell),
        _engine(folder, kind, cell, identity), identity.get("limit"),
    )  # fmt: skip


def place_of_looks(run: str, cell: str | None) -> Path:
    """Where pictures of what ``run`` (a folder, or ``FOLDER:CELL``) sees go by default."""
    folder, _, own = run.rpartition(":")
    if not Path(run).is_dir() and folder:
        run, cell = folder, cell or own
    return Path(run) / "inside" / slug(cell) if cell else Path(run) / "inside"


def evaluation_data(definition: Definition, spec: str, run: Run | None = None) -> Prepared:
    """The data set ``spec`` prepared for a network as it was for its training, in the form that evaluation
    sees; without ``run``, with no further steps."""
    shapes = [tuple(declared["shape"]) for declared in definition.data["inputs"].values()]
    pictures = [shape for shape in shapes if len(shape) == 3]
    size, channels = None, None
    if len(pictures) == 1 and not spec.startswith("arrays:"):
        size, channels = pictures[0][:2], pictures[0][2]
        if run and "crop" in run.augmentation:  # the network sees a part of what was prepared
            size = tuple(run.size) if isinstance(run.size, list) else run.size
    return data.prepare(
        spec,
        size=size,
        channels=channels if channels in (1, 3) else None,
        steps=run.prepare if run else "",
        split=run.split if run else "",
        limit=run.limit if run and run.data == spec else None,
        augmentation=run.augmentation if run else {},
    )


def preparation_of(definition: Definition, run: Run) -> TrainedPreparation:
    """What the training did to its data: kept beside its definition, or else learnt from the data anew.
    ``CrosstrainError`` where it is neither kept nor to be had."""
    from crosstrain.data.trained_preparation import TrainedPreparation

    kept = TrainedPreparation.load(run.definition)
    if kept is not None:
        return kept
    if not run.data:
        raise CrosstrainError(f"{run.definition} does not record the data that it was trained on")
    return TrainedPreparation.of(evaluation_data(definition, run.data, run), run.augmentation)


def _size(folder: Path, kind: str, cell: str | None) -> Any:
    """The input size in the result of a training, or of a cell."""
    path = folder / "result.json" if kind == "training" else folder / "cells" / f"{cell}.json"
    try:
        return json.loads(path.read_text()).get("input_size")
    except (OSError, ValueError):
        return None  # not finished: its size is the network's


def _engine(folder: Path, kind: str, cell: str | None, identity: Mapping[str, Any]) -> str:
    if kind == "training":
        return str(next(iter(identity.get("engines") or ()), ""))
    record = json.loads((folder / "cells" / f"{cell}.json").read_text())
    return engine_of(str(record.get("engine") or ""))


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
