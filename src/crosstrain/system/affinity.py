"""Which cores a process is kept on, and OpenMP's threads in it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

VARIABLES = {
    "OMP_PROC_BIND": "close",
    "OMP_PLACES": "cores",
    "KMP_AFFINITY": "granularity=fine,compact,1,0",
}
"""One thread a core, neighbours first: the first two for every OpenMP, the last for Intel's."""


def cores(threads: int) -> list[int]:
    """As many of the usable cores as there are threads: different physical ones before the second halves
    of the same. Empty where the system cannot pin."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return in_order(os.sched_getaffinity(0))[:threads]


def in_order(usable: Iterable[int]) -> list[int]:
    """First the cores that share a physical one with none before them, then the rest."""
    first: list[int] = []
    rest: list[int] = []
    seen: set[str] = set()
    for core in sorted(usable):
        siblings = _siblings(core)
        (rest if siblings in seen else first).append(core)
        seen.add(siblings)
    return first + rest


def _siblings(core: int) -> str:
    """The logical cores of one physical core, as the system lists them."""
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        return path.read_text().strip()
    except OSError:
        return str(core)
