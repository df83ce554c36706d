"""``crosstrain evaluate``."""

from __future__ import annotations

from typing import Any

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.reporting.terminal.using import print_evaluation

NAME = "evaluate"


@declared.takes(api.evaluate)
def command(run: str, json_file: options.Json = None, **arguments: Any) -> None:
    """Evaluate a trained network on other data: all metrics, with 95 % intervals.

    The data is prepared as the training's was, classes are matched by name, and where the data does not look
    like the training's (size, channels, range, classes) a sentence says so.

    \b
    Examples:
      crosstrain evaluate lenet5-digits
      crosstrain evaluate runs/signs --data folder:new-photos
      crosstrain evaluate runs/signs --data gtsrb:GTSRB.zip --part test --engine openvino --json new.json
    """
    options.check_json(json_file)
    evaluated = api.evaluate(run, **arguments)
    if screen := options.screen(json_file):
        print_evaluation(evaluated, screen)
    options.write(evaluated.to_json(), json_file)
