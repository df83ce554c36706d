"""Which of the engines asked for can take part, and in which division."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crosstrain.comparison.devices import lacking
from crosstrain.comparison.entrants import Division, Setup, beside
from crosstrain.comparison.settings import Settings
from crosstrain.engines.registry import engine_of
from crosstrain.engines.registry import engines as engine_rows
from crosstrain.environments.environments import find
from crosstrain.errors import CrosstrainError, EngineMissingError
from crosstrain.results.rows import size_text
from crosstrain.results.schema import Size
from crosstrain.runs.process import run_job
from crosstrain.system.gpus import gpus


@dataclass(frozen=True)
class Field:
    """The entrants of a comparison: those that run, with their division, and the others with the reason.

    ``tuned`` are further ones, with their setup, for each network and size (as text) that they take part in.
    """

    ready: Mapping[str, Division]
    absent: Mapping[str, str] = field(default_factory=dict)
    tuned: Mapping[tuple[str, str], Mapping[str, Setup]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """All that run, whatever they take part in."""
        return beside(list(self.ready), [name for each in self.tuned.values() for name in each])

    def of(self, network: str, size: Size) -> list[str]:
        """Those that take part in a network at a size."""
        return [name for name in self.names if self.takes_part(network, size, name)]

    def takes_part(self, network: str, size: Size, entrant: str) -> bool:
        return entrant in self.ready or entrant in self.tuned.get((network, size_text(size)), {})

    def setup(self, settings: Settings, network: str, size: Size, entrant: str) -> Setup:
        """How the processes of an entrant are started for a network at a size."""
        if entrant not in self.ready:
            return self.tuned[network, size_text(size)][entrant]
        options = settings.options.get(entrant, {})
        return Setup(engine_of(entrant), options, settings.threads, division=self.ready[entrant])


def muster(settings: Settings, logs: Path) -> Field:
    """Sort the engines. ``CrosstrainError`` where none can run, or an option does not exist.

    An engine is asked to describe itself (which imports its framework) only where a device or an option
    has to be checked.
    """
    rows = engine_rows()
    ready: dict[str, Division] = {}
    absent: dict[str, str] = {}
    descriptions: dict[str, dict[str, Any]] = {}
    for name in settings.engines:
        engine = engine_of(name)
        if not find(rows[engine]):
            absent[name] = f"{engine} is not installed; install it with: {rows[engine].how_to_install}"
            continue
        options = settings.options.get(name, {})
        if settings.device == "cpu" and not options:
            ready[name] = "closed"
            continue
        if engine not in descriptions:
            descriptions[engine] = _described(engine, settings.device, logs)
        description = descriptions[engine]
        if reason := lacking(name, settings.device, description, gpus()):
            absent[name] = reason
            continue
        ready[name] = division_of(name, options, description["options"])
    if not ready:
        installed = any(find(rows[engine_of(name)]) for name in settings.engines)
        kind = CrosstrainError if installed else EngineMissingError
        raise kind("; ".join(dict.fromkeys(absent.values())))
    return Field(ready, absent)


def _described(name: str, device: str, logs: Path) -> dict[str, Any]:
    outcome = run_job(
        {"task": "describe", "id": f"describe-{name}", "engine": name, "device": device}, folder=logs
    )
    if outcome.result is None:
        raise CrosstrainError(
            f"the engine {name} cannot describe itself: {outcome.error} (log: {outcome.log})"
        )
    return outcome.result


def division_of(name: str, options: Mapping[str, Any], known: Mapping[str, Any]) -> Division:
    """``open`` as soon as one option that changes the arithmetic differs from its default.

    ``known`` are the options of the engine's description. ``CrosstrainError`` for one that it does not have,
    and for a value that it does not take.
    """
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
