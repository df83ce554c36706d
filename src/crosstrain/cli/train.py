"""``crosstrain train``."""

from __future__ import annotations

from typing import Any

import typer

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.comparison.training import follow
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.terminal.tables import print_training
from crosstrain.runs.mpi import launched

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
      mpirun -n 4 crosstrain train lenet5 --data digits --engine torch --threads 1 --out lenet5-digits
      python -c "import crosstrain; crosstrain.load('lenet5-digits').summary()"
    """
    options.check_json(json_file)
    rank, workers = launched() or (0, arguments["workers"])
    if launched() and arguments["fine_tune"]:
        raise CrosstrainError("under mpirun one training follows no other; use --workers with --fine-tune")
    if rank:
        follow(arguments["engine"], arguments["threads"])
        raise typer.Exit
    trained = api.train(network, data, **{**arguments, "workers": workers})
    screen = options.screen(json_file)
    if screen:
        print_training(trained.result, trained.folder, screen)
    options.write(trained.to_json(), json_file)
    raise typer.Exit(0 if trained.ok else 1)
