"""``crosstrain predict``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.terminal.using import print_filmed, print_prediction
from crosstrain.system.files import write_bytes

NAME = "predict"

Csv = Annotated[
    Path | None,
    typer.Option(
        "--csv", metavar="FILE", help="Write the answers as CSV; - writes only CSV, to standard output."
    ),
]
STDOUT = Path("-")


@declared.takes(api.predict)
def command(
    run: str,
    inputs: list[str] | None = None,
    csv: Csv = None,
    json_file: options.Json = None,
    **arguments: Any,
) -> None:
    """Ask a trained network about pictures, folders, zips of pictures, arrays, a film or a camera; about
    texts, rows of a table or the end of a series, where it was trained on such.

    Inputs are prepared as the training's data was. A damaged file is named and the rest is answered; the exit
    code is then 1. Of a film, boxes, classes of pixels or of the picture are drawn on every frame: it is
    written as FILM.drawn.mp4, with a line of JSON for each frame beside it, and frames a second are told by
    stage.

    \b
    Examples:
      crosstrain predict lenet5-digits seven.png
      crosstrain predict runs/signs photos more.zip --top 3 --csv answers.csv
      crosstrain predict runs/signs photos --pictures drawn --engine onnxruntime
      crosstrain predict my-comparison:lenet5-32-torch-s0-r0 new.npz --json -
      crosstrain predict runs/cells film.mp4 --pictures drawn
      crosstrain predict runs/cells --camera 0 --frames 500
    """
    for file in (csv, json_file):
        options.check_json(file)
    prediction = api.predict(run, inputs or None, **arguments)
    from crosstrain.prediction.film import Filmed  # reads pictures, for which other commands need no OpenCV

    if isinstance(prediction, Filmed):
        if csv is not None:
            raise CrosstrainError("what is seen in a film is written as lines of JSON, and not as CSV")
        if screen := options.screen(json_file):
            print_filmed(prediction, screen)
        options.write(prediction.to_json(), json_file)
        return
    screen = None if csv == STDOUT else options.screen(json_file)
    if screen:
        print_prediction(prediction, screen)
    if csv == STDOUT:
        sys.stdout.write(prediction.to_csv())
    elif csv is not None:
        write_bytes(csv, prediction.to_csv().encode())
    options.write(prediction.to_json(), json_file)
    if not screen:
        for sentence in (*prediction.notes, *prediction.damaged):
            typer.echo(f"crosstrain: {sentence}", err=True)
    raise typer.Exit(1 if prediction.damaged else 0)
