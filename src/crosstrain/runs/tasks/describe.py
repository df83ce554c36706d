"""The task that asks an engine, in its own process, what it can do on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from crosstrain.engines.contract import Engine
from crosstrain.engines.devices import device_module
from crosstrain.engines.registry import EngineRow, engine_row
from crosstrain.errors import CrosstrainError, EngineMissingError


def run(job: dict[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """``job["engine"]`` names it; the result is its ``Description`` as JSON."""
    row = importable(job["engine"])
    engine = row.load_for_inference() if row.reads else row.load()
    description = engine.describe()
    if description.cuda is None and (module := device_module(row)):
        description = replace(description, cuda=module.cuda())
    return asdict(description)


def load_engine(name: str) -> Engine:
    """Import an engine and its framework; errors as of ``importable``."""
    return importable(name).load()


def importable(name: str) -> EngineRow:
    """The row of an engine whose framework is there. ``CrosstrainError`` for an unknown name,
    ``EngineMissingError`` (with the command that installs it) where it is not."""
    try:
        row = engine_row(name)
    except ValueError as error:
        raise CrosstrainError(str(error)) from error
    if not row.importable:
        raise EngineMissingError(
            f"the engine {name!r} is not installed; install it with: {row.how_to_install}"
        )
    return row
