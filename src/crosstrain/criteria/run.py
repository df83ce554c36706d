"""Measures what else decides, row by row; what fails costs its own field, what is there is not done again."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from crosstrain.comparison.cells import Bench
from crosstrain.comparison.plan import Cell
from crosstrain.criteria import facts, installation, peak, repeatability, serving
from crosstrain.criteria.case import Case
from crosstrain.criteria.record import FailedError, Record, UnknownError
from crosstrain.engines.registry import engine_of, engine_row
from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.results.rows import Row, rows, size_text
from crosstrain.results.schema import CellResult

FOLDER = "criteria"
NO_CELL = "no cell of this row ended well"


@dataclass(frozen=True)
class Measure:
    """``find`` gives the values of ``fields`` for a row, or raises ``UnknownError``. ``title`` is
    the stage that is shown meanwhile; a measure without one is quick and repeated each time."""

    name: str
    fields: tuple[str, ...]
    find: Callable[[Case, Record], dict[str, Any]]
    title: str = ""


def _repeatable(case: Case, record: Record) -> dict[str, Any]:
    result = repeatability.repeatable(case)
    remark = repeatability.what_it_covers(result["repeat_epochs"], len(case.first.epochs))
    return {**result, "repeat_remark": remark}


def _deterministic(case: Case, record: Record) -> dict[str, Any]:
    known = record.measured.get("repeatability", {}).get("repeatable")
    return repeatability.deterministic(case, known)


def _plain(measure: Callable[[Case], dict[str, Any]]) -> Callable[[Case, Record], dict[str, Any]]:
    return lambda case, record: measure(case)


REPEATABILITY = Measure("repeatability", ("repeatable",), _repeatable, "the same seed once more")

MEASURES = (
    Measure("memory", ("peak_memory_bytes",), _plain(facts.memory)),
    Measure("lines", ("lines_of_source",), _plain(facts.lines)),
    Measure("devices", ("devices",), _plain(facts.devices)),
    Measure("energy", ("energy_joules_per_epoch",), _plain(facts.energy)),
    Measure("installation", ("install_bytes", "install_seconds"), _plain(installation.installation)),
    Measure("peak", ("peak_share",), _plain(peak.share), "its share of the matrix-product peak"),
    REPEATABILITY,
    Measure("determinism", ("deterministic",), _deterministic, "with the switch for repeatability"),
    Measure(
        "latency",
        ("latency_p50", "latency_p95", "latency_p99", "throughput"),
        _plain(serving.latency),
        "latency and throughput",
    ),
    Measure("export", ("export_bytes",), _plain(serving.export), "its size as ONNX"),
    Measure("native export", ("native_bytes",), _plain(serving.native_export), "its size in its own format"),
)
FIELDS = (*(name for measure in MEASURES for name in measure.fields), "reliability", "portability")
"""What every record of the result has, None where it is unknown."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a row; without a ``case`` no cell of it ended well."""

    case: Case | None
    record: Record
    measures: tuple[Measure, ...]


class Criteria:
    """The criteria of a comparison's rows, in ``criteria/<row>.json`` of its folder."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.folder = bench.store.folder / FOLDER
        self._shared: dict[Any, Any] = {}
        self._records: list[tuple[Record, Row]] = []
        self._seconds: dict[str, list[float]] = {}

    def read(self, results: Sequence[CellResult], planned: Sequence[Cell]) -> None:
        """Take over what earlier runs have found of the rows of these results, as far as it still holds."""
        names = {cell.id: _name(cell) for cell in planned}
        measured = [row for row in rows(results) if row.cells[0].id in names]
        self._records = [
            (Record.of(self.folder / f"{names[row.cells[0].id]}.json", row), row) for row in measured
        ]

    def measure(self, results: Sequence[CellResult], planned: Sequence[Cell]) -> None:
        """Find what is missing of all that is asked of each row. On Ctrl-C, what was found so far is kept."""
        self.read(results, planned)
        asked = [
            Asked(self._case(row, planned), record, measures)
            for record, row in self._records
            if (measures := self._measures(row))
        ]
        for each in asked:
            case, record = each.case, each.record
            for measure in each.measures:
                if case is None:
                    record.lack(measure.name, measure.fields, NO_CELL, failed=False)
                elif not (measure.title and record.known(measure.name, measure.fields)):
                    self._measure(case, record, measure, _left_to_do(asked))
            if case is not None and "repeatable" not in record.why_not:
                repeatability.tidy(case)

    def sentences(self) -> list[str]:
        """What became of each row's promise to repeat itself (its option ``deterministic``)."""
        return [
            sentence
            for record, row in self._records
            if _promised(row) and (sentence := repeatability.kept(record.to_json(FIELDS)))
        ]

    def to_json(self) -> list[dict[str, Any]]:
        """A record for each row of which anything was measured."""
        return [
            {
                **record.to_json(FIELDS),
                "reliability": facts.reliability(row),
                "portability": facts.portability(engine_row(engine_of(row.engine))),
            }
            for record, row in self._records
            if record.measured or record.why_not
        ]

    def _measures(self, row: Row) -> tuple[Measure, ...]:
        """With ``--criteria`` all; without, whether a row repeats that says so."""
        if self.bench.settings.criteria:
            return MEASURES
        return (REPEATABILITY,) if _promised(row) else ()

    def _case(self, row: Row, planned: Sequence[Cell]) -> Case | None:
        if not row.done:
            return None
        cell = next(cell for cell in planned if cell.id == row.done[0].id)
        return Case(_name(cell), row, cell, self.bench, self.folder / _name(cell), self._shared)

    def _measure(self, case: Case, record: Record, measure: Measure, missing: Sequence[Measure]) -> None:
        """Measure, and keep what comes of it; a failure is the reason why there is nothing."""
        if measure.title:
            size = "" if case.row.input_size is None else f" at {size_text(case.row.input_size)}"
            what = f"{case.row.network}{size} on {case.row.engine}: {measure.title}"
            self.bench.watch.stage(f"What else decides: {what}{self._time_left(missing)}")
        started = time.monotonic()
        try:
            record.keep(measure.name, measure.fields, measure.find(case, record))
        except StorageError:
            raise  # there is nowhere to keep anything
        except (UnknownError, CrosstrainError) as reason:
            record.lack(measure.name, measure.fields, str(reason), failed=isinstance(reason, FailedError))
        except Exception as error:  # whatever it is, it must not cost the cells that are finished
            message = f"{type(error).__name__}: {error}"
            self.bench.watch.note(f"{case.row.network} on {case.row.engine}, {measure.name}: {message}")
            record.lack(measure.name, measure.fields, message, failed=True)
        self._seconds.setdefault(measure.name, []).append(time.monotonic() - started)

    def _time_left(self, missing: Sequence[Measure]) -> str:
        """From what measures of the same kind took so far, in words; "" before anything is known."""
        # The last: the peak is measured with the first row alone.
        last_seconds = {name: seconds[-1] for name, seconds in self._seconds.items()}
        durations = [last_seconds[measure.name] for measure in missing if measure.name in last_seconds]
        usual = sum(durations) / len(durations) if durations else None
        if usual is None:
            return ""
        remaining = sum(last_seconds.get(measure.name, usual) for measure in missing)
        return f", about {remaining:.0f} s left"


def _left_to_do(asked: Sequence[Asked]) -> list[Measure]:
    """What takes its time and is not known yet."""
    return [
        measure
        for each in asked
        for measure in each.measures
        if each.case is not None and measure.title and not each.record.known(measure.name, measure.fields)
    ]


def _promised(row: Row) -> bool:
    """Whether a row was trained with the option that is to make it repeat."""
    return any(cell.options.get(repeatability.SWITCH) for cell in row.cells)


def _name(cell: Cell) -> str:
    """The row of a cell, for files."""
    return re.sub(r"-s\d+-r\d+$", "", cell.id)
