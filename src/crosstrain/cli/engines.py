"""``crosstrain engines``."""

from __future__ import annotations

from typing import Annotated

import typer

from crosstrain import api
from crosstrain.cli import options
from crosstrain.report.tables import engines_table

NAME = "engines"


def command(
    look: Annotated[
        bool, typer.Option("--look/--no-look", help="Ask each engine what it can do (imports its framework).")
    ] = True,
    json_file: options.Json = None,
) -> None:
    """List the engines: version, status, devices, precisions, options, and how to install what is missing.

    \b
    Examples:
      crosstrain engines
      crosstrain engines --no-look
      crosstrain engines --json -
    """
    options.check_json(json_file)
    rows = api.describe_engines(look=look)
    screen = options.screen(json_file)
    if screen:
        screen.print(engines_table(rows))
    options.write({"engines": rows}, json_file)
    raise typer.Exit(1 if any(row["status"] == "broken" for row in rows) else 0)
