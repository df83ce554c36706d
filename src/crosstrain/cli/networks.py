"""``crosstrain networks``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from crosstrain import api
from crosstrain.cli import options
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.terminal.engines import obstacles, pairs_table
from crosstrain.reporting.terminal.tables import networks_table

NAME = "networks"


def command(
    networks: Annotated[
        str | None,
        typer.Argument(metavar="NETWORK[,NETWORK…]", help="With --engines: default the zoo's."),
    ] = None,
    engines: Annotated[
        str | None,
        typer.Option(
            "--engines", "--engine", metavar="A,B", help="Show which of them (or all) can train which."
        ),
    ] = None,
    trust: options.Trust = False,
    json_file: options.Json = None,
) -> None:
    """List the networks of the zoo: paper, default input, parameters; or which engines can train them.

    \b
    Examples:
      crosstrain networks
      crosstrain networks --engines all
      crosstrain networks my_net.py:build --engines mxnet,theano
      crosstrain networks --json -
    """
    options.check_json(json_file)
    screen = options.screen(json_file)
    if engines is None:
        if networks is not None:
            raise CrosstrainError("name with --engines the engines that would train the network")
        rows = [asdict(row) for row in api.list_networks().values()]
        if screen:
            screen.print(networks_table(rows))
        options.write({"networks": rows}, json_file)
        return
    pairs = api.engine_pairs(networks or "all", engines, trust=trust)
    if screen:
        screen.print(pairs_table(pairs))
        for line in obstacles(pairs):
            screen.print(line, style="yellow", soft_wrap=True)
    options.write({"pairs": pairs}, json_file)
