"""The results of a comparison at inference: cells as they were measured, rows that sum them up, a choice."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from statistics import median as middle
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from crosstrain.results.rows import size_text
from crosstrain.results.schema import CellStatus, Recommendation, Size
from crosstrain.statistics import ratios as statistics
from crosstrain.statistics.ratios import Interval

AGREEMENT = 1e-4
"""Outputs agree up to this norm-wise relative error; their largest entries must be the same."""


class InferenceCell(BaseModel):
    """One measurement: network × input size × engine × repeat, in a process of its own.

    Times are seconds, sizes bytes. ``latencies`` are of single examples; ``throughput`` has, by batch size,
    the examples a second of each prediction. ``output_error`` (norm-wise, relative), ``largest_difference``
    and ``classes_differ`` (examples) are against the network's own meaning in float64, over the whole test
    set. ``memory_before_bytes`` is the process's peak before the network was loaded.
    """

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    id: str
    network: str
    engine: str
    engine_version: str | None = None
    input_size: Size = None
    repeat: int = 0
    device: str = "cpu"
    threads: int | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    trained: bool = False
    status: CellStatus
    error: str | None = None
    latencies: list[float] = Field(default_factory=list)
    throughput: dict[str, list[float]] = Field(default_factory=dict)
    import_seconds: float | None = None
    load_seconds: float | None = None
    first_seconds: float | None = None
    test_accuracy: float | None = None
    test_examples: int = 0
    output_error: float | None = None
    largest_difference: float | None = None
    classes_differ: int | None = None
    file_bytes: int | None = None
    peak_memory_bytes: int | None = None
    memory_before_bytes: int | None = None

    @property
    def agrees(self) -> bool:
        """Whether it says what the network means."""
        small = self.output_error is not None and self.output_error <= AGREEMENT
        return small and not self.classes_differ


class InferenceRow:
    """All repeats of one network, input size and engine."""

    def __init__(self, cells: list[InferenceCell]) -> None:
        self.cells = cells
        self.first = cells[0]

    @cached_property
    def done(self) -> list[InferenceCell]:
        return [cell for cell in self.cells if cell.status == "done"]

    @property
    def runs(self) -> list[list[float]]:
        """Latencies, a list for each process."""
        return [cell.latencies for cell in self.done]

    @cached_property
    def latency(self) -> Interval | None:
        """The median latency with its interval."""
        return statistics.median(self.runs)

    def percentile(self, share: float) -> float | None:
        """The median over processes of a percentile of their latencies."""
        values = [float(np.quantile(run, share)) for run in self.runs]
        return middle(values) if values else None

    def throughput(self, size: int) -> Interval | None:
        """Examples a second in batches of ``size``."""
        return statistics.median([cell.throughput[str(size)] for cell in self.done])

    def typical(self, name: str) -> Any:
        """The median of a number of the cells; None where none has it."""
        values = [getattr(cell, name) for cell in self.done if getattr(cell, name) is not None]
        return middle(values) if values else None

    @property
    def agrees(self) -> bool | None:
        return all(cell.agrees for cell in self.done) if self.done else None

    @property
    def fault(self) -> InferenceCell | None:
        """The first cell that did not end well."""
        return next((cell for cell in self.cells if cell.status != "done"), None)

    def to_json(self) -> dict[str, Any]:
        """Seconds, bytes and examples a second."""
        return {
            "network": self.first.network, "input_size": self.first.input_size, "engine": self.first.engine,
            "status": self.fault.status if self.fault else "done", "agrees": self.agrees,
            "latency": self.latency and self.latency.to_json(),
            "p50": self.percentile(0.5), "p95": self.percentile(0.95), "p99": self.percentile(0.99),
            "throughput": {
                size: interval.to_json()
                for size in (self.done[0].throughput if self.done else ())
                if (interval := self.throughput(int(size)))
            },
            **{
                name: self.typical(name)
                for name in (
                    "import_seconds", "load_seconds", "first_seconds", "file_bytes", "peak_memory_bytes",
                    "test_accuracy", "output_error", "largest_difference", "classes_differ",
                )
            },
        }  # fmt: skip


class InferenceResult(BaseModel):
    """The whole of a comparison at inference."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    format: int = 1
    task: str = "inference"
    crosstrain: str
    folder: str
    unit: str = "images"
    cells: list[InferenceCell]
    summary: list[dict[str, Any]] = Field(default_factory=list)
    recommendation: Recommendation
    machine: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)

    def rows(self) -> list[InferenceRow]:
        return list(rows(self.cells))

    @property
    def ok(self) -> bool:
        """Whether every cell ended well and agrees."""
        return all(cell.status == "done" and cell.agrees for cell in self.cells)


def rows(cells: list[InferenceCell]) -> Iterator[InferenceRow]:
    """Cells of one network, size and engine together, in the order in which they first occur."""
    groups: dict[tuple[str, str, str], list[InferenceCell]] = {}
    for cell in cells:
        groups.setdefault((cell.network, size_text(cell.input_size), cell.engine), []).append(cell)
    return map(InferenceRow, groups.values())


def recommend(cells: list[InferenceCell]) -> Recommendation:
    """For each network the fastest engine to answer among those that agree, and its ties."""
    sentences = []
    best: InferenceRow | None = None
    candidates = [row for row in rows(cells) if row.agrees and row.latency]
    for network in dict.fromkeys((row.first.network, size_text(row.first.input_size)) for row in candidates):
        of_it = [r for r in candidates if (r.first.network, size_text(r.first.input_size)) == network]
        chosen = min(of_it, key=lambda row: row.latency.value)  # type: ignore[union-attr]
        best = best or chosen
        sentences.append(_sentence(chosen, [row for row in of_it if row is not chosen]))
    if best is None:
        return Recommendation(
            reason="No engine gave answers that agree with the network; none is recommended."
        )
    return Recommendation(
        engine=best.first.engine, network=best.first.network, input_size=best.first.input_size,
        reason=" ".join(sentences),
    )  # fmt: skip


def _sentence(chosen: InferenceRow, others: list[InferenceRow]) -> str:
    assert chosen.latency is not None
    size = "" if chosen.first.input_size is None else f" at {size_text(chosen.first.input_size)}"
    sentence = (
        f"For single requests to {chosen.first.network}{size}, use {chosen.first.engine}: half of them "
        f"take less than {_milliseconds(chosen.latency.value)}"
    )
    ties = [row.first.engine for row in others if statistics.tied(row.runs, chosen.runs)]
    behind = [row for row in others if row.first.engine not in ties]
    if ties:
        sentence += f"; {', '.join(ties)} cannot be distinguished from it"
    if behind:
        second = min(behind, key=lambda row: row.latency.value)  # type: ignore[union-attr]
        if ratio := statistics.ratio(second.runs, chosen.runs):
            limits = f"[{ratio.low:.2f}–{ratio.high:.2f}]"
            sentence += f"; {second.first.engine} takes {ratio.value:.2f} {limits} times as long"
    largest = max((int(size) for cell in chosen.done for size in cell.throughput), default=0)
    rates = {r.first.engine: r.throughput(largest) for r in (chosen, *others)} if largest else {}
    fastest = max((name for name, rate in rates.items() if rate), key=lambda n: rates[n].value, default=None)  # type: ignore[union-attr]
    if fastest:
        rate = rates[fastest].value  # type: ignore[union-attr]
        sentence += f". In batches of {largest}, {fastest} has the highest throughput: {rate:.0f} examples/s"
    return sentence + "."


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"
