"""Forecasts beside their baselines, as a table of the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from crosstrain.forecasting.measures import NAMES
from crosstrain.forecasting.summary import NETWORK, steps_shown
from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.grid import grid
from crosstrain.results.rows import counted

if TYPE_CHECKING:
    from crosstrain.prediction.ahead import Forecasts
    from crosstrain.studies.backtest import Backtest

MOST_VALUES = 12
"""Forecasts that the terminal shows."""


def forecasts_table(summary: Mapping[str, Any]) -> Table:
    """A row for each baseline and each network on an engine."""
    table = grid(["forecast", "engine", *NAMES], right=range(2, 2 + len(NAMES)))
    for entry in summary["entries"]:
        style = "" if entry["kind"] == NETWORK else "dim"
        table.add_row(
            Text(entry["name"], style), entry["engine"], *(measure(name, entry[name]) for name in NAMES)
        )
    return table


def by_step_table(summary: Mapping[str, Any]) -> Table:
    """NRMSE of each forecaster some steps ahead."""
    steps = steps_shown(summary["horizon"])
    table = grid(["NRMSE, steps ahead:", "engine", *map(str, steps)], right=range(2, 2 + len(steps)))
    for entry in summary["entries"]:
        of_steps = (measure("NRMSE", entry["by_step"][step - 1]["NRMSE"]) for step in steps)
        table.add_row(entry["name"], entry["engine"], *of_steps)
    return table


def print_forecasts(summary: Mapping[str, Any], out: Console) -> None:
    """The tables, and what is to be said of each network."""
    if not summary:
        return
    out.print()
    out.print(forecasts_table(summary))
    if summary["horizon"] > 1:
        out.print()
        out.print(by_step_table(summary))
    for sentence in summary["sentences"]:
        out.print(f"{sentence}.", style="bold")


def print_backtest(result: Backtest, out: Console) -> None:
    """Means over the origins, and how often a forecast is better than tomorrow equals today."""
    table = grid(["forecast", "engine", *NAMES, "better"], right=range(2, 3 + len(NAMES)))
    for entry in result.entries:
        often = f"{entry['better']} of {len(result.ends)}"
        table.add_row(entry["name"], entry["engine"], *(measure(n, entry[n]) for n in NAMES), often)
    out.print(table)
    ends = ", ".join(f"{end:,}" for end in result.ends)
    out.print(
        f"Means over series that end after {ends} steps; better: than tomorrow equals today.", style="dim"
    )
    out.print(f"Results are in {result.folder}", style="dim", soft_wrap=True)


def print_ahead(result: Forecasts, out: Console) -> None:
    """Forecasts beyond the end, and how the same network did on the test part."""
    values = " ".join(f"{value:.5g}" for value in result.values[:MOST_VALUES])
    more = f" … ({len(result.values)} in all)" if len(result.values) > MOST_VALUES else ""
    out.print(f"{result.variable}, {counted(result.steps, 'step')} beyond the end: {values}{more}")
    if result.test:
        print_forecasts(result.test, out)
    engine = f"{result.engine} {result.engine_version or ''}".strip()
    out.print(f"{result.network} on {engine}.", style="dim")


def measure(name: str, value: float | None) -> str:
    """A measure as it stands in tables; sMAPE in percent, directions as a share."""
    if value is None:
        return text.NOTHING
    if name == "direction":
        return f"{value:.1%}"
    return f"{value:.2f} %" if name == "sMAPE" else f"{value:.4g}"
