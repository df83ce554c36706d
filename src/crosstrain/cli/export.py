"""``crosstrain export``."""

from __future__ import annotations

from typing import Any

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.reporting.terminal.exports import print_export

NAME = "export"


@declared.takes(api.export)
def command(run: str, form: str, json_file: options.Json = None, **arguments: Any) -> None:
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
    exported = api.export(run, form, **arguments)
    screen = options.screen(json_file)
    if screen:
        print_export(exported, screen)
    options.write(exported.to_json(), json_file)
