"""Options that no public function has, and how a command writes its JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.reporting.terminal.grid import console
from crosstrain.system.files import write_bytes

Trust = Annotated[
    bool,
    typer.Option("--trust", help="Run code that a .keras file carries (lambda layers). Only for your own."),
]
Json = Annotated[
    Path | None,
    typer.Option(
        "--json", metavar="FILE", help="Write the result as JSON; - writes only JSON, to standard output."
    ),
]

HtmlFile = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write a page that needs no network."),
]


def screen(json_file: Path | None) -> Console | None:
    """Where tables go: standard output, or nowhere when the JSON goes there."""
    return None if json_file == Path("-") else console()


def write(data: Any, json_file: Path | None) -> None:
    """Write the result as JSON where ``--json`` asks for it."""
    if json_file is None:
        return
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if json_file == Path("-"):
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    write_page(text, json_file)


def write_page(text: str, file: Path) -> None:
    """Write a file, whole or not at all."""
    try:
        write_bytes(file, text.encode())
    except FileNotFoundError as error:
        raise StorageError(f"cannot write {file}: there is no folder {file.parent}") from error


def check_json(json_file: Path | None) -> None:
    """Refuse a file that cannot be written, before hours are spent on its content."""
    if json_file is None or json_file == Path("-"):
        return
    if json_file.is_dir() or not json_file.absolute().parent.is_dir():
        raise CrosstrainError(f"cannot write {json_file}: name a file in an existing folder")
