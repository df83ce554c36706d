"""``crosstrain classic`` and its command: demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crosstrain.classic.demos import DEMOS, demo
from crosstrain.cli import options
from crosstrain.errors import CrosstrainError, StorageError

NAME = "classic"

app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)


@app.callback()
def _root() -> None:
    """The classical networks, from the perceptron to deep stacking nets (docs/classic)."""


@app.command("demo")
def draw(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which; without, lists all.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="A .png, .svg or .html, or a .gif of what moves. Default: NAME.png (and .gif if it moves).",
        ),
    ] = None,
    json_file: options.Json = None,
) -> None:
    """Draw a small example of a classical network, without a line of code.

    \b
    Examples:
      crosstrain classic demo
      crosstrain classic demo hopfield
      crosstrain classic demo hopfield --out letter.gif
      crosstrain classic demo som --out map.html
    """
    options.check_json(json_file)
    options.check_json(out)
    screen = options.screen(json_file)
    if name is None:
        if out:
            raise CrosstrainError("--out needs the name of a demo; crosstrain classic demo lists them")
        if screen:
            width = max(map(len, DEMOS))
            for each, row in DEMOS.items():
                note = " (moves: .gif)" if ".gif" in row.forms else ""
                screen.print(f"{each:{width}}  {row.what}{note}", highlight=False)
        rows = [{"name": each, "what": row.what, "forms": list(row.forms)} for each, row in DEMOS.items()]
        options.write({"demos": rows}, json_file)
        return
    moves = name in DEMOS and ".gif" in DEMOS[name].forms
    files = [out] if out else [Path(f"{name}{form}") for form in (".png", ".gif")[: 1 + moves]]
    try:
        sentences = [demo(name, file) for file in files]
    except ValueError as error:
        raise CrosstrainError(str(error)) from error
    except OSError as error:
        raise StorageError(f"cannot write {files[0]}: {error}") from error
    if screen:
        screen.print(sentences[0], highlight=False, soft_wrap=True)
        for file in files:
            screen.print(str(file), highlight=False, soft_wrap=True)
    options.write({"demo": name, "result": sentences[0], "files": list(map(str, files))}, json_file)
