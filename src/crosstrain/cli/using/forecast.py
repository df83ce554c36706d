"""``crosstrain forecast``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.reporting.terminal.forecasts import print_ahead
from crosstrain.system.files import write_bytes

NAME = "forecast"

Csv = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="Write the forecasts as CSV; - is standard output."),
]
STDOUT = Path("-")


@declared.takes(api.forecast)
def command(run: str, csv: Csv = None, json_file: options.Json = None, **arguments: Any) -> None:
    """Forecast beyond the end of the series that a network was trained on, further than it does at a time.

    Its own forecasts become part of what it sees. The same is done from origins in the test part, and stands
    beside the baselines, step by step.

    \b
    Examples:
      crosstrain forecast prices-gru --steps 20
      crosstrain forecast prices-gru --steps 84 --csv ahead.csv
    """
    for file in (csv, json_file):
        options.check_json(file)
    result = api.forecast(run, **arguments)
    screen = None if csv == STDOUT else options.screen(json_file)
    if screen:
        print_ahead(result, screen)
    if csv == STDOUT:
        sys.stdout.write(result.to_csv())
    elif csv is not None:
        write_bytes(csv, result.to_csv().encode())
    options.write(result.to_json(), json_file)
