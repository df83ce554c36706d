"""``crosstrain prove``."""

from __future__ import annotations

from typing import Annotated

import typer

from crosstrain import api
from crosstrain.cli import options
from crosstrain.reporting.terminal.tables import departures, proof_table
from crosstrain.training.spelling import dimensions

NAME = "prove"


def command(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="Zoo name, file.py:function or model.keras.")
    ],
    engines: Annotated[
        str | None, typer.Option("--engines", metavar="A,B", help="Or all; default: your own Python's.")
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", metavar="P,P", help="Precisions to prove in.")
    ] = "float64,float32",
    input_shape: Annotated[
        str | None, typer.Option("--input-shape", metavar="32,32,3", help="Default: the network's own.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option("--classes", metavar="N", help="Default: the network's own.")
    ] = None,
    steps: Annotated[int, typer.Option("--steps", metavar="K", help="Optimizer steps to prove.")] = 10,
    loss: options.LossOption = None,
    optimizer: options.Optimizer = "sgd",
    learning_rate: options.LearningRate = None,
    momentum: options.Momentum = None,
    weight_decay: options.WeightDecay = None,
    schedule: options.Schedule = "constant",
    device: options.Device = "auto",
    threads: options.Threads = None,
    option: options.EngineOption = None,
    timeout: options.Timeout = None,
    trust: options.Trust = False,
    out: options.Out = None,
    json_file: options.Json = None,
) -> None:
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
    proof = api.prove(
        network, engines=options.listed(engines), precisions=options.listed(precision) or [],
        input_shape=dimensions(input_shape), classes=classes, steps=steps, loss=options.losses(loss),
        optimizer=optimizer, learning_rate=learning_rate, momentum=momentum, weight_decay=weight_decay,
        schedule=schedule, device=device, threads=threads, options=options.by_engine(option), timeout=timeout,
        trust=trust, out=out,
    )  # fmt: skip
    data = proof.to_json()
    screen = options.screen(json_file)
    if screen:
        screen.print(proof_table(data["engines"]))
        for line in departures(data["engines"]):
            screen.print(line, style="red")
    options.write(data, json_file)
    raise typer.Exit(0 if proof.proved else 1)
