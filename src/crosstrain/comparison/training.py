"""Plain training of one network on one engine: best and last weights, taken up where it was left."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from crosstrain.comparison import entrants
from crosstrain.comparison import folder as folders
from crosstrain.comparison.devices import settled
from crosstrain.comparison.engines import muster
from crosstrain.comparison.plan import Cell
from crosstrain.comparison.progress.watch import Silent, Watch
from crosstrain.comparison.settings import RUNS, Settings
from crosstrain.comparison.subjects import Refused, Subject, Workshop, fingerprint, source_hashes
from crosstrain.data.registry import parse
from crosstrain.environments.versions import versions_of
from crosstrain.errors import CrosstrainError
from crosstrain.results.schema import CellResult, finite
from crosstrain.runs.mpi import launched
from crosstrain.runs.process import run_job
from crosstrain.runs.store import Store
from crosstrain.system.files import slug, write_json
from crosstrain.system.machine import own_version, usable_cores

KIND = "training"
FROZEN = "frozen"
"""The folder of the first of two trainings, in that of the second."""
SLOWER = 0.1
"""The learning rate of fine-tuning, as a part of the first training's."""


@dataclass(frozen=True)
class Trained:
    """A training's folder and result. ``crosstrain.load(folder)`` gives the Keras model."""

    folder: Path
    result: CellResult

    @property
    def ok(self) -> bool:
        return self.result.status == "done" and not self.result.diverged

    @property
    def best(self) -> Path:
        """The weights (``.npz``, by Keras path) of the epoch that validated best."""
        return self.folder / "best.npz"

    @property
    def last(self) -> Path:
        """The weights of the last epoch."""
        return self.folder / "last.npz"

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.result.model_dump_json())
        return {"folder": str(self.folder), **data}


def train(settings: Settings, out: Path | None = None, watch: Watch | None = None) -> Trained:
    """Train the one network of ``settings`` on its one engine, in the folder ``out`` (default: one named
    after the settings without the number of epochs, so that more epochs continue the training; with a
    schedule that is relative to their number that is another one). Raises
    ``CrosstrainError`` for invalid usage, ``KeyboardInterrupt`` on Ctrl-C; finished epochs are kept."""
    if len(settings.networks) != 1 or len(settings.engines) != 1 or len(settings.subjects()) > 1:
        raise CrosstrainError(
            "training takes one network, one engine and one input size; compare takes several"
        )
    entrants.plain(settings.engines, "training")
    parse(settings.data)
    settings = settled(settings, (watch or Silent()).note)
    with folders.opened(out or default_folder(settings)) as store:
        return _train(settings, store, watch or Silent())


def fine_tune(
    settings: Settings, epochs: int, rate: float | None, out: Path | None = None, watch: Watch | None = None
) -> Trained:
    """Train what is not frozen, then all layers for ``epochs`` more at ``rate`` (None: a tenth of the first
    one's), from the first training's best weights. The first is kept in ``FROZEN`` in the folder of the
    second, and is what is returned where it fails."""
    if not settings.freeze_until:
        raise CrosstrainError(
            "--fine-tune follows a training with frozen layers; name them with --freeze-until"
        )
    folder = out or default_folder(settings)
    first = train(settings, folder / FROZEN, watch)
    if not first.ok:
        return first
    optimizer = settings.recipe.optimizer
    slower = float(optimizer.learning_rate or 0.0) * SLOWER if rate is None else rate
    recipe = replace(settings.recipe, epochs=epochs, optimizer=replace(optimizer, learning_rate=slower))
    second = replace(settings, recipe=recipe, weights=str(first.best.resolve()), freeze_until="", whole=True)
    return train(second, folder, watch)


def default_folder(settings: Settings) -> Path:
    words = [slug(settings.networks[0]), slug(settings.data.partition(":")[0]), settings.engines[0]]
    return RUNS / f"train-{'-'.join(words)}-{fingerprint(_identity(settings))[:8]}"


def _identity(settings: Settings) -> dict[str, Any]:
    identity = {**settings.identity(), "files": source_hashes(settings)}
    if not settings.recipe.schedule.relative:
        identity["recipe"] = {k: v for k, v in identity["recipe"].items() if k != "epochs"}
    # What only comparisons have is left out: it changes nothing here. And a training may be taken up by more
    # workers, or with other threads.
    other = ("seeds", "repeats", "proof", "budget", "workers", "threads")
    return {k: v for k, v in identity.items() if k not in other}


def _train(settings: Settings, store: Store, watch: Watch) -> Trained:
    folder, engine = store.folder, settings.engines[0]
    plan = folders.agree(store, KIND, _identity(settings)) or {}
    field = muster(settings, store.logs)
    plan = {"format": folders.FORMAT, "kind": KIND, "crosstrain": own_version(), **plan}
    store.write_plan({**plan, "identity": _identity(settings)})
    subject = next(iter(Workshop(settings, folder, watch.stage).subjects()))
    if isinstance(subject, Refused):
        raise CrosstrainError(subject.reason)
    for warning in subject.data.warnings:
        watch.note(f"{settings.data}: {warning}")
    definition = subject.definitions[settings.recipe.seed]
    remarks = [*settings.remarks, *definition.remarks]
    for remark in remarks:
        watch.note(remark)
    where = definition.folder.resolve().relative_to(folder.resolve()).as_posix()
    store.write_plan({**plan, "identity": _identity(settings), "definition": where})

    cell = Cell(
        settings.networks[0], subject.size, engine, settings.recipe.seed, 0, slug(settings.networks[0])
    )
    watch.begin([cell], [], settings.recipe.epochs)
    previous = _previous_result(folder, settings.recipe.epochs)
    if previous is not None:
        if launched():
            follow(engine, settings.threads)  # the other ranks wait for a job: there is none
        watch.note(f"{settings.recipe.epochs} epochs are already trained; there is nothing left to do.")
        return Trained(folder, previous)
    watch.start(cell)
    outcome = run_job(
        _job(settings, subject, folder, definition.folder, field.ready[engine]),
        folder=store.logs,
        timeout=settings.timeout,
        memory_limit=settings.memory_limit,
        on_event=lambda event: watch.event(cell, event),
    )
    if outcome.kind == "refused":
        raise CrosstrainError(outcome.error)
    record: dict[str, Any] = {
        "engine_version": versions_of([engine])[engine],
        **(finite(outcome.result) or {}),
        **outcome.surroundings,
        "id": cell.id, "network": cell.network, "engine": engine, "device": settings.device,
        "precision": settings.precision, "input_size": cell.size, "seed": cell.seed,
        "division": field.ready[engine], "options": dict(settings.options.get(engine, {})),
        "wall_seconds": outcome.seconds, "log": str(outcome.log), "workers": settings.workers,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }  # fmt: skip
    record["notes"] = [*remarks, *record.get("apart", ())]
    if record.get("peak_memory_bytes") is None:
        record["peak_memory_bytes"] = outcome.peak_memory_bytes
    result = CellResult(**record, status=outcome.status, error=outcome.error)
    write_json(folder / "result.json", result.model_dump())
    watch.finish(cell, result)
    return Trained(folder, result)


def _job(
    settings: Settings, subject: Subject, folder: Path, definition: Path, division: str
) -> Mapping[str, Any]:
    here, engine = folder.resolve(), settings.engines[0]
    return {
        "task": "train", "id": "train", "engine": engine, "device": settings.device,
        "precision": settings.precision, "threads": settings.threads,
        "options": dict(settings.options.get(engine, {})), "network_folder": str(definition.resolve()),
        "data_folder": str(subject.data.folder), "recipe": settings.recipe.to_json(), "division": division,
        "evaluate": True, "weights_out": str(here / "last.npz"), "best_out": str(here / "best.npz"),
        "checkpoint": str(here / "checkpoint.npz"), "resume": True, "workers": settings.workers,
        **({"mpi": True} if launched() else {}),
    }  # fmt: skip


def follow(engine: str, threads: int | None) -> None:
    """Be one of the workers that ``mpirun`` has started, but not the one that keeps the results: that of rank
    0, unless it has nothing to train. ``CrosstrainError`` where it fails."""
    rank, workers = launched() or (0, 1)
    threads = threads or max(1, usable_cores() // workers)
    job = {"task": "peer", "id": f"rank-{rank}", "engine": engine, "device": "cpu", "threads": threads,
           "mpi": True}  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="crosstrain-rank-") as folder:
        outcome = run_job(job, folder=Path(folder))
    if outcome.status != "done":
        raise CrosstrainError(f"rank {rank} of {workers} workers: {outcome.error}")


def _previous_result(folder: Path, epochs: int) -> CellResult | None:
    """The result of an earlier training with this number of epochs."""
    try:
        result = CellResult.model_validate_json((folder / "result.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None  # a damaged one is rewritten; the checkpoint has the trained state
    return result if result.status == "done" and result.complete(epochs) else None
