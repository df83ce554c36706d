"""The task that asks an engine, in its own process, what it can do on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from crosstrain.engines.contract import Engine
from crosstrain.engines.registry import engine_row
from crosstrain.errors import CrosstrainError, EngineMissingError


def run(job: dict[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """``job["engine"]`` names it; the result is its ``Description`` as JSON."""
    return asdict(load_engine(job["engine"]).describe())


def load_engine(name: str) -> Engine:
    """Import an engine and its framework. ``CrosstrainError`` for an unknown name, ``EngineMissingError``
    (with the command that installs it) where the framework is not there."""
    try:
        row = engine_row(name)
    except ValueError as error:
        raise CrosstrainError(str(error)) from error
    if not row.installed:
        raise EngineMissingError(
            f"the engine {name!r} is not installed; install it with: {row.how_to_install}"
        )
    return row.load()
