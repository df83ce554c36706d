"""What is looked into: a trained run, or a network with the weights that it brings."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosstrain import zoo
from crosstrain.data.prepared import Prepared
from crosstrain.data.registry import datasets
from crosstrain.errors import CrosstrainError
from crosstrain.runs.definition import WEIGHTS, Definition, check_choice, define, source
from crosstrain.runs.trained import Run, evaluation_data, find_run
from crosstrain.system.files import slug

PLAN = "plan.json"
"""What a folder of ``train`` or ``compare`` holds."""
_EPOCHS = ("best", "last")


@dataclass(frozen=True)
class Subject:
    """``weights`` is the ``.npz`` of trained weights (None: those of the definition); ``data`` what it was
    trained on, as evaluation sees it (None: not known); ``place`` where its pictures go by default."""

    name: str
    definition: Definition
    weights: Path | None
    data: Prepared | None
    run: Run | None
    place: Path
    chosen: str
    """The weights in words: ``best``, ``last``, ``initial``, or a file's name."""


def is_data(subject: str) -> bool:
    """Whether a data set is meant (``NAME`` or ``NAME:PATH``) and not a run or a network. Raises
    ``CrosstrainError`` for a folder that is neither of them."""
    if _run_folder(subject):
        return False
    if subject.partition(":")[0] in datasets():
        return True
    if Path(subject).is_dir():
        raise CrosstrainError(
            f"{subject} is no folder of train or compare (it has no {PLAN}); to look at the pictures in it, "
            f"write folder:{subject}"
        )
    return False


def is_run(subject: str) -> bool:
    """Whether the folder of a training, or a comparison with or without its cell, is meant."""
    return _run_folder(subject) is not None


def _run_folder(subject: str) -> tuple[Path, str | None] | None:
    """The folder, and the cell behind a colon; None where it is no run."""
    if (Path(subject) / PLAN).is_file():
        return Path(subject), None
    folder, colon, cell = subject.rpartition(":")
    if colon and folder and (Path(folder) / PLAN).is_file():
        return Path(folder), cell
    return None


def subject_of(
    subject: str, *, cell: str | None, weights: str, data: str | None, trust: bool, work: Path,
    tell: Callable[[str], None],
) -> Subject:  # fmt: skip
    """The subject that the command line names; a network is defined in the folder ``work``. Raises
    ``CrosstrainError`` where there is none, or one without weights yet."""
    if folder := _run_folder(subject):
        return _trained(subject, folder[0], cell or folder[1], weights, data, tell)
    if cell is not None:
        raise CrosstrainError(f"{subject} is not the folder of a comparison, so it has no cell {cell!r}")
    if weights not in _EPOCHS and not weights.endswith(WEIGHTS):
        raise CrosstrainError(f"weights are best or last, not {weights!r}; or a file ({', '.join(WEIGHTS)})")
    _check_known(subject)
    tell(f"Defining {subject}")
    own = "" if weights in _EPOCHS else check_choice([subject], "", weights)
    definition = define(source(subject), folder=work / "network", trust=trust, weights=own)
    name = str(definition.data["name"])
    return Subject(
        name, definition, None, _prepared(definition, data, None, tell), None, Path(f"{slug(name)}-inside"),
        Path(own).name if own else "initial",
    )  # fmt: skip


def _check_known(subject: str) -> None:
    """Refuse a bare name that nothing has; files are looked at where they are read."""
    name = subject.partition(":")[0]
    if Path(name).suffix or zoo.variant(subject):
        return
    near = difflib.get_close_matches(name, [*zoo.networks(), *datasets()], 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise CrosstrainError(
        f"{subject!r} is no data set (crosstrain datasets), no folder of train or compare and no network "
        f"(crosstrain networks){hint}"
    )


def _trained(
    subject: str, folder: Path, cell: str | None, weights: str, data: str | None, tell: Callable[[str], None]
) -> Subject:
    if weights not in _EPOCHS:
        raise CrosstrainError(f"the weights of a training are best or last, not {weights!r}")
    run = find_run(folder, cell, weights)
    if not run.weights.exists():
        raise CrosstrainError(f"{subject} has no trained weights yet ({run.weights.name} is missing)")
    definition = Definition.load(run.definition)
    place = folder / "inside" / slug(cell) if cell else folder / "inside"
    return Subject(
        str(definition.data["name"]), definition, run.weights,
        _prepared(definition, data or run.data, run, tell), run, place, "last" if cell else weights,
    )  # fmt: skip


def _prepared(
    definition: Definition, spec: str | None, run: Run | None, tell: Callable[[str], None]
) -> Prepared | None:
    if not spec:
        return None
    tell(f"Preparing {spec}")
    return evaluation_data(definition, spec, run)


def classes_of(subject: Subject) -> list[str]:
    """The names of the classes; [] where they are not known."""
    known: Any = subject.data.manifest["classes"] if subject.data else []
    return [str(name) for name in known]
