"""``crosstrain report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from crosstrain import api
from crosstrain.reporting.answer.changes import changes_answer
from crosstrain.reporting.terminal.answer import print_answer
from crosstrain.reporting.terminal.grid import console

NAME = "report"


def command(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR",
            help="Folder of a comparison; several are set beside the first: what changed beyond noise.",
        ),
    ],
    form: Annotated[
        str,
        typer.Option("--format", "-f", metavar="FORMAT", help="html, markdown, card, latex, csv or json."),
    ] = "html",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Default: DIR/report.html for html (here for several), else standard output.",
        ),
    ] = None,
) -> None:
    """Write the report of a comparison again, or its tables for a paper.

    The page is one file that needs no network. The other formats give time and accuracy by engine and
    network, a table for each input size and device: the best in bold, ties with it marked.

    Several folders are comparisons of one question, on other days, machines or versions. The report says what
    changed beyond noise, what could not be told, and which certificates changed.

    \b
    Examples:
      crosstrain report crosstrain-runs/my-run
      crosstrain report monday friday --out changes.html
      crosstrain report my-run --format markdown
      crosstrain report my-run --format card --out README.md
      crosstrain report my-run --format latex --out tables.tex
      crosstrain report laptop server --format csv --out rows.csv
    """
    report = api.report(folders, form=form, out=out)
    if report.path is None:
        sys.stdout.write(report.text)
        return
    terminal = console()
    for title, of in report.changes.items():
        terminal.print(title, style="dim")
        print_answer(changes_answer(of), terminal)
    typer.echo(report.path)
