"""A comparison in a notebook: one HTML table, every text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from crosstrain.data.prepared import unit_of
from crosstrain.reporting.answer.text import Answer, answer
from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.classical import COLUMNS, LEGEND, classical_faults, row_text
from crosstrain.reporting.terminal.tables import faults, legend
from crosstrain.results.classical import classical_rows
from crosstrain.results.rows import Row, rows, size_text
from crosstrain.results.schema import ComparisonResult

_COLUMNS = (
    "network", "size", "engine", "certificate", "s/epoch [95 %]", "images/s", "test accuracy", "memory",
    "compile",
)  # fmt: skip


def html(result: ComparisonResult) -> str:
    """The table, what went wrong, and the recommendation."""
    title = next((row.title for row in rows(result.cells) if row.score is not None), "accuracy")
    unit = unit_of(result.data)
    columns = tuple(name.replace("accuracy", title).replace("images", unit) for name in _COLUMNS)
    tables = _table(columns, [_cells(row) for row in rows(result.cells)])
    if classical := classical_rows(result.classical):
        tables += _table(COLUMNS, [row_text(row) for row in classical])
        tables += f"<p><small>{escape(LEGEND)}</small></p>"
    lines = [legend(result), *faults(result), *classical_faults(result), *result.notes]
    notes = "".join(f"<p><small>{escape(line)}</small></p>" for line in lines if line)
    return f"{tables}{notes}{_answer(answer(result))}<p><small>{escape(result.folder)}</small></p>"


def _answer(of_result: Answer) -> str:
    sentences = escape(" ".join(of_result.why))
    html = f"<p><strong>{escape(of_result.headline)}</strong></p><p>{sentences}</p>"
    for listing in of_result.listings:
        lines = "".join(f"<li>{escape(line)}</li>" for line in listing.lines)
        html += f"<p>{escape(listing.title)}</p><ul>{lines}</ul>"
    html += "".join(f"<p><small>{escape(caveat)}</small></p>" for caveat in of_result.caveats)
    for figures in of_result.figures:
        html += f"<p>{escape(figures.title)}</p>{_table(figures.columns, figures.rows)}"
        html += f"<p><small>{escape(figures.note)}</small></p>" if figures.note else ""
    return html


def _table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in line)}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(row: Row) -> list[str]:
    front = [
        row.network,
        size_text(row.input_size),
        row.engine,
        f"{text.MARKS[row.certificate]} {row.certificate}",
    ]
    if not row.done:
        return [*front, row.status, *[""] * 4]
    return [
        *front,
        text.interval(row.seconds),
        text.rate(row.images_per_second),
        text.share(row.score),
        text.memory(row.peak_memory_bytes),
        text.compiling(row.compile_seconds, row.compiled_before),
    ]
