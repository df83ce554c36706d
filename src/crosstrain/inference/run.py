"""Drives a comparison at inference: model files, the reference, cells. What fails costs its own cell."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from crosstrain.comparison import folder as folders
from crosstrain.comparison.devices import settled
from crosstrain.comparison.plan import Cell, Round, cells, labels
from crosstrain.comparison.progress.watch import Silent, Watch
from crosstrain.comparison.settings import settings as training_settings
from crosstrain.comparison.subjects import Refused, Subject, Workshop
from crosstrain.data.prepared import Prepared, unit_of
from crosstrain.engines.registry import engines as engine_rows
from crosstrain.environments.environments import find
from crosstrain.environments.versions import machine, versions_of
from crosstrain.errors import CrosstrainError
from crosstrain.inference.settings import InferenceSettings, run_of
from crosstrain.results.inference import InferenceCell, InferenceResult, recommend, rows
from crosstrain.results.rows import size_text
from crosstrain.results.schema import finite
from crosstrain.runs.definition import Definition
from crosstrain.runs.process import Outcome, run_job
from crosstrain.runs.store import Store
from crosstrain.runs.trained import evaluation_data
from crosstrain.system.files import write_json
from crosstrain.system.machine import own_version
from crosstrain.training import spelling

KIND = "inference"


@dataclass(frozen=True)
class Served:
    """A network to be served: its definition, its trained weights (None: the initial ones), its data."""

    name: str
    label: str
    definition: Definition
    weights: Path | None
    data: Prepared

    @property
    def size(self) -> Any:
        shapes = [spec["shape"] for spec in self.data.manifest["inputs"].values()]
        if len(shapes) != 1 or len(shapes[0]) != 3:
            return None
        height, width = shapes[0][:2]
        return height if height == width else [height, width]

    def job(self) -> dict[str, Any]:
        """The fields that every job about it shares."""
        return {
            "network_folder": str(self.definition.folder.resolve()),
            "weights": str(self.weights.resolve()) if self.weights else None,
            "data_folder": str(self.data.folder),
        }


def run(settings: InferenceSettings, out: Path | None = None, watch: Watch | None = None) -> InferenceResult:
    """Run a comparison at inference, or what is missing of it, in the folder ``out``. Raises
    ``CrosstrainError`` for wrong use and ``StorageError`` where the disk does not take the results."""
    settings = settled(settings, (watch or Silent()).note)
    with folders.opened(out or settings.default_folder) as store:
        return _Inference(settings, store, watch or Silent()).run()


class _Inference:
    """One run over a comparison's folder."""

    def __init__(self, settings: InferenceSettings, store: Store, watch: Watch) -> None:
        self.settings, self.store, self.watch = settings, store, watch
        self.served: dict[str, Served] = {}
        self.results: list[InferenceCell] = []
        self.models: dict[tuple[str, str], Path | str] = {}
        """By label and format: the file, or why there is none."""

    def run(self) -> InferenceResult:
        folders.agree(self.store, KIND, self.settings.identity())
        for label, subject in zip(self._labels(), self.settings.subjects, strict=True):
            served = self._served(subject, label)
            self.served[served.name] = served
        plan = {"format": folders.FORMAT, "kind": KIND, "crosstrain": own_version()}
        self.store.write_plan({**plan, "identity": self.settings.identity()})
        for served in self.served.values():
            self._reference(served)
            for form in {engine_rows()[name].reads for name in self._ready()} - {""}:
                self.models[served.label, form] = self._model(served, form)
        planned = self._cells()
        self._measure(planned)
        units = {unit_of(served.data.manifest) for served in self.served.values()}
        result = InferenceResult(
            crosstrain=own_version(), folder=str(self.store.folder),
            unit=units.pop() if len(units) == 1 else "examples", cells=self.results + self._absent(),
            recommendation=recommend(self.results), machine=machine(), settings=self.settings.identity(),
            notes=self.store.warnings,
        )  # fmt: skip
        result.summary = [row.to_json() for row in rows(result.cells)]
        write_json(self.store.folder / "result.json", result.model_dump())
        return result

    # -- what is served -------------------------------------------------------------------------
    def _labels(self) -> list[str]:
        return list(labels([subject.replace(":", "-") for subject in self.settings.subjects]).values())

    def _served(self, subject: str, label: str) -> Served:
        run = run_of(subject)
        if run is None:
            return self._untrained(subject, label)
        definition = Definition.load(run.definition)
        if not run.weights.exists():
            raise CrosstrainError(f"{subject} has no trained weights yet ({run.weights.name} is missing)")
        spec = self.settings.data or run.data
        if not spec:
            raise CrosstrainError(f"{subject} does not record its training data; name the data with --data")
        self.watch.stage(f"Preparing {spec}")
        prepared = evaluation_data(definition, spec, run)
        name = str(definition.data["name"])
        if name in self.served:
            name = subject
        return Served(name, label, definition, run.weights, prepared)

    def _untrained(self, subject: str, label: str) -> Served:
        assert self.settings.data is not None
        request = training_settings(
            [subject],
            self.settings.data,
            sizes=spelling.size_spelled(self.settings.size),
            trust=self.settings.trust,
        )
        prepared = next(iter(Workshop(request, self.store.folder, self.watch.stage).subjects()))
        if isinstance(prepared, Refused):
            raise CrosstrainError(prepared.reason)
        assert isinstance(prepared, Subject)
        return Served(subject, label, prepared.definitions[0], None, prepared.data)

    def _reference(self, served: Served) -> None:
        out = self._reference_path(served)
        if out.exists():
            return
        out.parent.mkdir(exist_ok=True)
        self.watch.stage(f"Evaluating {served.name} in NumPy, float64, over the test set")
        outcome = self._job("reference", f"reference-{served.label}", served, out=str(out.resolve()))
        if outcome.status != "done":
            raise CrosstrainError(
                f"{served.name} cannot be run in NumPy: {outcome.error} (log: {outcome.log})"
            )

    def _reference_path(self, served: Served) -> Path:
        return self.store.folder / "reference" / f"{served.label}.npz"

    def _model(self, served: Served, form: str) -> Path | str:
        """The network as a file, written once; or why it cannot be."""
        path = self.store.folder / "models" / f"{served.label}.{form}"
        if path.exists():
            return path
        path.parent.mkdir(exist_ok=True)
        self.watch.stage(f"Writing {served.name} as {form}")
        task = "crosstrain.exchange.model_file:run"
        outcome = self._job(task, f"{form}-{served.label}", served, form=form, out=str(path.resolve()))
        return path if outcome.status == "done" else str(outcome.error)

    def _job(self, task: str, id: str, served: Served, **more: Any) -> Outcome:
        job = {
            "task": task,
            "id": id,
            "device": "cpu",
            "threads": self.settings.threads,
            **served.job(),
            **more,
        }
        return run_job(job, folder=self.store.logs, timeout=self.settings.timeout)

    # -- cells ----------------------------------------------------------------------------------
    def _ready(self) -> list[str]:
        rows = engine_rows()
        return [name for name in self.settings.engines if find(rows[name])]

    def _cells(self) -> list[Cell]:
        sizes = {name: [served.size] for name, served in self.served.items()}
        passes = [Round(0, repeat) for repeat in range(self.settings.repeats)]
        return cells(sizes, self._ready(), passes)

    def _measure(self, planned: list[Cell]) -> None:
        started, ran = time.monotonic(), 0
        for index, cell in enumerate(planned, start=1):
            if stored := self._stored_result(cell):
                self.results.append(stored)
                continue
            time_left = ""
            if ran:
                each = (time.monotonic() - started) / ran
                time_left = f", about {each * (len(planned) - index + 1):.0f} s left"
            self.watch.stage(f"[{index}/{len(planned)}] {cell}{time_left}")
            result = self._measured(cell)
            ran += 1
            self.store.write_cell(cell.id, result.model_dump())
            self.results.append(result)
            if result.status != "done":
                self.watch.note(f"{cell}: {result.status}, {result.error}")

    def _stored_result(self, cell: Cell) -> InferenceCell | None:
        record = self.store.cell(cell.id)
        if record is None or record.get("status") != "done":
            return None
        try:
            return InferenceCell(**record)
        except ValidationError:
            self.watch.note(f"The record of {cell.id} is from another version; the cell runs again.")
            return None

    def _measured(self, cell: Cell) -> InferenceCell:
        served, row = self.served[cell.network], engine_rows()[cell.engine]
        fields = self._known_fields(cell.id, served, cell.engine, cell.repeat)
        model = self.models.get((served.label, row.reads))
        if isinstance(model, str):
            error = f"there is no {row.reads} file of it: {model}"
            return InferenceCell(**fields, status="cannot", error=error)
        outcome = run_job(
            {
                "task": "infer", "id": cell.id, "engine": cell.engine, "device": self.settings.device,
                "threads": self.settings.threads, "options": fields["options"], "division": "open",
                **served.job(), "model": str(model.resolve()) if model else None,
                "batch_sizes": list(self.settings.batch_sizes),
                "reference": str(self._reference_path(served).resolve()),
            },
            folder=self.store.logs, timeout=self.settings.timeout, memory_limit=self.settings.memory_limit,
        )  # fmt: skip
        if outcome.result is None:
            return InferenceCell(**fields, status=outcome.status, error=outcome.error)
        file = model or served.weights or served.definition.network.with_suffix(".npz")
        fields |= finite(outcome.result)
        fields |= {"peak_memory_bytes": outcome.peak_memory_bytes, "file_bytes": file.stat().st_size}
        return InferenceCell(**fields, status="done")

    def _known_fields(self, id: str, served: Served, engine: str, repeat: int) -> dict[str, Any]:
        return {
            "id": id, "network": served.name, "engine": engine, "repeat": repeat, "input_size": served.size,
            "engine_version": versions_of([engine])[engine], "device": self.settings.device,
            "threads": self.settings.threads, "trained": served.weights is not None,
            "options": dict(self.settings.options.get(engine, {})),
        }  # fmt: skip

    def _absent(self) -> list[InferenceCell]:
        """Rows for the engines that are not installed."""
        cells = []
        for name in set(self.settings.engines) - set(self._ready()):
            reason = f"{name} is not installed; install it with: {engine_rows()[name].how_to_install}"
            for served in self.served.values():
                size = "" if served.size is None else f"-{size_text(served.size)}"
                fields = self._known_fields(f"{served.label}{size}-{name}", served, name, 0)
                cells.append(InferenceCell(**fields, status="missing", error=reason))
        return cells


__all__ = ["run"]
