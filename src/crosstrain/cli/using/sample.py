"""``crosstrain sample``."""

from __future__ import annotations

from typing import Any

from crosstrain import api
from crosstrain.cli import declared, options

NAME = "sample"


@declared.takes(api.sample)
def command(run: str, json_file: options.Json = None, **arguments: Any) -> None:
    """Let a trained language model continue a text, token by token.

    \b
    Examples:
      crosstrain sample readme-gpt --prompt "A network is "
      crosstrain sample readme-gpt --tokens 400 --temperature 0.5 --seed 3
    """
    options.check_json(json_file)
    result = api.sample(run, **arguments)
    screen = options.screen(json_file)
    if screen:
        screen.print(f"{result.prompt}{result.text}", soft_wrap=True)
    options.write(result.to_json(), json_file)
