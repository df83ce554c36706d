"""``crosstrain ops``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.reporting.conformance.page import page
from crosstrain.reporting.conformance.terminal import print_conformance, print_faults

NAME = "ops"


@declared.takes(api.ops)
def command(
    faults: Annotated[
        bool, typer.Option("--faults", help="Show the known faults of frameworks instead; runs nothing.")
    ] = False,
    html_file: options.HtmlFile = None,
    json_file: options.Json = None,
    **arguments: Any,
) -> None:
    """Hold engines' operations against NumPy, one by one: which pass, depart (with the smallest input that
    shows it), are unsupported, fail or crash.

    Each engine runs in a process of its own; an operation that crashes costs itself alone. Exit code 1 where
    one departs, fails or crashes.

    \b
    Examples:
      crosstrain ops --engine torch
      crosstrain ops --engines all --html ops.html
      crosstrain ops --engine jax --op log_softmax,max_pool --precision float32
      crosstrain ops --faults --engine paddle
    """
    options.check_json(json_file)
    options.check_json(html_file)
    screen = options.screen(json_file)
    known = api.known_faults(arguments["engines"])
    found = None if faults else api.ops(**arguments)
    if screen and found is not None:
        print_conformance(found, screen)
    elif screen:
        print_faults(known, screen)
    if html_file:
        options.write_page(page(found, known), html_file)
    shown = {"faults": [each.to_json() for each in known]} if found is None else found.to_json()
    options.write(shown, json_file)
    raise typer.Exit(0 if found is None or found.well else 1)
