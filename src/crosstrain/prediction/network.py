"""A trained network that can be asked: its definition, its weights, and how its data was prepared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.data.prepared import TARGET, Arrays, feed, pair
from crosstrain.data.trained_preparation import TrainedPreparation
from crosstrain.engines.registry import engines as engine_rows
from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.graph.graph import SEED
from crosstrain.prediction.settings import Asking, Tell
from crosstrain.runs.defined import Definition
from crosstrain.runs.process import Outcome, run_job
from crosstrain.runs.tasks.evaluation import readings
from crosstrain.runs.trained import Run, preparation_of
from crosstrain.system.files import read_arrays
from crosstrain.training.metrics import Reading

MODEL = "crosstrain.exchange.model_file:run"


@dataclass(frozen=True)
class Answered:
    """``outputs`` by name, the first axis counting examples, and the engine's version."""

    outputs: Arrays
    version: str | None


@dataclass(frozen=True)
class TrainedNetwork:
    """A run with its definition and its preparation."""

    run: Run
    definition: Definition
    preparation: TrainedPreparation

    @classmethod
    def of(cls, run: Run, tell: Tell) -> TrainedNetwork:
        """Read all that belongs to ``run``; its training's data is read again only where a training by an
        earlier version of crosstrain did not keep how it was prepared."""
        definition = Definition.load(run.definition)
        tell(f"Reading {definition.data['name']}")
        return cls(run, definition, preparation_of(definition, run))

    @property
    def name(self) -> str:
        return str(self.definition.data["name"])

    @property
    def inputs(self) -> list[str]:
        """The names of the network's inputs."""
        return [name for name in self.definition.graph.inputs if name != SEED]

    @cached_property
    def target_specs(self) -> dict[str, Any]:
        """The targets' specs under the names of the outputs that have one."""
        outputs = [
            name.removeprefix(TARGET) for name in self.definition.loss.inputs if name.startswith(TARGET)
        ]
        manifest = self.preparation.manifest
        return feed(self.inputs, outputs, manifest["inputs"], self.preparation.targets)[1]

    @cached_property
    def readings(self) -> dict[str, Reading]:
        """How each output that has a target is to be read."""
        return readings(self.definition.folder, self.definition.graph, self.target_specs)

    def classes(self, output: str) -> list[str] | None:
        """The names of an output's classes; numbers where the data has none; None for other outputs."""
        reading = self.readings.get(output)
        if reading is None or reading.classes is None:
            return None
        names = self.preparation.classes if len(self.preparation.targets) == 1 else []
        count = max(reading.classes, 2)
        return [*names, *map(str, range(len(names), count))]

    def answer(
        self,
        inputs: Arrays,
        asking: Asking,
        folder: Path,
        *,
        layer: str = "",
        wanted: list[str] | None = None,
    ) -> Answered:
        """What the network says of prepared ``inputs`` (by the data's names). ``folder`` takes what lies
        between; ``layer`` is one whose output is given besides, ``wanted`` are the outputs that are kept.

        ``CrosstrainError`` where the engine cannot do it.
        """
        paths = {}
        for number, (name, source) in enumerate(pair(self.inputs, inputs, "input").items()):
            paths[name] = folder / f"ask-{number}.npy"
            np.save(paths[name], np.asarray(inputs[source]), allow_pickle=False)
        out = folder / "answers.npz"
        job = {
            **self.job_of(asking, folder, layer), "task": "answer", "id": "answer",
            "inputs": {name: str(path.resolve()) for name, path in paths.items()},
            "outputs": wanted, "out": str(out.resolve()),
        }  # fmt: skip
        outcome = run_job(job, folder=folder / "logs", timeout=asking.timeout)
        result = checked(outcome, f"{self.name} cannot be run on {asking.engine}")
        return Answered(read_arrays(out), result["engine_version"])

    def continued(
        self, start: np.ndarray, asking: Asking, folder: Path, settings: Mapping[str, Any]
    ) -> tuple[np.ndarray, str | None]:
        """``start`` continued by what the network says of it, again and again, and the engine's version;
        ``settings`` are those of the task (``runs/tasks/continuing.py``)."""
        paths = folder / "start.npy", folder / "continued.npz"
        np.save(paths[0], start, allow_pickle=False)
        job = {
            **self._job(""), **settings, "task": "continue", "id": "continue", "engine": asking.engine,
            "device": asking.device, "threads": asking.threads, "options": dict(asking.options),
            "division": "open", "start": str(paths[0].resolve()), "out": str(paths[1].resolve()),
        }  # fmt: skip
        outcome = run_job(job, folder=folder / "logs", timeout=asking.timeout)
        result = checked(outcome, f"{self.name} cannot be continued on {asking.engine}")
        return read_arrays(paths[1])["continued"], result["engine_version"]

    def job_of(self, asking: Asking, folder: Path, layer: str = "") -> dict[str, Any]:
        """What a job needs to run the network on an engine; ``folder`` takes the file of one that reads
        such."""
        job: dict[str, Any] = {
            **self._job(layer), "engine": asking.engine, "device": asking.device, "threads": asking.threads,
            "options": dict(asking.options), "division": "open",
        }  # fmt: skip
        row = engine_rows()[asking.engine]
        if row.reads:
            job["model"] = str(self._model(row.reads, layer, folder, asking.timeout))
        return job

    def _job(self, layer: str) -> dict[str, Any]:
        return {
            "network_folder": str(self.definition.folder.resolve()),
            "weights": str(self.run.weights.resolve()), "layer": layer,
        }  # fmt: skip

    def _model(self, form: str, layer: str, folder: Path, timeout: float | None) -> Path:
        """The network as a file for an engine that reads such."""
        path = (folder / f"network.{form}").resolve()
        job = {**self._job(layer), "task": MODEL, "id": form, "device": "cpu", "form": form, "out": str(path)}
        outcome = run_job(job, folder=folder / "logs", timeout=timeout)
        checked(outcome, f"{self.name} cannot be written as {form}")
        return path


def checked(outcome: Outcome, problem: str) -> Mapping[str, Any]:
    """The result of a job; ``CrosstrainError`` where it has none."""
    if outcome.status == "done" and outcome.result is not None:
        return outcome.result
    if outcome.kind == "storage":
        raise StorageError(outcome.error)
    raise CrosstrainError(f"{problem}: {outcome.error}")
