"""A study in the terminal: its question, time and accuracy by framework and network, what was published."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from crosstrain.reporting.answer.text import answer
from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.answer import print_answer, print_figures
from crosstrain.reporting.terminal.grid import grid
from crosstrain.reporting.terminal.tables import faults, legend
from crosstrain.results.rows import Row, rows, size_text
from crosstrain.results.schema import ComparisonResult, Size
from crosstrain.statistics.ratios import wilson
from crosstrain.studies.original import Replication
from crosstrain.studies.page import PAGE, cells, columns
from crosstrain.studies.run import RESULT, PartResult, Study
from crosstrain.studies.then_and_now import TITLES

MOST_NETWORKS = 4
"""Number of networks that fit beside each other in 100 columns."""


def print_study(study: Study, out: Console) -> None:
    """Everything, part by part."""
    out.print(f"{study.plan.title} ({study.scale})", style="bold")
    if about := study.plan.scales[study.scale].about:
        out.print(about)
    if study.plan.question:
        out.print(study.plan.question)
    for part in study.parts:
        out.print()
        _print_part(part, out)
    if study.original:
        out.print()
        out.print("Beside what was published, as factors (the machines differ):", style="bold")
        out.print(original_table(study.original))
    for kind, title in TITLES.items():
        if of_kind := [each for each in study.then_and_now if each.kind == kind]:
            out.print()
            out.print(f"Then and now: {title[0].lower()}{title[1:]}", style="bold")
            table = grid(columns(kind), right=(3, 4, 5) if kind == "engine" else (3, 4), flexible=0)
            for each in of_kind:
                table.add_row(*cells(each))
            out.print(table)
    out.print()
    pages = f"{RESULT}, report.html{f', {PAGE}' if study.then_and_now else ''}"
    out.print(f"Results are in {study.folder} ({pages})", style="dim", soft_wrap=True)


def _print_part(part: PartResult, out: Console) -> None:
    out.print(f"Part {part.part.name}, device {part.part.device}", style="bold")
    if part.part.about:
        out.print(part.part.about)
    for reason in (part.skipped, *part.absent.values()):
        if reason:
            out.print(f"{reason[0].upper()}{reason[1:]}.", style="yellow")
    if part.comparison is None:
        return
    result = part.comparison.result
    for size, group in _by_size(result):
        for table in tables(group, size):
            out.print(table)
    out.print(legend(result), style="dim")
    for line in faults(result):
        out.print(line, style="red")
    for note in result.notes:
        out.print(note, style="yellow")
    of_part = answer(result)
    print_figures(of_part, out)
    out.print()
    print_answer(of_part, out)


def tables(rows: Sequence[Row], size: Size) -> list[Table]:
    """Seconds an epoch and accuracy of every engine (rows) on every network (columns), at one size."""
    networks = list(dict.fromkeys(row.network for row in rows))
    engines = list(dict.fromkeys(row.engine for row in rows))
    by_key = {(row.engine, row.network): row for row in rows}
    at = "" if size is None else f"{size_text(size)} px, "
    result = []
    for start in range(0, len(networks), MOST_NETWORKS):
        columns = networks[start : start + MOST_NETWORKS]
        for title, cell in ((f"{at}s/epoch [95 %]", _time), (f"{at}test accuracy [95 %]", _accuracy)):
            table = grid([title, *columns], right=range(1, len(columns) + 1))
            for engine in engines:
                entries = [by_key.get((engine, network)) for network in columns]
                table.add_row(engine, *(text.NOTHING if row is None else cell(row) for row in entries))
            result.append(table)
    return result


def original_table(replications: Sequence[Replication]) -> Table:
    """A row for each published figure, with the range of those measured here."""
    table = grid(["what", "engine", "published", "there", "here"], right=(3,), flexible=2)
    for each in replications:
        table.add_row(each.what, each.engine, each.published, f"{each.there:.2f}", _here(each))
    return table


def _here(each: Replication) -> str:
    if not each.here:
        return "not measured"
    if len(each.here) == 1:
        factor = each.here[0][1]
        return f"{factor['value']:.2f} [{factor['low']:.2f}–{factor['high']:.2f}]"
    values = [factor["value"] for _, factor in each.here]
    return f"{min(values):.2f} to {max(values):.2f} ({len(values)} rows)"


def _time(row: Row) -> str:
    return f"{text.MARKS[row.certificate]} {text.interval(row.seconds)}" if row.done else row.status


def _accuracy(row: Row) -> str:
    if row.test_accuracy is None:
        return text.NOTHING if row.done else row.status
    limits = wilson(row.test_accuracy, row.test_examples)
    return f"{100 * limits.value:.2f} [{100 * limits.low:.1f}–{100 * limits.high:.1f}] %"


def _by_size(result: ComparisonResult) -> list[tuple[Size, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for row in rows(result.cells):
        groups.setdefault(size_text(row.input_size), []).append(row)
    ordered = sorted(groups.values(), key=lambda group: str(group[0].input_size).zfill(8))
    return [(group[0].input_size, group) for group in ordered]
