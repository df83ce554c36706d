"""Workers that a proof will need, started as it begins: they import frameworks while a network is defined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from crosstrain.engines.registry import engine_row
from crosstrain.environments.environments import find
from crosstrain.proof import witness
from crosstrain.proof.truths import gather
from crosstrain.runs.at_once import MEMORY_EACH, slots
from crosstrain.runs.spares import Spares


def start(
    spares: Spares,
    source: str,
    engines: Sequence[str],
    folder: Path,
    device: str,
    threads: int | None,
    options: Mapping[str, Mapping[str, Any]],
) -> None:
    """Start workers for the first truth, unless ``folder`` holds truths already, and for the evidence of the
    first engines, as many as are asked at a time; only as many as memory has room for. On a GPU none: an
    import may reserve its memory."""
    ready = [name for name in engines if find(engine_row(name))]
    if device != "cpu" or not ready:
        return
    jobs: list[tuple[Mapping[str, Any], str | None]] = []
    if not any((folder / gather.PLACE).glob("*.json")):
        backends = list(gather.homes(ready[0]).items())[:1]
        jobs += [(gather.beginning(backend, source), python) for backend, python in backends]
    for name in ready[: slots(len(ready))]:
        jobs.append((witness.beginning(name, device, threads, options.get(name, {})), None))
    room = psutil.virtual_memory().available // MEMORY_EACH - 1  # one defines the network
    for job, python in jobs[: max(0, room)]:
        spares.start(job, python)
