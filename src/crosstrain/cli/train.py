"""``crosstrain train``."""

from __future__ import annotations

from typing import Any

import typer

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.reporting.terminal.tables import print_training

NAME = "train"


@declared.takes(api.train)
def command(network: str, data: str, json_file: options.Json = None, **arguments: Any) -> None:
    """Train one network on one engine; keep the best and the last weights.

    Running the same command again continues where it stopped; with more --epochs, from the last one.
    crosstrain.load(DIR) gives the trained Keras model.

    \b
    Examples:
      crosstrain train lenet5 --data digits --engine torch --epochs 10 --out lenet5-digits
      crosstrain train resnet20 --data folder:photos --engine jax --optimizer adam
      crosstrain train resnet20 --data digits --engine torch --epochs 20 --recipe paper --early-stopping 5
      crosstrain train resnet20 --data folder:few --engine jax --weights runs/many --replace-head
      python -c "import crosstrain; crosstrain.load('lenet5-digits').summary()"
    """
    options.check_json(json_file)
    trained = api.train(network, data, **arguments)
    screen = options.screen(json_file)
    if screen:
        print_training(trained.result, trained.folder, screen)
    options.write(trained.to_json(), json_file)
    raise typer.Exit(0 if trained.ok else 1)
