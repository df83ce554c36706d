"""``crosstrain verify``."""

from __future__ import annotations

from typing import Any

import typer

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.reporting.terminal.answer import print_answer

NAME = "verify"


@declared.takes(api.verify)
def command(file: str, json_file: options.Json = None, **arguments: Any) -> None:
    """Check a bundle, then prove and train a sample of it again.

    Every file is held against its hash, the tables against the cells. Then the recommended network is proved
    and trained here on every engine that is here, from the bundle's own definition and initial weights, and
    set beside the bundle: accuracies, certificates, and which engine is faster. Times of another machine
    prove nothing and are only shown.

    \b
    Examples:
      crosstrain verify my-run.zip
      crosstrain verify my-run.zip --sha256 1f2e… --no-retrain
      crosstrain verify my-run.zip --data gtsrb:GTSRB.zip --networks all --repeats 3
    """
    options.check_json(json_file)
    found = api.verify(file, **arguments)
    screen = options.screen(json_file)
    if screen:
        print_answer(found.answer(), screen)
        if found.folder:
            screen.print(f"Trained in {found.folder}", style="dim", soft_wrap=True)
    options.write(found.to_json(), json_file)
    raise typer.Exit(0 if found.ok else 1)
