"""One row, with all that a measure needs to ask more of it: its first cell's job, its folder, a way to run
jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from crosstrain.comparison.cells import Bench
from crosstrain.comparison.plan import Cell
from crosstrain.comparison.subjects import Subject
from crosstrain.criteria.record import FailedError, UnknownError
from crosstrain.engines.registry import EngineRow, engine_row
from crosstrain.environments.environments import Environment, find
from crosstrain.results.rows import Row, size_text
from crosstrain.results.schema import CellResult
from crosstrain.runs.definition import Definition
from crosstrain.runs.descriptions import describe
from crosstrain.runs.process import run_job


@dataclass(frozen=True)
class Case:
    """A row of which at least one cell ended well; ``cell`` is that one in the plan, ``name`` one for
    files, ``folder`` where its trials go. ``shared`` holds what is the same for several rows."""

    name: str
    row: Row
    cell: Cell
    bench: Bench
    folder: Path
    shared: dict[Any, Any]

    @property
    def first(self) -> CellResult:
        """The cell whose weights are served and exported."""
        return self.row.done[0]

    @cached_property
    def job(self) -> dict[str, Any]:
        """The job of the first cell's worker; its ``engine`` is the framework's, whatever the
        entrant is called."""
        return self.bench.job(self.cell, len(self.first.epochs))

    @property
    def framework(self) -> str:
        return str(self.job["engine"])

    @property
    def engine(self) -> EngineRow:
        return engine_row(self.framework)

    @property
    def where(self) -> Environment:
        environment = find(self.engine)
        if environment is None:
            raise UnknownError(f"{self.framework} is no longer installed")
        return environment

    @property
    def subject(self) -> Subject:
        return self.bench.subjects[self.cell.network, size_text(self.cell.size)]

    @property
    def definition(self) -> Definition:
        return self.subject.definitions[self.cell.seed]

    @property
    def weights(self) -> Path:
        """The first cell's trained weights; ``UnknownError`` where they were taken away."""
        path = self.bench.store.weights_path(self.first.id)
        if not path.exists():
            raise UnknownError(f"the trained weights of {self.first.id} no longer exist")
        return path

    @cached_property
    def description(self) -> Mapping[str, Any]:
        """What the engine says it can do on this machine."""
        description = describe(self.engine, self.where)
        if description["status"] != "ready":
            raise FailedError(f"{self.framework} cannot describe itself: {description['error']}")
        return description

    def run(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Run a job within the comparison's limits and give its result; ``FailedError`` where it does not
        end well."""
        settings = self.bench.settings
        outcome = run_job(
            job,
            folder=self.bench.store.logs,
            timeout=settings.timeout,
            memory_limit=settings.memory_limit,
        )
        if outcome.status != "done" or outcome.result is None:
            raise FailedError(f"{outcome.status}: {outcome.error}")
        return outcome.result
