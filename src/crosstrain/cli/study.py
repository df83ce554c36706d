"""``crosstrain study``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.terminal.grid import grid
from crosstrain.studies import plan as plans
from crosstrain.studies.run import Interrupted
from crosstrain.studies.terminal import print_study

NAME = "study"


@declared.takes(api.study)
def command(
    plan: str | None = None,
    data: str | None = None,
    listed: Annotated[bool, typer.Option("--list", help="The studies that come with crosstrain.")] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Print the plan as TOML, to copy for one of your own.")
    ] = False,
    json_file: options.Json = None,
    **arguments: Any,
) -> None:
    """Run a study: a plan of comparisons, set beside what others have published.

    Shows time and accuracy by framework and network for each input size, a recommendation with its reason,
    and the published figures beside those measured here; the folder has the plan, study.json and report.html.
    Running the same command again does only what is missing.

    \b
    Examples:
      crosstrain study --list
      crosstrain study traffic-signs --data gtsrb:GTSRB.zip --scale small
      crosstrain study traffic-signs --data gtsrb:GTSRB.zip --scale full --out signs
      crosstrain study traffic-signs --show > my-plan.toml
      crosstrain study my-plan.toml --engines torch,jax --budget 20m
    """
    if listed:
        _print_list(options.screen(json_file), json_file)
        return
    if plan is None:
        raise CrosstrainError(
            "name a study, for example traffic-signs (--list shows all), or your own plan.toml"
        )
    if show:
        typer.echo(plans.find(plan).read_text(), nl=False)
        return
    options.check_json(json_file)
    interrupted = False
    try:
        study = api.study(plan, data, **arguments)
    except Interrupted as stop:
        study, interrupted = stop.study, True
    screen = options.screen(json_file)
    if screen:
        print_study(study, screen)
    options.write(study.to_json(), json_file)
    if interrupted:
        raise KeyboardInterrupt
    raise typer.Exit(0 if study.ok else 1)


def _print_list(screen: Console | None, json_file: Path | None) -> None:
    available = {name: plans.read(path) for name, path in plans.studies().items()}
    if screen:
        table = grid(["study", "scales", "--data", "question"], flexible=3)
        for name, each in available.items():
            table.add_row(name, ", ".join(each.scales), each.data.form or each.data.default, each.question)
        screen.print(table)
    listing = [
        {"name": name, "title": each.title, "question": each.question, "scales": list(each.scales)}
        for name, each in available.items()
    ]
    options.write(listing, json_file)
