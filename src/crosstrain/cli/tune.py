"""``crosstrain tune``."""

from __future__ import annotations

from typing import Annotated

import typer

from crosstrain import api
from crosstrain.cli import options
from crosstrain.reporting.terminal.tuning import print_tuning
from crosstrain.tuning.run import Interrupted

NAME = "tune"


def command(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="Zoo name, file.py:function, model.keras or model.onnx.")
    ],
    data: options.Data,
    engine: Annotated[
        str, typer.Option("--engine", metavar="E[,E…]", help="Engines to tune; all: those that can run here.")
    ],
    size: Annotated[
        int | None, typer.Option("--size", metavar="32", help="Input size (default: the network's own).")
    ] = None,
    budget: Annotated[str, typer.Option("--budget", metavar="TIME", help="For each engine: 90s, 5m.")] = "5m",
    batch_size: options.BatchSize = 64,
    division: Annotated[
        str,
        typer.Option("--division", metavar="D", help="closed; open also tries what changes the arithmetic."),
    ] = "closed",
    again: Annotated[bool, typer.Option("--again", help="Also engines that were tuned before.")] = False,
    loss: options.LossOption = None,
    optimizer: options.Optimizer = "sgd",
    prepare: options.Prepare = None,
    split: options.Split = None,
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", help="The most to try (default: all usable cores)."),
    ] = None,
    memory_limit: options.MemoryLimit = None,
    trust: options.Trust = False,
    out: options.Out = None,
    json_file: options.Json = None,
) -> None:
    """Find the settings with which each engine trains a network fastest on this machine.

    Options, threads, pinning, allocator and compiler settings are tried in short trials, each in a process of
    its own; the winner is kept only where a confirming run against the default shows it clearly faster.
    compare --tuned uses what was found. Stop it whenever you like: engines that are finished are kept.

    \b
    Examples:
      crosstrain tune resnet20 --data gtsrb:GTSRB.zip --engine all --size 32
      crosstrain tune lenet5 --data digits --engine torch --budget 60s
      crosstrain tune idsia --data gtsrb:GTSRB.zip --engine keras-jax,keras-torch --json tuned.json
    """
    options.check_json(json_file)
    interrupted = False
    try:
        result = api.tune(
            network, data, engine=options.listed(engine) or [], size=size, budget=budget,
            batch_size=batch_size, division=division, again=again, loss=options.losses(loss),
            optimizer=optimizer, prepare=prepare, split=split, device=device, precision=precision,
            threads=threads, memory_limit=memory_limit, trust=trust, out=out,
        )  # fmt: skip
    except Interrupted as stop:
        result, interrupted = stop.result, True
    screen = options.screen(json_file)
    if screen:
        print_tuning(result, screen)
    options.write(result.to_json(), json_file)
    if interrupted:
        raise KeyboardInterrupt
    raise typer.Exit(0 if result.ok else 1)
