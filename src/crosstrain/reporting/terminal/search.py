"""The trials of a search for the best settings, as a table."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.grid import grid
from crosstrain.results.schema import SearchResult


def titles(search: SearchResult) -> list[str]:
    """The columns: a trial's number, what was searched, and what came of it."""
    return ["trial", *(word(name) for name in search.space), search.measure, "state", "time"]


def cells(search: SearchResult, number: int) -> list[str]:
    """A trial in the columns of :func:`titles`; the best one's state says so."""
    trial = search.trials[number]
    return [
        str(number + 1),
        *(number_or_word(trial.values.get(name)) for name in search.space),
        text.NOTHING if trial.score is None else f"{trial.score:.4g}",
        state(search, number),
        text.seconds(trial.seconds),
    ]


def search_table(search: SearchResult) -> Table:
    """A row for each trial, in their order."""
    names = titles(search)
    right = {index for index, name in enumerate(names) if name != "state"}
    table = grid(names, right=right, flexible=names.index("state"))
    for number in range(len(search.trials)):
        table.add_row(*cells(search, number), style="bold" if number == search.best else None)
    return table


def state(search: SearchResult, number: int) -> str:
    trial = search.trials[number]
    if number == search.best:
        return "best"
    return trial.state if trial.error is None else f"{trial.state}: {trial.error}"


def word(name: str) -> str:
    """A setting as the command line spells it."""
    return name.replace("_", "-")


def number_or_word(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
