"""Workers that a proof will need, started as it begins: they import frameworks while something else runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from crosstrain.engines.registry import engine_row
from crosstrain.environments.environments import find
from crosstrain.proof import witness
from crosstrain.proof.truths import gather
from crosstrain.runs.at_once import MEMORY_EACH, slots
from crosstrain.runs.spares import Spares
from crosstrain.system.machine import usable_cores

Expected = tuple[Mapping[str, Any], str | None]
"""What a job begins with, and its Python where it is not the engine's."""


def in_order(engines: Sequence[str]) -> list[str]:
    """Engines as they are asked: first those that take longest, lest one of them ends alone while the other
    cores are idle; and one whose truth is another backend's early, since the two truths need no order."""
    order = sorted(engines, key=lambda name: not engine_row(name).compiles)
    first = _first_home(order[0]) if order else None
    return [*order[:1], *sorted(order[1:], key=lambda name: _first_home(name) == first)]


def _first_home(engine: str) -> tuple[str, str] | None:
    """The backend of the truth that is asked first about an engine, and its Python; None where there is no
    backend."""
    return next(iter(gather.homes(engine).items()), None)


def expected(
    source: str,
    engines: Sequence[str],
    folder: Path,
    device: str,
    threads: int | None,
    options: Mapping[str, Mapping[str, Any]],
) -> list[Expected]:
    """The jobs of a proof that are sure to come, in their order: the truths of the first engines, unless
    ``folder`` holds truths already, and their evidence, for as many as are asked at a time; only as many as
    memory has room for. On a GPU none: an import may reserve its memory."""
    ready = [name for name in engines if find(engine_row(name))]
    if device != "cpu" or not ready:
        return []
    jobs: list[Expected] = []
    first = ready[: slots(len(ready))]
    if not any((folder / gather.PLACE).glob("*.json")):
        homes = dict(home for name in first if (home := _first_home(name)))
        jobs += [(gather.beginning(backend, source), python) for backend, python in homes.items()]
    for name in first:
        jobs.append((witness.beginning(name, device, threads, options.get(name, {})), None))
    room = psutil.virtual_memory().available // MEMORY_EACH - 1  # one process defines the network
    return jobs[: max(0, room)]


@contextmanager
def started(spares: Spares, jobs: Sequence[Expected]) -> Iterator[None]:
    """Start a worker for each job: at once on cores that are idle while the block keeps one busy, and the
    others after it, since they would only slow it down."""
    idle = usable_cores() - 1
    for job, python in jobs[:idle]:
        spares.start(job, python)
    yield
    for job, python in jobs[idle:]:
        spares.start(job, python)
