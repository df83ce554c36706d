"""What papers take: the answer, and the tables of time and accuracy by framework (rows) and network
(columns), one for each input size and device, as Markdown, LaTeX, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from crosstrain.advice.changed import Changes
from crosstrain.reporting.answer.card import card
from crosstrain.reporting.answer.changes import changes_answer
from crosstrain.reporting.answer.papers import latex_answer, latex_figures, markdown_answer, markdown_figures
from crosstrain.reporting.answer.text import answer
from crosstrain.reporting.escaping import md, tex
from crosstrain.reporting.terminal import text
from crosstrain.results.rounding import told_apart
from crosstrain.results.rows import Row, rows, size_text
from crosstrain.results.schema import ComparisonResult
from crosstrain.statistics import ratios as statistics
from crosstrain.statistics.ratios import Interval

TIE = "="
"""Follows an entry that is within noise of the best."""
SEPARATE = {"departs": "✗", "cannot": "!"}
"""The marks of rows that depart or cannot be proved; such rows are never the best."""


@dataclass(frozen=True)
class Entry:
    """``shown``; whether it is the best of its column, or a tie with it; ``mark`` is its certificate's."""

    shown: str
    best: bool = False
    tie: bool = False
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """Time or accuracy at one input size on one device of one machine; ``lines`` are engines with an entry
    for each network (None: not part of it)."""

    quantity: str
    size: str
    device: str
    machine: str
    networks: tuple[str, ...]
    lines: tuple[tuple[str, tuple[Entry | None, ...]], ...]

    @property
    def title(self) -> str:
        place = f", {self.machine}" if self.machine else ""
        size = "" if self.size == "–" else f", input size {self.size}"
        return f"{self.quantity}{size}, device {self.device}{place}"


@dataclass(frozen=True)
class Quantity:
    """What a table shows: how an entry is printed, and how the entries are ranked."""

    name: str
    shown: Callable[[Row], str | None]
    key: Callable[[Row], float]
    tied: Callable[[ComparisonResult, Row, Row], bool]


def _time(row: Row) -> str | None:
    return text.interval(row.seconds) if row.seconds else None


def _accuracy(row: Row) -> str | None:
    interval = row.score_interval
    if interval is None:
        return None
    return f"{100 * interval.value:.2f} [{100 * interval.low:.2f}–{100 * interval.high:.2f}]"


def _alike(result: ComparisonResult, one: Row, other: Row) -> bool:
    """Where twins were trained, what rounding explains is a tie; else what the test's size explains."""
    apart = told_apart(result.rounding, one, other)
    if apart is not None:
        return not apart
    if one.title != "accuracy":
        mine, theirs = one.score_interval, other.score_interval
        return bool(mine and theirs and mine.low <= theirs.high and theirs.low <= mine.high)
    return statistics.accuracies_tied(
        one.test_accuracy or 0.0, other.test_accuracy or 0.0, min(one.test_examples, other.test_examples)
    )


QUANTITIES = (
    Quantity(
        "Training time (s/epoch) with its 95 % interval",
        _time,
        lambda row: row.seconds.value if row.seconds else float("inf"),
        lambda result, one, other: statistics.tied(one.runs, other.runs),
    ),
    Quantity("Test accuracy (%) with its 95 % interval", _accuracy, lambda row: -(row.score or 0.0), _alike),
)


def tables(results: Mapping[str, ComparisonResult]) -> list[Table]:
    """The tables of each machine (its name may be empty), quantity, input size and device."""
    return [table for name, result in results.items() for table in _of_result(name, result)]


def _of_result(machine: str, result: ComparisonResult) -> Iterator[Table]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows(result.cells):
        groups.setdefault((size_text(row.input_size), row.cells[0].device), []).append(row)
    for quantity in QUANTITIES:
        for (size, device), group in sorted(groups.items(), key=lambda each: each[0][0].zfill(8)):
            if any(quantity.shown(row) for row in group):
                yield _table(quantity, size, device, machine, group, result)


def _table(
    quantity: Quantity, size: str, device: str, machine: str, group: Sequence[Row], result: ComparisonResult
) -> Table:
    networks = tuple(dict.fromkeys(row.network for row in group))
    engines = tuple(dict.fromkeys(_name(row) for row in group))
    entries: dict[tuple[str, str], Entry] = {}
    for network in networks:
        column = [row for row in group if row.network == network]
        fair = [row for row in column if quantity.shown(row) and _fair(row)]
        best = min(fair, key=quantity.key, default=None)
        for row in column:
            shown = quantity.shown(row)
            tie = best is not None and row in fair and row is not best and quantity.tied(result, row, best)
            entries[_name(row), network] = Entry(
                shown or (row.status if not row.done else text.NOTHING), row is best, tie,
                SEPARATE.get(row.certificate, ""),
            )  # fmt: skip
    lines = tuple((engine, tuple(entries.get((engine, n)) for n in networks)) for engine in engines)
    title = next((row.title for row in group if row.score is not None), "accuracy")
    return Table(quantity.name.replace("accuracy", title), size, device, machine, networks, lines)


def _name(row: Row) -> str:
    return row.engine if row.division == "closed" else f"{row.engine} (open)"


def _fair(row: Row) -> bool:
    return row.division == "closed" and row.certificate not in SEPARATE and not row.error


# -- how they are written -------------------------------------------------------------------------
def markdown(results: Mapping[str, ComparisonResult], changed: Mapping[str, Changes]) -> str:
    """The answer of each machine, what ``changed`` between them, then pipe tables, each under its title."""
    parts = [markdown_answer(answer(result), name) for name, result in results.items()]
    parts += [markdown_answer(changes_answer(of), title) for title, of in changed.items()]
    parts += _markdown_tables(results)
    parts.append(md(_legend(results)))
    parts += [markdown_figures(each) for result in results.values() for each in answer(result).figures]
    return "\n\n".join(parts) + "\n"


def _markdown_tables(results: Mapping[str, ComparisonResult]) -> list[str]:
    """Pipe tables, each under its title."""
    parts = []
    for table in tables(results):
        head = ["engine", *table.networks]
        lines = [f"### {md(table.title)}", "", "| " + " | ".join(map(md, head)) + " |",
                 "| --- |" + " ---: |" * len(table.networks)]  # fmt: skip
        for engine, entries in table.lines:
            lines.append("| " + " | ".join([md(engine), *map(_md_entry, entries)]) + " |")
        parts.append("\n".join(lines))
    return parts


def cards(results: Mapping[str, ComparisonResult], changed: Mapping[str, Changes]) -> str:
    """The model card of each machine's result."""
    written = (
        card(result, "\n\n".join([*_markdown_tables({name: result}), md(_legend({name: result}))]))
        for name, result in results.items()
    )
    return "\n\n".join(written) + "\n"


def _md_entry(entry: Entry | None) -> str:
    if entry is None:
        return ""
    shown = md(entry.shown + (f" {TIE}" if entry.tie else "") + (f" {entry.mark}" if entry.mark else ""))
    return f"**{shown}**" if entry.best else shown


def latex(results: Mapping[str, ComparisonResult], changed: Mapping[str, Changes]) -> str:
    """The answer of each machine, what ``changed`` between them, then ``table`` environments for the package
    booktabs."""
    parts = ["% needs \\usepackage{booktabs}"]
    parts += [latex_answer(answer(result), name) for name, result in results.items()]
    parts += [latex_answer(changes_answer(of), title) for title, of in changed.items()]
    for table in tables(results):
        lines = [
            "\\begin{table}", "  \\centering", f"  \\caption{{{tex(table.title)}}}",
            f"  \\begin{{tabular}}{{l{'r' * len(table.networks)}}}", "    \\toprule",
            f"    engine & {' & '.join(map(tex, table.networks))} \\\\", "    \\midrule",
        ]  # fmt: skip
        for engine, entries in table.lines:
            lines.append(f"    {' & '.join([tex(engine), *map(_tex_entry, entries)])} \\\\")
        lines += ["    \\bottomrule", "  \\end{tabular}", "\\end{table}"]
        parts.append("\n".join(lines))
    parts.append(f"% {tex(_legend(results))}")
    parts += [latex_figures(each) for result in results.values() for each in answer(result).figures]
    return "\n\n".join(parts) + "\n"


def _tex_entry(entry: Entry | None) -> str:
    if entry is None:
        return ""
    shown = tex(entry.shown)
    shown = f"\\textbf{{{shown}}}" if entry.best else shown
    return shown + ("\\,$=$" if entry.tie else "") + (f"\\,{tex(entry.mark)}" if entry.mark else "")


def _legend(results: Mapping[str, ComparisonResult]) -> str:
    parts = [
        f"Best in bold; {TIE} within noise of it",
        "[–] is a 95 % interval, (–) a range of few samples",
    ]
    marks = {row.certificate for result in results.values() for row in rows(result.cells)}
    words = {
        "departs": "✗ departs from the definition",
        "cannot": "! cannot be proved",
        "none": "not all are proved",
    }
    return "; ".join([*parts, *(word for status, word in words.items() if status in marks)]) + "."


COLUMNS = (
    "machine", "network", "input_size", "engine", "engine_version", "device", "division", "status",
    "certificate", "cells", "seconds_per_epoch", "seconds_per_epoch_low", "seconds_per_epoch_high",
    "samples", "method", "images_per_second", "test_accuracy", "test_accuracy_low", "test_accuracy_high",
    "measure",
    "test_examples", "test_loss", "peak_memory_bytes", "compile_seconds", "ratio", "ratio_low", "ratio_high",
    "error",
)  # fmt: skip
"""``test_accuracy`` is the ``measure``, which is the accuracy unless the task has another; ``ratio`` is
seconds an epoch over those of the first machine; empty with one."""


def records(results: Mapping[str, ComparisonResult]) -> list[dict[str, Any]]:
    """A row for each machine, network, input size and engine, with the fields of ``COLUMNS``."""
    base: dict[tuple[str, str, str], Row] = {}
    entries = []
    for index, (machine, result) in enumerate(results.items()):
        for row in rows(result.cells):
            key = row.network, size_text(row.input_size), row.engine
            if index == 0:
                base[key] = row
            other = base.get(key) if index else None
            ratio = statistics.ratio(row.runs, other.runs) if other else None
            entries.append(_record(machine, row, ratio))
    return entries


def _record(machine: str, row: Row, ratio: Interval | None) -> dict[str, Any]:
    seconds, accuracy, size = row.seconds, row.score_interval, row.input_size
    values = (
        machine, row.network, size_text(size) if isinstance(size, list) else size, row.engine,
        row.cells[0].engine_version, row.cells[0].device, row.division, row.status, row.certificate,
        len(row.done), seconds and seconds.value, seconds and seconds.low, seconds and seconds.high,
        seconds and seconds.samples, seconds and seconds.method, row.images_per_second,
        accuracy and accuracy.value, accuracy and accuracy.low, accuracy and accuracy.high,
        row.title, row.test_examples or None, row.test_loss, row.peak_memory_bytes, row.compile_seconds,
        ratio and ratio.value, ratio and ratio.low, ratio and ratio.high, row.error,
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def as_csv(results: Mapping[str, ComparisonResult], changed: Mapping[str, Changes]) -> str:
    """One line for each of ``records``; what ``changed`` has no line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in records(results):
        writer.writerow([_harmless(value) for value in record.values()])
    return out.getvalue()


def _harmless(value: Any) -> Any:
    """Prefix text that a spreadsheet would read as a formula with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def as_json(results: Mapping[str, ComparisonResult], changed: Mapping[str, Changes]) -> str:
    """``rows`` as in the CSV, ``tables`` as they are printed, and what ``changed``."""
    document = {
        "format": 1,
        "answers": {name: asdict(replace(answer(result), figures=())) for name, result in results.items()},
        "changes": {title: of.to_json() for title, of in changed.items()},
        "rows": records(results),
        "tables": [
            {
                "title": table.title, "quantity": table.quantity, "input_size": table.size,
                "device": table.device, "machine": table.machine, "networks": list(table.networks),
                "engines": {
                    engine: [entry and asdict(entry) for entry in entries] for engine, entries in table.lines
                },
            }
            for table in tables(results)
        ],
    }  # fmt: skip
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


FORMATS: dict[str, Callable[[Mapping[str, ComparisonResult], Mapping[str, Changes]], str]] = {
    "markdown": markdown, "card": cards, "latex": latex, "csv": as_csv, "json": as_json,
}  # fmt: skip
