"""``crosstrain train``."""

from __future__ import annotations

from typing import Annotated

import typer

from crosstrain import api
from crosstrain.cli import options
from crosstrain.reporting.terminal.tables import print_training

NAME = "train"


def command(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="Zoo name, file.py:function or model.keras.")
    ],
    data: options.Data,
    engine: Annotated[str, typer.Option("--engine", metavar="ENGINE", help="The engine to train on.")],
    size: Annotated[
        int | None, typer.Option("--size", metavar="32", help="Input size (default: the network's own).")
    ] = None,
    epochs: options.Epochs = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Of initial weights and batch order.")] = 0,
    batch_size: options.BatchSize = 64,
    loss: options.LossOption = None,
    optimizer: options.Optimizer = "sgd",
    learning_rate: options.LearningRate = None,
    momentum: options.Momentum = None,
    weight_decay: options.WeightDecay = None,
    schedule: options.Schedule = "constant",
    prepare: options.Prepare = None,
    split: options.Split = None,
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    threads: options.Threads = None,
    option: options.EngineOption = None,
    timeout: options.Timeout = None,
    memory_limit: options.MemoryLimit = None,
    trust: options.Trust = False,
    out: options.Out = None,
    json_file: options.Json = None,
) -> None:
    """Train one network on one engine; keep the best and the last weights.

    Running the same command again goes on where it was left; with more --epochs, from the last one.
    crosstrain.load(DIR) gives the trained Keras model.

    \b
    Examples:
      crosstrain train lenet5 --data digits --engine torch --epochs 10 --out lenet5-digits
      crosstrain train resnet20 --data folder:photos --engine jax --optimizer adam
      python -c "import crosstrain; crosstrain.load('lenet5-digits').summary()"
    """
    options.check_json(json_file)
    trained = api.train(
        network, data, engine=engine, size=size, epochs=epochs, seed=seed, batch_size=batch_size,
        loss=options.losses(loss), optimizer=optimizer, learning_rate=learning_rate, momentum=momentum,
        weight_decay=weight_decay, schedule=schedule, device=device, precision=precision, threads=threads,
        options=options.by_engine(option), trust=trust, timeout=timeout, memory_limit=memory_limit, out=out,
        prepare=prepare, split=split,
    )  # fmt: skip
    screen = options.screen(json_file)
    if screen:
        print_training(trained.result, trained.folder, screen)
    options.write(trained.to_json(), json_file)
    raise typer.Exit(0 if trained.ok else 1)
