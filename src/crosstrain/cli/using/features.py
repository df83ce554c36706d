"""``crosstrain features``."""

from __future__ import annotations

from typing import Any

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.reporting.terminal.using import print_features

NAME = "features"


@declared.takes(api.features)
def command(
    run: str, inputs: list[str] | None = None, json_file: options.Json = None, **arguments: Any
) -> None:
    """Write what comes out of a layer of a trained network, as arrays.

    Of a data set, with its targets, so that --data arrays:FILE.npz trains on the features.

    \b
    Examples:
      crosstrain features runs/signs --layer avg_pool --out features.npz
      crosstrain train mlp --data arrays:features.npz --engine torch
      crosstrain features runs/signs photos --layer avg_pool --out photos.npz
    """
    options.check_json(json_file)
    written = api.features(run, inputs, **arguments)
    if screen := options.screen(json_file):
        print_features(written, screen)
    options.write(written.to_json(), json_file)
