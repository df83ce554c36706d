"""``crosstrain code``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.syntax import Syntax

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.reporting.network.beside import page, show
from crosstrain.reporting.terminal.grid import console
from crosstrain.source.beside import beside
from crosstrain.source.network import Source
from crosstrain.system.files import write_bytes

NAME = "code"


@declared.takes(api.code)
def command(
    network: str,
    engine: str,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the source to FILE, not to the screen."),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="FORM", help="script or notebook (Jupyter, .ipynb).")
    ] = "script",
    requirements: Annotated[
        Path | None,
        typer.Option("--requirements", metavar="FILE", help="Write the packages that the source needs."),
    ] = None,
    side_by_side: Annotated[
        bool,
        typer.Option("--side-by-side", help="Set the sources of several engines beside each other."),
    ] = False,
    json_file: options.Json = None,
    **arguments: Any,
) -> None:
    """Write a network and its training as source of one framework, and prove it equal to the network.

    The source needs NumPy and the framework alone. It trains on an .npz of arrays and takes crosstrain's
    weights by name. The verdict of the check and the lines of code go to standard error.

    \b
    Examples:
      crosstrain code resnet20 --engine torch
      crosstrain code lenet5 --engine jax --optimizer adam --out lenet5_jax.py
      crosstrain code my_net.py:build --engine mxnet --no-check
      crosstrain code resnet20 --engine flax --format notebook --out resnet20.ipynb
      crosstrain code lenet5 --engine jax --out lenet5.py --requirements requirements.txt
      crosstrain code resnet20 --engine torch,flax --side-by-side --out resnet20.html
    """
    if form not in FORMS:
        raise CrosstrainError(f"source is written as {' or '.join(FORMS)}, not as {form!r}")
    for path in (json_file, out, requirements):
        options.check_json(path)
    if side_by_side:
        if form != "script" or requirements:
            raise CrosstrainError(
                "--side-by-side writes a page or columns; leave --format and --requirements out"
            )
        _side_by_side(network, engine, out, json_file, arguments)
    source = api.code(network, engine, **arguments)
    text = FORMS[form](source)
    if out:
        _keep(out, text)
    elif options.screen(json_file):
        _show(text)
    if requirements:
        _keep(requirements, "".join(f"{pin}\n" for pin in source.requirements))
    Console(stderr=True).print(summary(source), highlight=False, markup=False, soft_wrap=True)
    options.write(source.to_json(), json_file)
    raise typer.Exit(0 if source.check is None or source.check.proved else 1)


MOST_BESIDE = 4


def _side_by_side(
    network: str, engines: str, out: Path | None, json_file: Path | None, arguments: dict[str, Any]
) -> NoReturn:
    names = [name.strip() for name in engines.split(",")]
    if not 2 <= len(names) <= MOST_BESIDE or len(set(names)) < len(names):
        raise CrosstrainError(
            f"--side-by-side takes 2 to {MOST_BESIDE} different engines, as --engine torch,flax, "
            f"not {engines!r}"
        )
    sources = [api.code(network, name, **arguments) for name in names]
    together = beside(sources)
    if out:
        _keep(out, page(together))
    elif options.screen(json_file):
        show(together, Console() if sys.stdout.isatty() else console())
    for source in sources:
        Console(stderr=True).print(summary(source), highlight=False, markup=False, soft_wrap=True)
    options.write(together.to_json(), json_file)
    raise typer.Exit(0 if all(each.check is None or each.check.proved for each in sources) else 1)


FORMS: dict[str, Callable[[Source], str]] = {
    "script": lambda source: source.text,
    "notebook": Source.notebook,
}


def _show(text: str) -> None:
    """Print the source, in colours on a terminal."""
    if sys.stdout.isatty():
        Console().print(Syntax(text, "python", background_color="default"))
    else:
        sys.stdout.write(text)
        sys.stdout.flush()


def _keep(out: Path, text: str) -> None:
    try:
        write_bytes(out, text.encode())
    except FileNotFoundError as error:
        raise StorageError(f"cannot write {out}: there is no folder {out.parent}") from error


def summary(source: Source) -> str:
    """Size and verdict in one sentence."""
    size = f"{source.network} for {source.engine}: {source.lines} lines of code"
    check = source.check
    if check is None:
        return f"{size}; not checked"
    if check.error:
        return f"{size}; the check failed: {check.error}"
    worst = ", ".join(f"{group.replace('_', ' ')} {error:.1e}" for group, error in check.errors.items())
    verdict = "proved equal" if check.proved else "NOT equal"
    return f"{size}; {verdict} in {check.precision} ({worst}; {check.steps} steps; truth: {check.truth})"
