"""``crosstrain open``."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from crosstrain.comparison.progress.publish import running

NAME = "open"


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a comparison.")],
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="Port; 0 takes any free one.")
    ] = 0,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address; open nothing.")
    ] = False,
) -> None:
    """Show a comparison's report in the browser, live while the comparison is running.

    The report is served to this machine alone (127.0.0.1), and nothing else is. Ctrl-C ends it.

    \b
    Examples:
      crosstrain open crosstrain-runs/demo
      crosstrain open crosstrain-runs/demo --port 8000 --no-browser
    """
    from crosstrain.reporting.serving import open_server

    server = open_server(folder, port)
    host, bound_port = server.server_address[:2]
    address = f"http://{host!s}:{bound_port}/"
    typer.echo(address)
    if running(folder):
        typer.echo("A comparison is running there: the page shows its results as they come.", err=True)
    typer.echo("Press Ctrl-C to stop.", err=True)
    sys.stdout.flush()
    try:
        if not no_browser and _screen():
            webbrowser.open(address)
        server.serve_forever()
    except KeyboardInterrupt:
        raise typer.Exit(0) from None
    finally:
        server.server_close()


def _screen() -> bool:
    """Whether there is a display for a browser."""
    return sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
