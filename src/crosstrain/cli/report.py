"""``crosstrain report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from crosstrain import api

NAME = "report"


def command(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR",
            help="Folder of a comparison; several are compared as machines, with ratios to the first.",
        ),
    ],
    form: Annotated[
        str, typer.Option("--format", "-f", metavar="FORMAT", help="html, markdown, latex, csv or json.")
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

    \b
    Examples:
      crosstrain report crosstrain-runs/my-run
      crosstrain report laptop server --out machines.html
      crosstrain report my-run --format markdown
      crosstrain report my-run --format latex --out tables.tex
      crosstrain report laptop server --format csv --out rows.csv
    """
    report = api.report(folders, form=form, out=out)
    if report.path is None:
        sys.stdout.write(report.text)
    else:
        typer.echo(report.path)
