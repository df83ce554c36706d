"""Exports, the supervisor's side: written by a worker, run in a foreign engine, and only then in place."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crosstrain import data
from crosstrain.data.prepared import Prepared
from crosstrain.engines.registry import engines
from crosstrain.environments.environments import default, find
from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.exchange.formats import Format, format_row
from crosstrain.runs.definition import WEIGHTS, Definition, check_choice, define, source
from crosstrain.runs.process import Outcome, run_job
from crosstrain.runs.trained import find_run
from crosstrain.system.files import slug, storage_errors, write_json

EXAMPLES = 32
"""So many examples are run in NumPy's float64 and in the foreign engine."""
LARGEST_ERROR = 1e-4
"""How far (norm-wise, relative) a foreign engine's float32 may be from that."""
FLIPPED = 1e-3
"""The part of a test set whose class may turn over where two scores are within rounding of each other."""

MARK = "crosstrain-export.json"
"""A file in folders that exports made: only those may be written anew."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Exported:
    """What was written and how it was verified.

    ``output_error`` is the norm-wise relative distance of the foreign engine's outputs from NumPy's float64,
    ``largest_difference`` that of single numbers; ``real_data`` says whether the examples were the run's
    own. Accuracies are those on the whole test set, ``test_accuracy`` in the foreign engine and
    ``test_accuracy_here`` in ``here``, an engine of crosstrain's (None where there is none).
    """

    network: str
    format: str
    path: str
    files: dict[str, int]
    bytes: int
    weights: str
    verified_by: str
    verified_by_version: str | None
    examples: int
    real_data: bool
    output_error: float
    largest_difference: float
    classes_differ: int | None
    test_accuracy: float | None
    test_accuracy_here: float | None
    here: str | None
    test_examples: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Subject:
    """A network to export: its definition, trained weights (None: the initial ones), data (None: none)."""

    name: str
    definition: Definition
    weights: Path | None
    data: Prepared | None
    chosen: str

    def job(self) -> dict[str, Any]:
        return {
            "network_folder": str(self.definition.folder.resolve()),
            "weights": str(self.weights.resolve()) if self.weights else None,
            "data_folder": str(self.data.folder) if self.data else None,
            "device": "cpu",
        }


def export(
    run: str,
    form: str,
    *,
    out: Path | None = None,
    cell: str | None = None,
    weights: str = "best",
    data_spec: str | None = None,
    trust: bool = False,
    overwrite: bool = False,
    output: str = "",
    timeout: float | None = None,
    tell: Tell = lambda text: None,
) -> Exported:
    """Write a trained network (or one with its initial weights) in a format and verify it.

    ``run`` is a folder of ``train`` or ``compare``, or a network. Until it is verified, what is written lies
    in a folder beside ``out`` that ends in ``.part``; nothing of it stays where it is not. Raises
    ``CrosstrainError`` for wrong use, where the network cannot be written, and where what was written
    departs from the network.
    """
    row, started = format_row(form), time.monotonic()
    verifier = _first(row.verified_by, row, "be verified")
    with tempfile.TemporaryDirectory(prefix="crosstrain-export-") as work:
        subject = _subject(run, cell, weights, data_spec, trust, output, Path(work), tell)
        place = out or _default_place(run, subject, row)
        _check_place(place, overwrite)
        unverified = place.with_name(place.name + ".part")
        with storage_errors(unverified):
            shutil.rmtree(unverified, ignore_errors=True)
            unverified.mkdir(parents=True)
        try:
            worker = _Worker(subject, row, Path(work), timeout, tell)
            worker.write(unverified / place.name)
            result = worker.verified(unverified / place.name, verifier)
            if (unverified / place.name).is_dir():
                write_json(unverified / place.name / MARK, {"network": subject.name, "format": form})
            files = {p.relative_to(unverified).as_posix(): p.stat().st_size for p in _files(unverified)}
            with storage_errors(place):
                _put_in_place(unverified, place)
        finally:
            shutil.rmtree(unverified, ignore_errors=True)
    return Exported(
        network=subject.name, format=form, path=str(place), files=files, bytes=sum(files.values()),
        weights=subject.chosen, verified_by=verifier, real_data=subject.data is not None,
        seconds=time.monotonic() - started, **result,
    )  # fmt: skip


# -- what is exported, and where to -------------------------------------------------------------
def _subject(
    run: str, cell: str | None, weights: str, data_spec: str | None, trust: bool, output: str, work: Path,
    tell: Tell,
) -> _Subject:  # fmt: skip
    folder = Path(run)
    if folder.is_dir():
        if weights not in ("best", "last"):
            raise CrosstrainError(f"the weights of a training are best or last, not {weights!r}")
        if output:
            raise CrosstrainError(
                "--output belongs to a network; a training has been trained by its own output"
            )
        trained = find_run(folder, cell, weights)
        if not trained.weights.exists():
            raise CrosstrainError(f"{run} has no trained weights yet ({trained.weights.name} is missing)")
        definition = Definition.load(trained.definition)
        chosen = "last" if cell else weights
        spec, steps, split = data_spec or trained.data, trained.prepare, trained.split
        return _Subject(
            str(definition.data["name"]), definition, trained.weights,
            _prepared(definition, spec, steps, split, tell), chosen,
        )  # fmt: skip
    if cell is not None:
        raise CrosstrainError(f"{run} is not the folder of a comparison, so it has no cell {cell!r}")
    tell(f"Defining {run}")
    if weights not in ("best", "last") and not weights.endswith(WEIGHTS):
        raise CrosstrainError(f"weights are best or last, not {weights!r}; or a file ({', '.join(WEIGHTS)})")
    own = "" if weights in ("best", "last") else check_choice([run], output, weights)
    definition = define(source(run), folder=work / "network", trust=trust, output=output, weights=own)
    return _Subject(
        str(definition.data["name"]),
        definition,
        None,
        _prepared(definition, data_spec, "", "", tell),
        Path(own).name if own else "initial",
    )


def _prepared(
    definition: Definition, spec: str | None, steps: str, split: str, tell: Tell
) -> Prepared | None:
    if not spec:
        return None
    shapes = [tuple(declared["shape"]) for declared in definition.data["inputs"].values()]
    size, channels = None, None
    if len(shapes) == 1 and len(shapes[0]) == 3 and not spec.startswith("arrays:"):
        size, channels = shapes[0][:2], shapes[0][2]
    tell(f"Preparing {spec}")
    return data.prepare(
        spec, size=size, channels=channels if channels in (1, 3) else None, steps=steps, split=split
    )


def _default_place(run: str, subject: _Subject, row: Format) -> Path:
    """``RUN/exports/NAME.onnx`` for a run, ``NAME.onnx`` here for a network. A folder is ``NAME-FORMAT``."""
    name = f"{slug(subject.name)}{row.suffix or '-' + row.name}"
    return Path(run) / "exports" / name if Path(run).is_dir() else Path(name)


def _check_place(place: Path, overwrite: bool) -> None:
    if place.exists() and not overwrite:
        raise CrosstrainError(f"{place} already exists; name another with --out, or give --overwrite")
    if place.is_dir() and not (place / MARK).exists():
        raise CrosstrainError(f"{place} is a folder that no export made; name another with --out")


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def _put_in_place(unverified: Path, place: Path) -> None:
    """What was verified, under its own name; an earlier export makes way at the last moment."""
    for path in sorted(unverified.iterdir()):
        target = place.parent / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)


def _first(names: tuple[str, ...], row: Format, purpose: str) -> str:
    """The first engine that is installed."""
    rows = engines()
    for name in names:
        if name in rows and find(rows[name]):
            return name
    raise CrosstrainError(
        f"an export to {row.name} has to {purpose} in another engine, and none of {', '.join(names)} is "
        f"installed; install one with: {rows[names[0]].how_to_install}"
    )


class _Worker:
    """The jobs of one export."""

    def __init__(self, subject: _Subject, row: Format, work: Path, timeout: float | None, tell: Tell) -> None:
        self.subject, self.row, self.work, self.timeout, self.tell = subject, row, work, timeout, tell

    def write(self, path: Path) -> None:
        self.tell(f"Writing {self.subject.name} as {self.row.name}")
        more = {"engine": _first(self.row.written_by, self.row, "be written")} if self.row.written_by else {}
        self._result("write", self._job("write", out=str(path.resolve()), **more))

    def verified(self, path: Path, verifier: str) -> dict[str, Any]:
        """Run it in the foreign engine; ``CrosstrainError`` where it departs."""
        sample = str((self.work / "sample.npz").resolve())
        self.tell(f"What {self.subject.name} means: NumPy in float64")
        sample_result = self._result("sample", self._job("sample", out=sample, examples=EXAMPLES))
        self.tell(f"Running it in {verifier}")
        job = {"engine": verifier, "path": str(path.resolve()), "sample": sample}
        verified = self._result("verify", self._job("verify", **job))
        accuracy, own = None, None
        if self.subject.data:
            own = next(iter(default()), None)
            if own:
                self.tell(f"Accuracy on the test set in {own}")
                accuracy = self._result("here", self._job("here", engine=own))["test_accuracy"]
        self._judge(verifier, verified, accuracy)
        return {
            "verified_by_version": verified["engine_version"], "examples": sample_result["examples"],
            **{key: verified[key] for key in ("output_error", "largest_difference", "classes_differ")},
            "test_accuracy": verified["test_accuracy"], "test_accuracy_here": accuracy, "here": own,
            "test_examples": verified["test_examples"],
        }  # fmt: skip

    def _judge(self, verifier: str, verified: dict[str, Any], accuracy: float | None) -> None:
        error = verified["output_error"]
        if not error <= LARGEST_ERROR:  # also where it is no number
            raise CrosstrainError(
                f"what was written departs from the network: in {verifier} its outputs are off by "
                f"{error:.1e} (relative), more than {LARGEST_ERROR:.0e}; it was thrown away"
            )
        there = verified["test_accuracy"]
        allowed = max(FLIPPED, 1.5 / max(verified["test_examples"], 1))
        if accuracy is not None and there is not None and abs(accuracy - there) > allowed:
            raise CrosstrainError(
                f"what was written departs from the network: in {verifier} its test accuracy is "
                f"{there:.4f}, the network's {accuracy:.4f}; it was thrown away"
            )

    def _job(self, task: str, **more: Any) -> Outcome:
        job = {
            "task": f"crosstrain.exchange.tasks:{task}", "id": f"export-{task}", "format": self.row.name,
            **self.subject.job(), **more,
        }  # fmt: skip
        return run_job(job, folder=self.work / "logs", timeout=self.timeout)

    def _result(self, what: str, outcome: Outcome) -> dict[str, Any]:
        if outcome.status == "done" and outcome.result is not None:
            return outcome.result
        if outcome.kind == "storage":
            raise StorageError(outcome.error)
        verb = {"write": "be written as", "verify": "be verified as"}.get(what, "be exported as")
        raise CrosstrainError(f"{self.subject.name} cannot {verb} {self.row.name}: {outcome.error}")
