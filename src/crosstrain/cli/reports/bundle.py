"""``crosstrain bundle``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crosstrain import api
from crosstrain.cli import options

NAME = "bundle"


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished comparison.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="The file (default: the folder's name with .zip)."),
    ] = None,
    weights: Annotated[bool, typer.Option("--weights/--no-weights", help="Pack trained weights.")] = True,
    json_file: options.Json = None,
) -> None:
    """Pack a comparison into one file that others can check and cite.

    It has the plan, the packages of each engine's Python, results, certificates and logs, hashes of the data
    and of every file, and the command that repeats the comparison. The same folder gives the same bytes: cite
    the SHA-256 that is shown. Logs and results have the paths of this machine in them.

    \b
    Examples:
      crosstrain bundle crosstrain-runs/my-run
      crosstrain bundle crosstrain-runs/my-run --no-weights --out my-run.zip
    """
    options.check_json(json_file)
    bundled = api.bundle(run, out=out, weights=weights)
    screen = options.screen(json_file)
    if screen:
        screen.print(f"{bundled.files} files, {bundled.bytes / 2**20:.1f} MiB")
        screen.print(f"SHA-256 {bundled.sha256}", soft_wrap=True)
        screen.print(str(bundled.path), soft_wrap=True)
    options.write(bundled.to_json(), json_file)
