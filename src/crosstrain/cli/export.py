"""``crosstrain export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crosstrain import api
from crosstrain.cli import options
from crosstrain.exchange.formats import FORMATS
from crosstrain.reporting.terminal.exports import print_export

NAME = "export"


def command(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A folder of train or compare, or a network (with its initial weights)."
        ),
    ],
    form: Annotated[
        str, typer.Option("--format", "-f", metavar="FORMAT", help=f"One of {', '.join(FORMATS)}.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="PATH", help="Default: RUN/exports/NAME, or NAME for a network."),
    ] = None,
    cell: Annotated[
        str | None, typer.Option("--cell", metavar="ID", help="Which cell of a comparison.")
    ] = None,
    weights: Annotated[
        str, typer.Option("--weights", metavar="best|last", help="Of a training: which epoch's.")
    ] = "best",
    data: Annotated[
        str | None,
        typer.Option("--data", "-d", metavar="DATA", help="To verify on (default: what the run trained on)."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Take the place of an earlier export.")
    ] = False,
    timeout: options.Timeout = None,
    trust: options.Trust = False,
    json_file: options.Json = None,
) -> None:
    """Write a network in the format of another tool, and verify it there.

    What was written is run in a foreign engine on real examples and compared with the network itself; only
    then does it get its name. Nothing that departs is kept.

    \b
    Examples:
      crosstrain export crosstrain-runs/my-run --format onnx
      crosstrain export lenet5-digits --format keras --weights last --out lenet5.keras
      crosstrain export my-comparison --cell lenet5-32-torch-s0-r0 --format onnx --json export.json
      crosstrain export resnet20 --format onnx
    """
    options.check_json(json_file)
    exported = api.export(
        run, form, out=out, cell=cell, weights=weights, data=data, overwrite=overwrite, timeout=timeout,
        trust=trust,
    )  # fmt: skip
    screen = options.screen(json_file)
    if screen:
        print_export(exported, screen)
    options.write(exported.to_json(), json_file)
