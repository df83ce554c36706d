"""The answer in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from crosstrain.reporting.answer.figures import Figures
from crosstrain.reporting.answer.text import Answer
from crosstrain.reporting.terminal.grid import grid


def print_answer(answer: Answer, out: Console) -> None:
    """Headline, sentences, lists and caveats; its tables are printed with the results."""
    out.print(answer.headline, style="bold")
    for sentence in answer.why:
        out.print(sentence)
    for listing in answer.listings:
        out.print(listing.title, style="bold")
        for line in listing.lines:
            out.print(f"- {line}")
    for caveat in answer.caveats:
        out.print(caveat, style="yellow")


def print_figures(answer: Answer, out: Console) -> None:
    """The tables of an answer, each under its title."""
    for figures in answer.figures:
        out.print()
        out.print(figures.title, style="bold")
        out.print(figures_table(figures))
        if figures.note:
            out.print(figures.note, style="dim")


def figures_table(figures: Figures) -> Table:
    table = grid(figures.columns, right=figures.numbers)
    for row in figures.rows:
        table.add_row(*row)
    return table
