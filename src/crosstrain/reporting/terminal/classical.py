"""The classical estimators of a comparison, in a table of their own."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.grid import grid
from crosstrain.results.classical import ClassicalRow, classical_rows
from crosstrain.results.rows import size_text
from crosstrain.results.schema import ComparisonResult

COLUMNS = ("estimator", "size", "division", "fit, s [95 %]", "predict", "test acc", "memory")
LEGEND = "classic: another network, trained by its own rule; neither proved nor ranked with those above"


def row_text(row: ClassicalRow) -> list[str]:
    """An entry for each of ``COLUMNS``; the status in place of figures where there are none."""
    front = [row.estimator.partition(":")[2], size_text(row.input_size), row.cells[0].division]
    if not row.done:
        return [*front, row.cells[0].status, "", "", ""]
    predict = row.predict_seconds
    return [
        *front,
        text.interval(row.fit_seconds),
        text.seconds(predict.value if predict else None),
        text.share(row.test_accuracy),
        text.memory(row.peak_memory_bytes),
    ]


def classical_table(rows: Sequence[ClassicalRow]) -> Table:
    """A row for each estimator and input size."""
    table = grid(COLUMNS, right=(1, 3, 4, 5, 6), flexible=0)
    for row in rows:
        table.add_row(*row_text(row))
    return table


def classical_faults(result: ComparisonResult) -> list[str]:
    """A line for each row that did not end well, and for each warning."""
    lines = []
    for row in classical_rows(result.classical):
        size = "" if row.input_size is None else f" at {size_text(row.input_size)}"
        if row.fault:
            lines.append(f"{row.estimator}{size}: {row.fault.status}, {row.fault.error}")
        warned = dict.fromkeys(note for cell in row.done for note in cell.notes)
        lines += [f"{row.estimator}{size}: {note}" for note in warned]
    return lines
