"""What came of engines' operations, and the known faults of frameworks, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from crosstrain.conformance.faults import Fault
from crosstrain.conformance.findings import Conformance, EngineResult, OpResult, Status, in_words
from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.grid import grid

FEW = 12
"""Up to so many ops of an engine are shown one by one."""
STYLES = {"passed": "green", "unsupported": "yellow"}
COUNTED: tuple[Status, ...] = ("passed", "departs", "unsupported", "failed", "crashed")
HEADS: dict[Status, str] = {"unsupported": "lacking"}
INDENT = 3
WIDTHS = (19, 15, 32, 29)
"""Columns of the table of faults."""


def print_conformance(found: Conformance, screen: Console) -> None:
    """A row for each engine; its ops, where they are few; all that departs, with the smallest input that
    shows it."""
    screen.print(engines_table(found.engines))
    for engine in found.engines:
        if engine.error:
            screen.print(f"\n{engine.engine}: {engine.error}", style="red", soft_wrap=True)
        if 0 < len(engine.ops) <= FEW:
            screen.print()
            screen.print(ops_table(engine))
        for line, style in lines(engine):
            screen.print(Padding(Text(line, style=style), (0, 0, 0, 0 if style == "bold red" else INDENT)))


def engines_table(engines: Sequence[EngineResult]) -> Table:
    """How many ops came out how, and the largest errors of those that passed."""
    counted = [HEADS.get(status, status) for status in COUNTED]
    columns = ("engine", "version", "precision", *counted, "values", "gradients", "time")
    table = grid(columns, right=range(3, len(columns)))
    for each in engines:
        table.add_row(
            each.engine, (each.version or text.NOTHING).strip(), each.precision or text.NOTHING,
            *(str(each.count(status)) if each.ops else text.NOTHING for status in COUNTED),
            text.error(largest([op.value_error for op in each.ops if op.status == "passed"])),
            text.error(largest([op.gradient_error for op in each.ops if op.status == "passed"])),
            text.clock(each.seconds),
        )  # fmt: skip
    return table


def ops_table(engine: EngineResult) -> Table:
    """A row for each op of an engine."""
    table = grid((engine.engine, "cases", "status", "values", "gradients"), right=(1, 3, 4))
    for op in engine.ops:
        style = STYLES.get(op.status, "red")
        table.add_row(op.op, str(op.cases), Text(op.status, style=style), *errors(op))
    return table


def errors(op: OpResult) -> tuple[str, str]:
    """The largest errors of values and gradients in words."""
    return text.error(op.value_error), text.error(op.gradient_error)


def lines(engine: EngineResult) -> list[tuple[str, str]]:
    """What is to be said of ops that did not pass, each with its style."""
    said: list[tuple[str, str]] = []
    for op in engine.at_fault:
        said += [("", ""), (f"{op.op} on {engine.engine} {op.status}: {op.reason}", "bold red")]
        said += [(line, "") for line in shown(op)]
    reasons: dict[str, list[str]] = {}
    for op in engine.ops:
        if op.status == "unsupported":
            reasons.setdefault(op.reason, []).append(op.op)
    for reason, names in reasons.items():
        said += [("", ""), (f"{engine.engine} cannot run {', '.join(names)}: {reason}", "yellow")]
    return said


def shown(op: OpResult) -> list[str]:
    """The smallest input that shows a departure, what is right and what came."""
    if (each := op.example) is None:
        return []
    far = "another shape, kind or finiteness" if each.error is None else f"off by {each.error:.1e}"
    return [
        f"{each.call}: {each.what} is {far}",
        f"NumPy:  {in_words(each.expected)}",
        f"engine: {in_words(each.got)}",
    ]


def largest(values: Sequence[float | str | None]) -> float | None:
    return max((value for value in values if isinstance(value, float)), default=None)


def print_faults(found: Sequence[Fault], screen: Console) -> None:
    """A row for each known fault, and where the lines are that show it."""
    table = grid(("framework", "operation", "what is wrong", "instead"))
    for column, width in zip(table.columns, WIDTHS, strict=True):
        column.no_wrap, column.width = False, width
    for fault in found:
        instead = f"{fault.around}:\n{fault.where}"
        table.add_row(f"{fault.framework} {fault.version}", fault.op, fault.what, instead, end_section=True)
    screen.print(table)
    coded = sum(bool(fault.code) for fault in found)
    screen.print(f"\n{len(found)} known faults; --json and --html have code that shows {coded}.", style="dim")
