"""Drives a look inside: reads the picture, has a worker compute, and gives arrays with what they are."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.prepared import Prepared
from crosstrain.engines.registry import engine_row
from crosstrain.environments.environments import find
from crosstrain.errors import CrosstrainError, EngineMissingError, StorageError
from crosstrain.inside.embedding import EMBEDDINGS, FEWEST, embedded
from crosstrain.inside.methods.anatomy import anatomy
from crosstrain.inside.methods.task import ON_EXAMPLES, ON_PICTURE, VIEWS
from crosstrain.inside.picture import read_picture
from crosstrain.inside.subject import Subject, classes_of
from crosstrain.runs.process import run_job
from crosstrain.system.files import read_arrays, write_arrays

ENGINE = "torch"
"""The one that computes; networks trained on any other come as the graph with their weights."""
BEST = 9
"""Examples that are shown for each unit."""
EXAMPLES = 500
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What to look at. ``image`` None takes the first test example; ``layer`` None the last that makes maps;
    ``target`` (a class by name or number) None the likeliest; ``square`` is pixels, None a fifth."""

    image: Path | None = None
    layer: str | None = None
    views: tuple[str, ...] = VIEWS
    target: str | None = None
    units: int = BEST
    square: int | None = None
    examples: int = EXAMPLES
    embedding: str = "t-sne"


@dataclass(frozen=True)
class Insight:
    """What was seen: arrays by name (docs/looking-inside.md), the picture (H, W, C) as the network saw it,
    the ``positions`` of the test examples gone through, their classes (None: not known), and facts."""

    subject: Subject
    wanted: Wanted
    arrays: dict[str, np.ndarray]
    picture: np.ndarray | None
    picture_name: str
    positions: np.ndarray
    labels: np.ndarray | None
    facts: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def classes(self) -> list[str]:
        return classes_of(self.subject)

    def class_name(self, number: int) -> str:
        names = self.classes
        return names[number] if number < len(names) else f"class {number}"


def look_inside(subject: Subject, wanted: Wanted, tell: Tell = lambda text: None) -> Insight:
    """Compute the views. Raises ``CrosstrainError`` for wrong use, ``EngineMissingError`` without PyTorch."""
    _check(wanted)
    if find(engine_row(ENGINE)) is None:
        raise EngineMissingError(
            f"looking inside needs {ENGINE}, which is not installed; install it with: "
            f"{engine_row(ENGINE).how_to_install}"
        )
    inside = anatomy(subject.definition.graph)
    inside.layer(wanted.layer)
    picture, name = _picture(subject, wanted, inside.shape)
    data = subject.data if set(wanted.views) & {*ON_EXAMPLES} else None
    positions = _positions(data, wanted.examples)
    with tempfile.TemporaryDirectory(prefix="crosstrain-inside-") as work:
        folder = Path(work)
        write_arrays(folder / "pictures.npz", {} if picture is None else {"picture": picture})
        tell(f"Looking into {subject.name}")
        job = {
            "task": "crosstrain.inside.methods.task:run", "id": "inside", "engine": ENGINE, "device": "cpu",
            "network_folder": str(subject.definition.folder.resolve()),
            "weights": str(subject.weights.resolve()) if subject.weights else None,
            "pictures": str(folder / "pictures.npz"), "data_folder": str(data.folder) if data else None,
            "positions": positions.tolist(), "layer": wanted.layer, "views": list(wanted.views),
            "target": _target(wanted.target, classes_of(subject)), "units": wanted.units, "best": BEST,
            "square": wanted.square, "out": str(folder / "arrays.npz"),
        }  # fmt: skip
        outcome = run_job(job, folder=folder / "logs")
        if outcome.status != "done" or outcome.result is None:
            if outcome.kind == "storage":
                raise StorageError(outcome.error)
            raise CrosstrainError(f"{subject.name} cannot be looked into: {outcome.error}")
        arrays, facts = read_arrays(folder / "arrays.npz"), outcome.result
    notes = _notes(wanted, facts, arrays, subject)
    features = arrays.get("features")
    if features is not None and (len(features) < FEWEST or features.shape[1] < 2):
        notes.append(f"{len(features)} examples of {features.shape[1]} features are too few for the plane")
    elif features is not None:
        tell(f"Features in the plane, by {wanted.embedding}")
        arrays["embedding"] = embedded(features, wanted.embedding)
    return Insight(
        subject, wanted, arrays, picture, name, positions, _labels(data, positions), facts, tuple(notes)
    )


def _check(wanted: Wanted) -> None:
    for view in wanted.views:
        if view not in VIEWS:
            raise CrosstrainError(f"there is no view {view!r}; there are {', '.join(VIEWS)}")
    if not wanted.views:
        raise CrosstrainError(f"name at least one view; there are {', '.join(VIEWS)}")
    if wanted.embedding not in EMBEDDINGS:
        raise CrosstrainError(
            f"there is no embedding {wanted.embedding!r}; there are {', '.join(EMBEDDINGS)}"
        )
    counts = {"units": wanted.units, "examples": wanted.examples, "square": wanted.square}
    for name, count in counts.items():
        if count is not None and not 1 <= count <= 100_000:
            raise CrosstrainError(f"{name} must be from 1 to 100000, not {count}")


def _picture(subject: Subject, wanted: Wanted, shape: tuple[int, int, int]) -> tuple[np.ndarray | None, str]:
    """The picture as an input, and what to call it."""
    if wanted.image is not None:
        augmentation = dict(subject.run.augmentation) if subject.run else {}
        return read_picture(wanted.image, shape, subject.data, augmentation), wanted.image.name
    if not set(wanted.views) & {*ON_PICTURE}:
        return None, ""
    if subject.data is None:
        raise CrosstrainError(
            f"name a picture to show to {subject.name} with --image, or its data with --data"
        )
    inputs, _ = subject.data.arrays("test")
    return np.array(next(iter(inputs.values()))[0]), "test example 0"


def _positions(data: Prepared | None, count: int) -> np.ndarray:
    """Positions of so many test examples, evenly over all of them."""
    if data is None:
        return np.zeros(0, np.int64)
    total = data.examples("test")
    return np.unique(np.linspace(0, total - 1, min(count, total)).astype(np.int64))


def _labels(data: Prepared | None, positions: np.ndarray) -> np.ndarray | None:
    """The class of each example, where it is one number."""
    if data is None:
        return None
    targets = [t for t in data.arrays("test")[1].values() if t.ndim == 1 and t.dtype.kind == "i"]
    return np.asarray(targets[0][positions]) if len(targets) == 1 else None


def _target(target: str | None, classes: Sequence[str]) -> int | None:
    """The number of a class; a name goes before a number that is spelled the same."""
    if target is None:
        return None
    if target in classes:
        return list(classes).index(target)
    if target.isdecimal():
        return int(target)
    known = ", ".join(classes) or "numbers from 0 on"
    raise CrosstrainError(f"there is no class {target!r}; there are {known}")


def _notes(
    wanted: Wanted, facts: dict[str, Any], arrays: dict[str, np.ndarray], subject: Subject
) -> list[str]:
    """What a reader must know of views that are missing, or say less than they seem to."""
    notes = []
    if not facts["rectified"] and {"guided", "projection"} & {*wanted.views}:
        notes.append(
            f"{subject.name} has no rectifiers: guided backpropagation and the projection are its gradient"
        )
    if subject.weights is None and subject.chosen == "initial":
        notes.append("these are the weights that the network brings, untrained unless its file has others")
    if subject.data is None and set(wanted.views) & {*ON_EXAMPLES}:
        notes.append("without --data there are no examples to show what excites a unit, and no features")
    if "filters" in wanted.views and "filters" not in arrays:
        notes.append("the first layer has no filters over the picture")
    if "grad-cam" in wanted.views and "grad-cam" not in arrays:
        notes.append("no layer makes maps, so there is no Grad-CAM")
    if "features" in wanted.views and subject.data is not None and "features" not in arrays:
        notes.append("the scores do not come from a dense layer, so its features are not known")
    return notes
