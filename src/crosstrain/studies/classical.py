"""Runs the classical estimators of a comparison: each on the data of the networks, in processes of their
own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from crosstrain.comparison.cells import Bench
from crosstrain.comparison.plan import Round, labels
from crosstrain.comparison.subjects import Subject
from crosstrain.errors import CrosstrainError
from crosstrain.results.rows import size_text
from crosstrain.results.schema import ClassicalResult, finite
from crosstrain.runs.process import run_job


class Classical:
    """The fits of a comparison's classical estimators; ``results`` are those so far."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.results: list[ClassicalResult] = []

    def measure(self, subjects: Sequence[Subject], passes: Sequence[Round]) -> None:
        """Fit each estimator on the data of each input size, or take what is stored. ``CrosstrainError``
        where the data has not one class for each example, and where an estimator refuses a parameter."""
        names = labels(self.bench.settings.classical)
        by_size = {size_text(subject.size): subject for subject in subjects}
        for text, label in names.items():
            for size, subject in by_size.items():
                _check(text, subject.data.manifest)
                for each in passes:
                    where = "" if subject.size is None else f"-{size.replace('×', 'x')}"
                    name = f"{label}{where}-s{each.seed}-r{each.repeat}"
                    self.results.append(self._result(name, text, subject, each))

    def _result(self, name: str, text: str, subject: Subject, each: Round) -> ClassicalResult:
        if stored := self._stored(name):
            return stored
        bench, size = self.bench, "" if subject.size is None else f" at {size_text(subject.size)}"
        known: dict[str, Any] = {
            "id": name,
            "estimator": text,
            "input_size": subject.size,
            "seed": each.seed,
            "repeat": each.repeat,
            "threads": bench.settings.threads,
            "data_hash": subject.data.hash,
        }
        remaining = bench.remaining()
        if remaining is not None and remaining <= 0:
            return ClassicalResult(**known, status="left out", error="the budget was used up before it")
        bench.watch.stage(f"Fitting {text}{size}")
        with bench.account.part("training"):
            outcome = run_job(
                {
                    "task": "crosstrain.classic.cell:run",
                    "id": name,
                    "estimator": text,
                    "seed": each.seed,
                    "data_folder": str(subject.data.folder),
                    "threads": bench.settings.threads,
                    "device": "cpu",
                },
                folder=bench.store.logs,
                timeout=bench.timeout(remaining),
                memory_limit=bench.settings.memory_limit,
            )
        if outcome.kind == "refused":
            raise CrosstrainError(outcome.error)
        record: dict[str, Any] = {
            **(finite(outcome.result) or {}),
            **outcome.surroundings,
            **known,
            "status": outcome.status,
            "error": outcome.error,
            "peak_memory_bytes": outcome.peak_memory_bytes,
            "wall_seconds": outcome.seconds,
            "log": str(outcome.log),
        }
        result = ClassicalResult(**record)
        bench.store.write_cell(name, result.model_dump())
        return result

    def _stored(self, name: str) -> ClassicalResult | None:
        record = self.bench.store.cell(name)
        if record is None or record.get("status") != "done":
            return None
        try:
            return ClassicalResult(**record)
        except ValidationError:
            self.bench.watch.note(f"The record of {name} is from another version; it is fitted again.")
            return None


def _check(text: str, manifest: Mapping[str, Any]) -> None:
    classes = [spec.get("classes") for spec in manifest["targets"].values()]
    if len(classes) != 1 or not classes[0]:
        raise CrosstrainError(
            f"{text} learns one class for each example, which the data {manifest['spec']} has "
            "not; leave it out"
        )
