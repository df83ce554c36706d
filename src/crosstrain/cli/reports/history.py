"""``crosstrain history``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crosstrain import api
from crosstrain.reporting.answer.changes import changes_answer
from crosstrain.reporting.terminal.answer import figures_table, print_answer
from crosstrain.reporting.terminal.grid import console

NAME = "history"


def command(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR", help="Folders of comparisons of one question.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="The page; its folder must exist.")
    ] = Path("history.html"),
) -> None:
    """Draw one question's comparisons as a series, each set beside the one before.

    They are ordered by when they were finished. A table shows every time with its interval, and whether it
    changed beyond noise; the page draws them, a chart for each network and input size.

    \b
    Examples:
      crosstrain history monday tuesday wednesday
      crosstrain history crosstrain-runs/nightly-* --out history.html
    """
    series, path = api.history(folders, out=out)
    terminal = console()
    terminal.print(figures_table(series.figures))
    for title, of in series.changes.items():
        terminal.print()
        terminal.print(title, style="dim")
        print_answer(changes_answer(of), terminal)
    typer.echo(path)
