"""What a comparison of two definitions found, on the terminal."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from crosstrain.difference.aligning import Row
from crosstrain.difference.findings import Difference, Finding, Place
from crosstrain.graph.graph import Node
from crosstrain.reporting.terminal.grid import console, grid

SHOWN = 4
"""So many places of one cause are shown."""
INDENT = 3
AROUND = 2
"""Rows of the alignment shown on either side of one that differs."""


def print_difference(found: Difference, screen: Console) -> None:
    """The verdict, what was compared, each difference by its cause, and both networks side by side where they
    differ in architecture."""
    verdict = "the same network" if found.same else "different"
    screen.print(
        Text(f"{found.a} and {found.b}: {verdict}", style="bold green" if found.same else "bold red")
    )
    screen.print(errors_table(found))
    for number, group in enumerate(grouped(found.findings), start=1):
        print_cause(number, group, screen)
    if not found.alike_in_architecture:
        screen.print()
        screen.print(alignment(found.rows))
    for finding in found.allowed:
        screen.print(Text(f"let pass: {finding.what}", style="yellow"))
    screen.print()
    for note in found.notes:
        screen.print(Text(note, style="dim"))


def as_text(found: Difference) -> str:
    """What ``print_difference`` prints."""
    text = io.StringIO()
    print_difference(found, console(text))
    return text.getvalue()


def errors_table(found: Difference) -> Table:
    table = grid(("compared", "relative error", ""), right=(1,))
    for row in error_rows(found):
        table.add_row(*row)
    return table


def error_rows(found: Difference) -> list[tuple[str, str, str]]:
    """What was compared, the error in words, and ``same`` or ``differs``."""
    rows = []
    for name, error in found.errors.items():
        limit = 1e-5 if name in ("gradients", "steps") else found.tolerance
        rows.append((name, shown(error), "same" if error <= limit else "differs"))
    return rows


def grouped(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Findings of one cause, in the same words, together: 20 layers with one epsilon are one matter."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.cause, finding.what if finding.cause else str(id(finding))), []).append(
            finding
        )
    return list(groups.values())


def print_cause(number: int, group: Sequence[Finding], screen: Console) -> None:
    first = group[0]
    places = f", in {len(group)} places" if len(group) > 1 else ""
    screen.print()
    screen.print(Text(f"{number}. {first.cause or 'no known cause'} ({first.stage}{places})", style="bold"))
    line = lambda text, style="": screen.print(Padding(Text(text, style=style), (0, 0, 0, INDENT)))
    line(first.what)
    for finding in group[:SHOWN]:
        for letter, place in (("A", finding.a), ("B", finding.b)):
            if place is not None:
                line(f"{letter}: {described(place)}")
        if finding.effect is not None:
            line(f"effect on the output: {percent(finding.effect)}")
    if len(group) > SHOWN:
        line(f"… and {len(group) - SHOWN} more")
    if first.change:
        line(f"change: {first.change}", "green")


def described(place: Place) -> str:
    """A node or a weight, its line of source, and a few of its numbers."""
    line = f" at {place.line}" if place.line else ""
    entries = "" if place.numbers is None else ": " + ", ".join(f"{e:.5g}" for e in place.numbers.entries)
    return f"{place.node}{f' ({place.op})' if place.op else ''}{line}{entries}"


def shown(error: float) -> str:
    return "other shapes" if math.isinf(error) else f"{error:.1e}" if error else "0"


def percent(effect: float) -> str:
    """A relative error as people read it."""
    if math.isinf(effect):
        return "outputs of other shapes"
    return f"{effect:.1%}" if effect >= 1e-3 else f"{effect:.1e} (relative)"


def alignment(rows: Sequence[Row]) -> Table:
    """Both networks side by side: what is the same is cut short, what differs is marked."""
    table = grid(("", "A", "B"), flexible=2)
    for row in excerpt(rows):
        if isinstance(row, int):
            table.add_row("", f"… {row} the same", "")
        else:
            style = "" if row.same_op else "red"
            table.add_row(mark(row), in_words(row.a), in_words(row.b), style=style)
    return table


def excerpt(rows: Sequence[Row]) -> Iterator[Row | int]:
    """The rows that differ and those around them; between, how many the same were left out."""
    near = {j for i, row in enumerate(rows) if not row.same_op for j in range(i - AROUND, i + AROUND + 1)}
    hidden = 0
    for index, row in enumerate(rows):
        if index not in near:
            hidden += 1
            continue
        if hidden:
            yield hidden
            hidden = 0
        yield row
    if hidden:
        yield hidden


def mark(row: Row) -> str:
    """``<`` for what A alone has, ``>`` for B, ``|`` for different ops."""
    return " " if row.same_op else "<" if row.b is None else ">" if row.a is None else "|"


def in_words(node: Node | None) -> str:
    if node is None:
        return ""
    shape = "×".join("any" if n is None else str(n) for n in node.outputs[0].shape[1:])
    return f"{node.op} {shape} {node.layer or node.name}"
