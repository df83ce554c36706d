"""``crosstrain look``."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.reporting.inside.examples import ExamplesSheet
from crosstrain.reporting.inside.writing import Inside
from crosstrain.reporting.sheet import Sheet

NAME = "look"


@declared.takes(api.look)
def command(subject: str, json_file: options.Json = None, **arguments: Any) -> None:
    """Look at a data set before training, or into a network after it: pictures, and a page of them.

    Of a data set, a contact sheet: with --augment, a row has an example as it is, then as each epoch of a
    training will see it. Of a run or a network: its first filters, and what it makes of a picture; of a run
    that gives every pixel a class, or boxes, its answers to test pictures beside the truth.

    \b
    Examples:
      crosstrain look digits
      crosstrain look gtsrb:GTSRB.zip --size 32 --augment rotate=15,zoom=0.1,shift=2,jitter=0.2
      crosstrain look crosstrain-runs/my-run --image sign.png
      crosstrain look my-comparison --cell idsia-48-torch-s0-r0 --layer conv2d_1 --target 14
      crosstrain look model.keras --image photo.jpg --views grad-cam,occlusion
    """
    options.check_json(json_file)
    result = api.look(subject, **arguments)
    screen = options.screen(json_file)
    if screen:
        if isinstance(result, Inside):
            _show_inside(screen, result)
        elif isinstance(result, ExamplesSheet):
            _show_examples(screen, result)
        else:
            _show_sheet(screen, result)
    options.write(result.to_json(), json_file)


def _show_sheet(screen: Console, sheet: Sheet) -> None:
    height, width, channels = sheet.size
    many = f"{len(sheet.examples)} training examples of {height}×{width}×{channels}"
    screen.print(f"{many}, {sheet.draws} draws each" if sheet.draws else many, highlight=False)
    screen.print(str(sheet.path), soft_wrap=True, highlight=False)


def _show_examples(screen: Console, sheet: ExamplesSheet) -> None:
    scores = [score for score in sheet.scores if score is not None]
    mean = f", {sheet.measure} {sum(scores) / len(scores):.3f} at the mean over them" if scores else ""
    screen.print(f"{sheet.network}, {sheet.weights} weights: {len(sheet.examples)} test examples{mean}")
    screen.print(str(sheet.path), soft_wrap=True, highlight=False)


def _show_inside(screen: Console, inside: Inside) -> None:
    likeliest = ", ".join(f"{name} {probability:.3f}" for name, probability in inside.likeliest)
    lines = [
        f"{inside.network}, {inside.weights} weights, layer {inside.layer}",
        f"{inside.picture}: {likeliest}" if likeliest else "",
        *(f"note: {note}" for note in inside.notes),
        *(f"{inside.folder / view['file']}  {view['title']}" for view in inside.views),
        str(inside.page),
    ]
    for line in filter(None, lines):
        screen.print(line, soft_wrap=True, highlight=False, markup=False)
