"""The console and the empty table of everything that is printed, none wider than 100 columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO

from rich import box
from rich.console import Console
from rich.table import Table

WIDTH = 100


def console(file: IO[str] | None = None, *, stderr: bool = False) -> Console:
    """A console of at most 100 columns; outside a terminal it has exactly 100 and no colours."""
    result = Console(file=file, stderr=stderr, highlight=False, emoji=False, markup=False)
    result.width = min(result.width, WIDTH) if result.is_terminal else WIDTH
    return result


def grid(columns: Sequence[str], *, right: Iterable[int] = (), flexible: int = 0) -> Table:
    """An empty table; ``right`` are the columns of numbers, ``flexible`` the one that wraps."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    numbers = set(right)
    for index, name in enumerate(columns):
        table.add_column(
            name,
            justify="right" if index in numbers else "left",
            no_wrap=index != flexible,
            overflow="fold" if index == flexible else "ellipsis",
            min_width=6 if index == flexible else None,
        )
    return table
