"""``crosstrain engines`` and its commands: list, install, remove, doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from crosstrain import api
from crosstrain.cli import options
from crosstrain.errors import CrosstrainError
from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.engines import print_engines, print_findings

NAME = "engines"

app = typer.Typer(rich_markup_mode=None, add_completion=False, invoke_without_command=True)

Look = Annotated[
    bool | None,
    typer.Option(
        "--look/--no-look",
        help="Look again at what each engine can do, or at none. Default: only at those not yet known.",
    ),
]
ShowOptions = Annotated[bool, typer.Option("--options", help="Show each engine's options too.")]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="NAME…", help="Engines, for example: mxnet theano.")
]


@app.callback()
def command(
    context: typer.Context, look: Look = None, show: ShowOptions = False, json_file: options.Json = None
) -> None:
    """List the engines: version, what they do, where they run, devices, precisions, status, size. Install
    those that are missing into environments of their own.

    \b
    Examples:
      crosstrain engines
      crosstrain engines --options
      crosstrain engines --look --json -
      crosstrain engines install --all
      crosstrain engines install mxnet theano
      crosstrain engines remove theano
      crosstrain engines doctor mxnet
    """
    if context.invoked_subcommand is None:
        listing(look, show, json_file)


@app.command("list")
def listing(look: Look = None, show: ShowOptions = False, json_file: options.Json = None) -> None:
    """List the engines; the same as without a command.

    \b
    Examples:
      crosstrain engines list --no-look
    """
    options.check_json(json_file)
    rows = api.describe_engines(look=look)
    screen = options.screen(json_file)
    if screen:
        print_engines(rows, screen, options=show)
    options.write({"engines": rows}, json_file)
    raise typer.Exit(1 if any(row["status"] == "broken" for row in rows) else 0)


@app.command()
def install(
    names: Names = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that your own Python does not have.")
    ] = False,
    cuda: Annotated[
        bool, typer.Option("--cuda", help="Builds for NVIDIA's GPUs, of the CUDA that the driver runs.")
    ] = False,
    json_file: options.Json = None,
) -> None:
    """Make an environment for each engine: pinned versions, apart from your own Python, under your cache.

    Existing environments stay as they are; one that fails does not stop the others. Builds with CUDA
    replace your own Python's; removing them brings it back.

    \b
    Examples:
      crosstrain engines install mxnet
      crosstrain engines install --all
      crosstrain engines install --cuda torch jax
    """
    options.check_json(json_file)
    results = api.install_engines(_named(names, everything), cuda=cuda)
    screen = options.screen(json_file)
    for result in results if screen else ():
        assert screen is not None
        if result["status"] == "own":
            screen.print(
                f"{result['engine']} {result['version']} runs in your own Python; nothing is needed."
            )
    environments = [result for result in results if result["status"] in ("made", "there")]
    if screen and environments:
        size = text.memory(sum(result["bytes"] or 0 for result in environments))
        elapsed = text.seconds(sum(result["seconds"] for result in environments))
        screen.print(
            f"{len(environments)} of {len(results)} engines have environments: {size}, {elapsed} spent."
        )
    options.write({"engines": results}, json_file)
    raise typer.Exit(1 if any(result["status"] == "failed" for result in results) else 0)


@app.command()
def remove(
    names: Names = None,
    everything: Annotated[bool, typer.Option("--all", help="All that crosstrain has made.")] = False,
    json_file: options.Json = None,
) -> None:
    """Delete the environments of engines. Your own Python is never touched.

    \b
    Examples:
      crosstrain engines remove theano
      crosstrain engines remove --all
    """
    options.check_json(json_file)
    freed_bytes = api.remove_engines(_named(names, everything))
    screen = options.screen(json_file)
    for name, size in freed_bytes.items() if screen else ():
        assert screen is not None
        if size:
            screen.print(f"{name}: {text.memory(size)} freed")
        elif not everything:
            screen.print(f"{name}: crosstrain has made no environment for it; there is nothing to remove")
    if screen and everything:
        screen.print(f"{text.memory(sum(freed_bytes.values()))} freed in all")
    options.write({"freed": freed_bytes}, json_file)


@app.command()
def doctor(
    names: Names = None,
    json_file: options.Json = None,
) -> None:
    """Examine engines: their files, their framework's import, a tiny network trained and proved.

    Says what is wrong and how to mend it. Without names, all that are installed. Exit code 1 where one is
    not well.

    \b
    Examples:
      crosstrain engines doctor mxnet
      crosstrain engines doctor
    """
    options.check_json(json_file)
    findings = [finding.to_json() for finding in api.examine_engines(names or "all")]
    screen = options.screen(json_file)
    if screen:
        print_findings(findings, screen)
    options.write({"engines": findings}, json_file)
    raise typer.Exit(0 if all(each["well"] for each in findings) else 1)


def _named(names: list[str] | None, everything: bool) -> list[str] | str:
    """The engines a command names, separated by spaces or commas."""
    if everything and names:
        raise CrosstrainError("name engines, or say --all, not both")
    if everything:
        return "all"
    engines = [name for text_ in names or () for name in text_.split(",") if name]
    if not engines:
        raise CrosstrainError("name at least one engine (crosstrain engines lists them), or say --all")
    return engines
