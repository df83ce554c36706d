"""``crosstrain tune``."""

from __future__ import annotations

from typing import Any

import typer

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.reporting.terminal.tuning import print_tuning
from crosstrain.tuning.run import Interrupted

NAME = "tune"


@declared.takes(api.tune)
def command(network: str, data: str, json_file: options.Json = None, **arguments: Any) -> None:
    """Find the settings with which each engine trains a network fastest on this machine.

    Options, threads, pinning, allocator and compiler settings are tried in short trials, each in a process of
    its own; the winner is kept only where a confirming run against the default shows it clearly faster.
    compare --tuned uses the profiles. Stop it at any time: finished engines keep theirs.

    \b
    Examples:
      crosstrain tune resnet20 --data gtsrb:GTSRB.zip --engine all --size 32
      crosstrain tune lenet5 --data digits --engine torch --budget 60s
      crosstrain tune idsia --data gtsrb:GTSRB.zip --engine keras-jax,keras-torch --json tuned.json
    """
    options.check_json(json_file)
    interrupted = False
    try:
        result = api.tune(network, data, **arguments)
    except Interrupted as stop:
        result, interrupted = stop.result, True
    screen = options.screen(json_file)
    if screen:
        print_tuning(result, screen)
    options.write(result.to_json(), json_file)
    if interrupted:
        raise KeyboardInterrupt
    raise typer.Exit(0 if result.ok else 1)
