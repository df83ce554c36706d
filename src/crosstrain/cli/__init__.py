"""The command line. One module a command: it parses, calls the API, prints."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from crosstrain.cli import (
    classic,
    code,
    compare,
    datasets,
    diff,
    engines,
    export,
    networks,
    ops,
    prove,
    recipes,
    study,
    train,
    tune,
)
from crosstrain.cli.reports import bundle, history, report, verify
from crosstrain.cli.reports import open as opening
from crosstrain.cli.using import backtest, evaluate, features, forecast, look, predict, sample
from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.system.machine import own_version

EXAMPLES = """
\b
Examples:
  crosstrain compare lenet5,resnet20 --data digits --epochs 3
  crosstrain prove resnet20
  crosstrain train lenet5 --data mnist:data/mnist --engine torch --epochs 5 --out lenet5-mnist
  crosstrain predict lenet5-mnist photo.png
  crosstrain engines

\b
Exit codes: 0 done; 1 something departs or failed; 2 wrong use; 130 interrupted.
"""


class Group(TyperGroup):
    """Turns the errors that users may meet into one sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CrosstrainError as error:
            typer.echo(f"crosstrain: {error}", err=True)
            raise typer.Exit(2) from None
        except StorageError as error:
            typer.echo(f"crosstrain: {error}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.echo("crosstrain: interrupted; run the same command again to go on", err=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Group,
    name="crosstrain",
    context_settings={"max_content_width": 100},
    epilog=EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"crosstrain {own_version()}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Define a network once, in Keras; train it natively on every framework; see proof that it is the same
    work."""


for module in (
    compare, backtest, tune, study, report, history, opening, bundle, verify, prove, diff, ops, train,
    predict, evaluate, forecast, sample, features, export, code, networks, recipes, datasets, look,
):  # fmt: skip
    app.command(module.NAME)(module.command)
for group in (engines, classic):
    app.add_typer(group.app, name=group.NAME)


def main() -> None:
    """The console script."""
    app()
