"""``crosstrain prove``."""

from __future__ import annotations

from typing import Any

import typer

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.reporting.terminal.tables import departures, proof_table

NAME = "prove"


@declared.takes(api.prove)
def command(network: str, json_file: options.Json = None, **arguments: Any) -> None:
    """Prove that engines do the same work as the network's definition, or show where one departs.

    Compares outputs in inference and in training mode, the loss, every gradient, and all weights and
    statistics after some optimizer steps, by norm-wise relative errors.

    \b
    Examples:
      crosstrain prove lenet5
      crosstrain prove resnet20 --engines torch,jax --precision float32
      crosstrain prove my_net.py:build --optimizer adam --json proof.json
      crosstrain prove model.keras --engines tensorflow
    """
    options.check_json(json_file)
    proof = api.prove(network, **arguments)
    data = proof.to_json()
    screen = options.screen(json_file)
    if screen:
        screen.print(proof_table(data["engines"]))
        for line in departures(data["engines"]):
            screen.print(line, style="red")
    options.write(data, json_file)
    raise typer.Exit(0 if proof.proved else 1)
