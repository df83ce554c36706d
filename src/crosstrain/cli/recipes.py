"""``crosstrain recipes``."""

from __future__ import annotations

from typing import Annotated

import typer

from crosstrain import api
from crosstrain.cli import options
from crosstrain.reporting.terminal.catalogue import print_recipe, recipes_table

NAME = "recipes"


def command(
    recipe: Annotated[
        str | None, typer.Argument(metavar="[RECIPE]", help="Show one, with what differs from its paper.")
    ] = None,
    json_file: options.Json = None,
) -> None:
    """List the training recipes of papers, which train, compare and tune take with --recipe.

    \b
    Examples:
      crosstrain recipes
      crosstrain recipes resnet-cifar
      crosstrain recipes --json -
      crosstrain train resnet20 --data digits --engine torch --epochs 20 --recipe paper
    """
    options.check_json(json_file)
    chosen = api.list_recipes(recipe)
    if screen := options.screen(json_file):
        if recipe is None:
            screen.print(recipes_table(chosen.values()))
            screen.print("crosstrain recipes RECIPE shows one; --recipe RECIPE trains by it", style="dim")
        for each in chosen.values() if recipe is not None else ():
            print_recipe(each, screen)
    options.write({"recipes": [each.to_json() for each in chosen.values()]}, json_file)
