"""``crosstrain datasets``."""

from __future__ import annotations

from dataclasses import asdict

from crosstrain import api
from crosstrain.cli import options
from crosstrain.reporting.terminal.tables import datasets_table

NAME = "datasets"


def command(json_file: options.Json = None) -> None:
    """List the kinds of data sets: what to write for --data, what they hold, which files they expect.

    \b
    Examples:
      crosstrain datasets
      crosstrain datasets --json -
    """
    options.check_json(json_file)
    rows = [{k: v for k, v in asdict(row).items() if k != "module"} for row in api.list_datasets().values()]
    screen = options.screen(json_file)
    if screen:
        screen.print(datasets_table(rows))
    options.write({"datasets": rows}, json_file)
