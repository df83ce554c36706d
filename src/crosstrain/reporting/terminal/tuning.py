"""Tables of tuning: what ``crosstrain tune`` found, and what a comparison measured of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from crosstrain.reporting.terminal import text
from crosstrain.reporting.terminal.grid import grid
from crosstrain.results.rows import counted, size_text
from crosstrain.statistics.ratios import Interval
from crosstrain.tuning.profiles import Profile
from crosstrain.tuning.run import TuningResult
from crosstrain.tuning.space import in_words


def tuning_table(engines: Sequence[Profile], unit: str = "images") -> Table:
    """A row for each engine: seconds an epoch of default and tuned, the factor, what was changed; ``unit`` is
    what examples are called."""
    table = grid(
        ["engine", "default s/epoch", "tuned", f"{unit}/s", "factor [95 %]", "what was changed", "trials"],
        right=(1, 2, 3, 4, 6),
        flexible=5,
    )
    for each in engines:
        table.add_row(each.engine, *_result_cells(each), str(len(each.trials)))
    return table


def _result_cells(profile: Profile) -> list[str]:
    if profile.status == "failed":
        return [text.NOTHING] * 4 + [f"failed: {profile.error}"]
    default, tuned, factor = (profile.interval(n) for n in ("default", "tuned", "factor"))  # type: ignore[arg-type]
    if profile.status == "tuned":
        return [
            _seconds(default), _seconds(tuned), _rate(profile, tuned), _factor(factor),
            in_words(profile.changes.items()),
        ]  # fmt: skip
    summary = "default stays"
    if factor:
        winner = next(t.settings for t in reversed(profile.trials) if t.settings)
        summary += f"; {in_words(winner.items())} is not clearly faster: {_factor(factor)}"
    return [_seconds(default), _seconds(default), _rate(profile, default), "1", summary]


def print_tuning(result: TuningResult, out: Console) -> None:
    """The table, what is missing, and where the profiles are used."""
    size = "" if result.input_size is None else f" at {size_text(result.input_size)}"
    division = "" if result.division == "closed" else " (open division: the arithmetic may change)"
    out.print(
        f"{result.network}{size}, batches of {result.batch_size}, {result.device}{division}", style="bold"
    )
    out.print(tuning_table(result.engines, result.unit))
    for reason in result.absent.values():
        out.print(reason, style="yellow")
    failures = sum(t.seconds is None for each in result.engines for t in each.trials)
    if failures:
        out.print(f"{counted(failures, 'trial')} failed; see {result.folder}/logs.", style="dim")
    if any(each.status == "tuned" for each in result.engines) and result.division == "closed":
        out.print("crosstrain compare --tuned uses these profiles.", style="dim")


def compared_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What a comparison's own cells say of default and tuned."""
    table = grid(
        ["network", "size", "engine", "default s/epoch", "tuned", "factor [95 %]", "what was changed"],
        right=(1, 3, 4, 5),
        flexible=6,
    )
    for row in rows:
        default, tuned, factor = (row.get(n) and Interval(**row[n]) for n in ("default", "tuned", "factor"))
        kept_default = bool(row.get("kept_default"))
        changes = "default stays" if kept_default else in_words((row.get("changes") or {}).items())
        table.add_row(
            row["network"], size_text(row["input_size"]), row["engine"], _seconds(default or None),
            _seconds(tuned or None), "1" if kept_default else _factor(factor or None), changes,
        )  # fmt: skip
    return table


def _seconds(value: Interval | None) -> str:
    return text.NOTHING if value is None else text.seconds(value.value)


def _rate(profile: Profile, value: Interval | None) -> str:
    return (
        text.NOTHING if value is None or not profile.examples else text.rate(profile.examples / value.value)
    )


def _factor(value: Interval | None) -> str:
    return text.NOTHING if value is None else f"{value.value:.2f} [{value.low:.2f}–{value.high:.2f}]"
