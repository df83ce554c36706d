"""``crosstrain look``."""

from __future__ import annotations

from typing import Any

from crosstrain import api
from crosstrain.cli import declared, options

NAME = "look"


@declared.takes(api.look)
def command(data: str, json_file: options.Json = None, **arguments: Any) -> None:
    """Write a contact sheet of a data set, before it is trained on: a PNG to look at.

    With --augment, a row has an example as it is, then as each epoch of a training will see it.

    \b
    Examples:
      crosstrain look digits
      crosstrain look folder:photos --size 64 --out photos.png
      crosstrain look gtsrb:GTSRB.zip --size 32 --augment rotate=15,zoom=0.1,shift=2,jitter=0.2
    """
    options.check_json(json_file)
    sheet = api.look(data, **arguments)
    screen = options.screen(json_file)
    if screen:
        height, width, channels = sheet.size
        many = f"{len(sheet.examples)} training examples of {height}×{width}×{channels}"
        screen.print(f"{many}, {sheet.draws} draws each" if sheet.draws else many, highlight=False)
        screen.print(str(sheet.path), soft_wrap=True, highlight=False)
    options.write(sheet.to_json(), json_file)
