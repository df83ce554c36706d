"""Runs cells: the job of each, its result, and its stored record."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from crosstrain.comparison.certify import status
from crosstrain.comparison.engines import Field
from crosstrain.comparison.entrants import Setup
from crosstrain.comparison.fitting import batch_that_fits, in_words
from crosstrain.comparison.plan import Cell, Group
from crosstrain.comparison.progress.account import Account
from crosstrain.comparison.progress.watch import Watch
from crosstrain.comparison.settings import Settings
from crosstrain.comparison.subjects import Subject
from crosstrain.environments.versions import versions_of
from crosstrain.results.rows import size_text
from crosstrain.results.schema import CellResult, CertificateResult, finite
from crosstrain.runs.process import Outcome, run_job
from crosstrain.runs.store import Store
from crosstrain.runs.tasks.predictions import predictions_file
from crosstrain.system.energy import Meter
from crosstrain.system.files import write_json
from crosstrain.system.gpus import index_of

OVERTIME = 0.25
"""By how much of the budget a cell that is running may exceed it before it is stopped."""

Key = tuple[str, str]
"""Network and input size (as text)."""


@dataclass
class Bench:
    """Everything that cells of one comparison need, and the results so far, by the cell's id."""

    settings: Settings
    store: Store
    watch: Watch
    account: Account
    field: Field
    subjects: Mapping[Key, Subject]
    certificates: Mapping[Key, list[CertificateResult]]
    results: dict[str, CellResult]
    fitting: dict[Group, int | None] = dataclasses.field(default_factory=dict)
    """By what would have run, the batch that fits (``batch_that_fits``), where memory was not enough."""

    def stored_result(self, cell: Cell, epochs: int) -> CellResult | None:
        """The stored result of a finished cell, with its current certificate."""
        record = self.store.cell(cell.id)
        if record is None or record.get("status") != "done":
            return None
        try:
            result = CellResult(**record)
        except ValidationError:
            self.watch.note(f"The record of {cell.id} is from another version; the cell runs again.")
            return None
        if not result.complete(epochs) and not result.diverged:
            return None
        return result.model_copy(update={"certificate": self._certificate(cell, result.apart)})

    def measure(self, cell: Cell, epochs: int) -> CellResult | None:
        """Run a cell, unless it is finished already, and store its result; a cell that the budget has no
        time for is only marked."""
        if stored := self.stored_result(cell, epochs):
            self.results[cell.id] = stored
            return stored
        remaining = self.remaining()
        if remaining is not None and remaining <= 0:
            fields = self._known_fields(cell)
            self.results[cell.id] = CellResult(
                **fields, status="left out", error="the budget was used up before it"
            )
            return None
        self.watch.start(cell)
        with Meter(self.settings.device) as meter:
            outcome = run_job(
                self.job(cell, epochs),
                folder=self.store.logs,
                timeout=self.timeout(remaining),
                memory_limit=self.settings.memory_limit,
                on_event=meter.wrap(lambda event: self.watch.event(cell, event)),
            )
        more = meter.to_json()
        if outcome.kind == "memory" and index_of(self.settings.device) is not None:
            fitting = self._fitting(cell, epochs)
            outcome = replace(outcome, error=f"{outcome.error}{in_words(fitting)}")
            more["fitting_batch_size"] = fitting
        result = self._recorded(cell, outcome, more)
        self.store.write_cell(cell.id, result.model_dump())
        self.results[cell.id] = result
        self.account.cell(result)
        write_json(self.store.folder / "wall.json", self.account.to_json())
        self.watch.finish(cell, result)
        return result

    def _fitting(self, cell: Cell, epochs: int) -> int | None:
        """The batch that a GPU's memory would have held; tried once for all cells of a row, and not beyond
        the budget."""
        if cell.group not in self.fitting:
            remaining = self.remaining()
            if remaining is not None and remaining <= 0:
                return None
            self.watch.stage(f"Finding a batch size of {cell.network} that fits into memory on {cell.engine}")
            self.fitting[cell.group] = batch_that_fits(
                self.job(cell, epochs), run_job, self.store.logs, self.timeout(remaining)
            )
        return self.fitting[cell.group]

    def remaining(self) -> float | None:
        """Seconds of the budget that are left, earlier runs counted; None without a budget."""
        budget = self.settings.budget
        return None if budget is None else budget - self.account.wall().total

    def timeout(self, remaining: float | None) -> float | None:
        """Seconds after which a job is stopped that begins with so much of the budget left."""
        budget = self.settings.budget
        limits = [self.settings.timeout]
        if budget is not None and remaining is not None:
            limits.append(remaining + OVERTIME * budget)
        return min((limit for limit in limits if limit is not None), default=None)

    def _subject(self, cell: Cell) -> Subject:
        return self.subjects[cell.network, size_text(cell.size)]

    def job(self, cell: Cell, epochs: int) -> dict[str, Any]:
        """The job of a cell's worker."""
        settings, subject = self.settings, self._subject(cell)
        recipe = replace(settings.recipe, seed=cell.seed, epochs=epochs)
        # Of a twin only its result is of interest.
        weights = None if cell.twin else str(self.store.weights_path(cell.id).resolve())
        answers = None if cell.twin else str(predictions_file(self.store.cells, cell.id).resolve())
        return {
            "task": "train", "id": cell.id, **self._setup(cell).job(), "device": settings.device,
            "precision": settings.precision,
            "network_folder": str(subject.definitions[cell.seed].folder.resolve()),
            "data_folder": str(subject.data.folder), "recipe": recipe.to_json(), "seed": cell.seed,
            "evaluate": True,
            "weights_out": weights, "best_out": None, "predictions_out": answers,
            "checkpoint": self._checkpoint(cell), "resume": True,
            **({"twin": cell.twin} if cell.twin else {}),
            **({"workers": settings.workers} if settings.workers > 1 else {}),
        }  # fmt: skip

    def _checkpoint(self, cell: Cell) -> str | None:
        """With a budget, a cell of one epoch is measured first and then taken up where it was."""
        if self.settings.budget is None:
            return None
        return str((self.store.cells / f"{cell.id}.checkpoint.npz").resolve())

    def forget_checkpoints(self) -> None:
        """Once all cells are finished, nothing will be taken up again."""
        for path in self.store.cells.glob("*.checkpoint.npz"):
            path.unlink(missing_ok=True)

    def _setup(self, cell: Cell) -> Setup:
        return self.field.setup(self.settings, cell.network, cell.size, cell.engine)

    def _known_fields(self, cell: Cell) -> dict[str, Any]:
        """The fields of a result that are known before the cell runs."""
        subject, setup = self._subject(cell), self._setup(cell)
        return {
            **setup.to_json(),
            "id": cell.id, "network": cell.network, "engine": cell.engine,
            "engine_version": versions_of([cell.engine])[cell.engine], "device": self.settings.device,
            "precision": self.settings.precision, "input_size": cell.size, "seed": cell.seed,
            "repeat": cell.repeat, "twin": cell.twin, "division": setup.division,
            "certificate": self._certificate(cell), "batch_size": self.settings.recipe.batch_size,
            "test_examples": subject.data.examples("test"), "graph_hash": subject.definition.graph.hash,
            "data_hash": subject.data.hash,
            "parameters": subject.definition.graph.parameters, "macs": subject.macs,
            "definition": self._definition(cell),
        }  # fmt: skip

    def _definition(self, cell: Cell) -> str:
        """The definition's folder, as seen from the comparison's: it may be moved as a whole."""
        folder = self._subject(cell).definitions[cell.seed].folder
        return folder.resolve().relative_to(self.store.folder.resolve()).as_posix()

    def _certificate(self, cell: Cell, apart: Sequence[str] = ()) -> Any:
        """What is certified is the work of one worker: of several, only where it is the same."""
        if apart:
            return "none"
        certificates = self.certificates.get((cell.network, size_text(cell.size)), [])
        return status([c for c in certificates if c.engine == cell.engine], self.settings.precision)

    def _recorded(self, cell: Cell, outcome: Outcome, energy: Mapping[str, Any]) -> CellResult:
        record: dict[str, Any] = {
            **(finite(outcome.result) or {}),
            **energy,
            **outcome.surroundings,
            **{
                k: v
                for k, v in self._known_fields(cell).items()
                if k != "engine_version" or not outcome.result
            },
            "wall_seconds": outcome.seconds,
            "workers": self.settings.workers,
            "log": str(outcome.log),
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        if apart := record.get("apart"):
            record["certificate"] = self._certificate(cell, apart)
        if record.get("peak_memory_bytes") is None:
            record["peak_memory_bytes"] = outcome.peak_memory_bytes
        try:
            return CellResult(**record, status=outcome.status, error=outcome.error)
        except ValidationError as error:
            fault = error.errors()[0]
            where = ".".join(map(str, fault["loc"]))
            sentence = f"the worker's result is not one: {where}: {fault['msg']}"
            return CellResult(**self._known_fields(cell), status="failed", error=sentence)
