"""``crosstrain networks``."""

from __future__ import annotations

from dataclasses import asdict

from crosstrain import api
from crosstrain.cli import options
from crosstrain.report.tables import networks_table

NAME = "networks"


def command(json_file: options.Json = None) -> None:
    """List the networks of the zoo: paper, default input, parameters.

    \b
    Examples:
      crosstrain networks
      crosstrain networks --json -
    """
    options.check_json(json_file)
    rows = [asdict(row) for row in api.networks().values()]
    screen = options.screen(json_file)
    if screen:
        screen.print(networks_table(rows))
    options.write({"networks": rows}, json_file)
