"""``crosstrain backtest``."""

from __future__ import annotations

from typing import Any

import typer

from crosstrain import api
from crosstrain.cli import declared, options
from crosstrain.reporting.comparison import Comparison
from crosstrain.reporting.terminal.forecasts import print_backtest

NAME = "backtest"


@declared.takes(api.backtest)
def command(network: str, data: str, json_file: options.Json = None, **arguments: Any) -> None:
    """Compare forecasts several times, as if the series had ended earlier each time but the last.

    Networks are trained, scaled and tested anew each time. The table has means over the origins, and in how
    many of them a forecast is better than tomorrow equals today.

    \b
    Examples:
      crosstrain backtest gru --data series:prices.txt:relative=yes --optimizer adam
      crosstrain backtest lstm,tcn --data series:sunspots.csv:window=48,horizon=12 --origins 5 --no-proof
    """
    options.check_json(json_file)
    result = api.backtest(network, data, **arguments)
    screen = options.screen(json_file)
    if screen:
        print_backtest(result, screen)
    options.write(result.to_json(), json_file)
    raise typer.Exit(0 if all(Comparison(part).ok for part in result.parts) else 1)
