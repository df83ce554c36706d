"""Which of the engines asked for can take part, and in which division."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from crosstrain.compare.settings import Settings
from crosstrain.engines.environments import find
from crosstrain.engines.registry import engines as engine_rows
from crosstrain.errors import CrosstrainError, EngineMissingError
from crosstrain.runs.process import run_job

Division = Literal["closed", "open"]


@dataclass(frozen=True)
class Field:
    """The engines of a comparison: those that run, with their division, and the others with the reason."""

    ready: Mapping[str, Division]
    absent: Mapping[str, str] = field(default_factory=dict)


def muster(settings: Settings, logs: Path) -> Field:
    """Sort the engines. ``CrosstrainError`` where none can run, or an option does not exist.

    An engine is asked to describe itself (which imports its framework) only where a device or an option
    has to be checked.
    """
    rows = engine_rows()
    ready: dict[str, Division] = {}
    absent: dict[str, str] = {}
    for name in settings.engines:
        if not find(rows[name]):
            absent[name] = f"{name} is not installed; install it with: {rows[name].how_to_install}"
            continue
        options = settings.options.get(name, {})
        if settings.device == "cpu" and not options:
            ready[name] = "closed"
            continue
        description = _described(name, settings.device, logs)
        if settings.device not in description["devices"]:
            devices = ", ".join(description["devices"])
            absent[name] = f"{name} has no device {settings.device!r} on this machine; it has {devices}"
            continue
        ready[name] = _division(name, options, description["options"])
    if not ready:
        kind = EngineMissingError if not any(find(rows[n]) for n in settings.engines) else CrosstrainError
        raise kind("; ".join(absent.values()))
    return Field(ready, absent)


def _described(name: str, device: str, logs: Path) -> dict[str, Any]:
    outcome = run_job(
        {"task": "describe", "id": f"describe-{name}", "engine": name, "device": device}, folder=logs
    )
    if outcome.result is None:
        raise CrosstrainError(
            f"the engine {name} cannot say what it can do: {outcome.error} (log: {outcome.log})"
        )
    return outcome.result


def _division(name: str, options: Mapping[str, Any], known: Mapping[str, Any]) -> Division:
    """``open`` as soon as one option that changes the arithmetic differs from its default."""
    division: Division = "closed"
    for option, value in options.items():
        if option not in known:
            raise CrosstrainError(
                f"the engine {name} has no option {option!r}; it has {', '.join(known) or 'none'}"
            )
        if value not in known[option]["choices"]:
            choices = ", ".join(map(str, known[option]["choices"]))
            raise CrosstrainError(f"{name}.{option} cannot be {value!r}; it can be {choices}")
        if known[option]["division"] == "open" and value != known[option]["default"]:
            division = "open"
    return division
