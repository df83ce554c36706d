"""``crosstrain diff``."""

from __future__ import annotations

from typing import Any

import typer

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.reporting.difference.page import page
from crosstrain.reporting.difference.terminal import print_difference

NAME = "diff"


@declared.takes(api.diff)
def command(
    a: str, b: str, html_file: options.HtmlFile = None, json_file: options.Json = None, **arguments: Any
) -> None:
    """Say whether two definitions are the same network, or where they first differ, why, and what to change.

    Both get the same inputs, each in its own layout, and the same weights; outputs in inference and training,
    statistics, loss, gradients and training steps are compared in float64. Exit code 0: the same, 1: not.

    \b
    Examples:
      crosstrain diff keras_net.py:build torch_net.py:build --data digits
      crosstrain diff keras_net.py:build torch_net.py:build --input-shape 32,32,3 --allow running-variance
      crosstrain diff model.keras model.onnx --json diff.json --html diff.html
      crosstrain diff keras_net.py:build torch_net.py:build --optimizer adamw --optimizer-b torch.adamw
    """
    options.check_json(json_file)
    options.check_json(html_file)
    found = api.diff(a, b, **arguments)
    if screen := options.screen(json_file):
        print_difference(found, screen)
    if html_file:
        options.write_page(page(found), html_file)
    options.write(found.to_json(), json_file)
    raise typer.Exit(0 if found.same else 1)
