"""What each engine says it can do on this machine, asked in a process of its own and remembered."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from crosstrain import engines
from crosstrain.engines.registry import EngineRow
from crosstrain.environments.environments import Environment, find
from crosstrain.runs.process import run_job
from crosstrain.system.files import write_json
from crosstrain.system.gpus import gpus
from crosstrain.system.machine import processor
from crosstrain.system.places import cache_root

AT_ONCE = 2
"""How many engines are asked at the same time; importing a framework fills about one core."""
PATIENCE = 180.0
"""Seconds that an engine may take to describe itself."""

_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "JAX_PLATFORMS")


def describe(row: EngineRow, where: Environment, *, anew: bool = False) -> dict[str, Any]:
    """An engine's ``Description`` as JSON with ``status`` ``ready``, or ``broken`` with the ``error``.

    It is remembered for as long as its Python, the framework's version, crosstrain's engines and the
    devices that the shell shows stay the same; ``anew`` asks in any case. What is broken is asked each time.
    """
    note = _note(row, where)
    if not anew and (cached := _cached(note)):
        return cached | {"hardware": hardware(cached)}
    with tempfile.TemporaryDirectory(prefix="crosstrain-") as logs:
        # No device: a GPU is to be seen where there is one.
        outcome = run_job({"task": "describe", "engine": row.name}, folder=Path(logs), timeout=PATIENCE)
    if outcome.result is None:
        return {"status": "broken", "error": outcome.error}
    description = {"status": "ready", "error": None, **outcome.result}
    forget(row)
    note.parent.mkdir(parents=True, exist_ok=True)
    write_json(note, description)
    return description | {"hardware": hardware(description)}


def hardware(description: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Each device of a description with ``name`` and ``memory_bytes`` (None: it is not known): as the engine
    says, else as the system and NVIDIA's driver do."""
    known = {"cpu": {"name": processor(), "memory_bytes": psutil.virtual_memory().total}}
    for number, card in enumerate(gpus().cards):
        known[f"cuda:{number}"] = {"name": card.name, "memory_bytes": card.memory_bytes}
    own = description.get("hardware") or {}
    return {
        device: own.get(device) or known.get(device) or {"name": None, "memory_bytes": None}
        for device in description["devices"]
    }


def described(rows: Mapping[str, EngineRow], *, anew: bool = False) -> dict[str, dict[str, Any]]:
    """The descriptions of those engines that can run here, by name, a few asked at a time."""
    environments = {name: environment for name, row in rows.items() if (environment := find(row))}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        pending = {
            n: pool.submit(describe, rows[n], environment, anew=anew)
            for n, environment in environments.items()
        }
        return {name: future.result() for name, future in pending.items()}


def forget(row: EngineRow) -> None:
    """Delete what is remembered of an engine."""
    for note in _folder().glob(f"{row.name}.*.json"):
        note.unlink(missing_ok=True)


def _folder() -> Path:
    return cache_root() / "descriptions"


def _note(row: EngineRow, where: Environment) -> Path:
    """The file of a description, called after all that decides its content."""
    files, here = sorted(Path(engines.__file__).parent.rglob("*.py")), gpus()
    facts = [
        [where.python, where.version, sorted(row.variables.items())],
        [os.environ.get(name) for name in _VISIBLE],
        # Another driver may run what the last one could not.
        [here.driver, [card.name for card in here.cards]],
        [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files],
    ]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return _folder() / f"{row.name}.{digest[:16]}.json"


def _cached(note: Path) -> dict[str, Any] | None:
    try:
        description = json.loads(note.read_text())
    except (OSError, ValueError):
        return None
    return description if isinstance(description, dict) and description.get("status") == "ready" else None
