"""``crosstrain networks``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from crosstrain import api
from crosstrain.cli import options
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.network.drawing import check_drawing
from crosstrain.reporting.terminal.catalogue import layers_table, networks_table
from crosstrain.reporting.terminal.engines import obstacles, pairs_table

NAME = "networks"


def command(
    networks: Annotated[
        str | None,
        typer.Argument(
            metavar="[NETWORK]", help="Show its layers. With --engines: one or several, default the zoo's."
        ),
    ] = None,
    engines: Annotated[
        str | None,
        typer.Option(
            "--engines", "--engine", metavar="A,B", help="Show which of them (or all) can train which."
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option(metavar="TASK", help="List those of a task: image-classification.")
    ] = None,
    year: Annotated[
        str | None, typer.Option(metavar="YEAR", help="List those of a year: 2015, 2014-2016, 2016-, -2012.")
    ] = None,
    max_parameters: Annotated[
        str | None, typer.Option(metavar="N", help="List those of at most so many parameters: 300k, 5M.")
    ] = None,
    draw: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw NETWORK to FILE.svg or FILE.png.")
    ] = None,
    trust: options.Trust = False,
    json_file: options.Json = None,
) -> None:
    """List the networks of the zoo; or show the layers of one and draw it; or which engines can train them.

    \b
    Examples:
      crosstrain networks
      crosstrain networks --year 2014-2016 --max-parameters 30M
      crosstrain networks resnet50 --draw resnet50.svg
      crosstrain networks --engines all
      crosstrain networks my_net.py:build --engines mxnet,theano
      crosstrain networks --json -
    """
    options.check_json(json_file)
    filters = {"task": task, "year": year, "max_parameters": max_parameters}
    given = [f"--{name.replace('_', '-')}" for name, value in filters.items() if value is not None]
    if given and (networks is not None or engines is not None):
        raise CrosstrainError(
            f"{given[0]} chooses from the list of networks; give it without NETWORK and --engines"
        )
    if draw is not None and (networks is None or engines is not None):
        raise CrosstrainError("--draw draws one network: crosstrain networks NETWORK --draw FILE.svg")
    if engines is not None:
        _show_pairs(networks or "all", engines, trust, json_file)
    elif networks is not None:
        _show_network(networks, draw, trust, json_file)
    else:
        rows = [asdict(row) for row in api.list_networks(**filters).values()]
        if screen := options.screen(json_file):
            screen.print(networks_table(rows))
            screen.print(f"{len(rows)} networks; crosstrain networks NETWORK shows one", style="dim")
        options.write({"networks": rows}, json_file)


def _show_network(network: str, drawing: Path | None, trust: bool, json_file: Path | None) -> None:
    if drawing is not None:
        check_drawing(drawing)
    described = api.describe_network(network, trust=trust)
    if screen := options.screen(json_file):
        screen.print(layers_table(described.folded))
        screen.print(described.heading, style="bold", soft_wrap=True)
        if row := described.row:
            screen.print(f"{row.summary}; {row.paper}", soft_wrap=True)
    if drawing is not None:
        described.draw(drawing)
        if screen:
            screen.print(f"The drawing is in {drawing}", style="dim", soft_wrap=True)
    options.write(described.to_json(), json_file)


def _show_pairs(networks: str, engines: str, trust: bool, json_file: Path | None) -> None:
    pairs = api.engine_pairs(networks, engines, trust=trust)
    if screen := options.screen(json_file):
        screen.print(pairs_table(pairs))
        for line in obstacles(pairs):
            screen.print(line, style="yellow", soft_wrap=True)
    options.write({"pairs": pairs}, json_file)
