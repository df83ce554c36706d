"""What else a machine did while a job ran: other processes' load, a hypervisor's, throttling, frequency.

Read from the system's own counters about once a second (``docs/statistics.md``).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SAMPLE_SECONDS = 1.0
FREQUENCY_SECONDS = 5.0
SHORTEST = 0.5
"""Over less time than this (seconds) the counters, which count in hundredths, say too little."""

LISTED = 8
"""The frequencies of so many cores are read at most."""

CPUS = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class Sample:
    """Seconds: the clock, what the cores that may be used were busy with in all, what of it a hypervisor
    took away (``stolen``, not in ``busy``), what the job and its supervisor used."""

    clock: float
    busy: float
    stolen: float
    own: float


class Surroundings:
    """Samples around a job. ``of_job`` gives the processor seconds that the job's processes have used."""

    def __init__(self, of_job: Callable[[], float | None], folder: Path = CPUS) -> None:
        self._of_job = of_job
        self._cores = _usable()
        places = [folder / f"cpu{core}" for core in self._cores[:LISTED]]
        self._speeds = [p for place in places if (p := place / "cpufreq" / "scaling_cur_freq").exists()]
        self._counters = [
            p for place in places if (p := place / "thermal_throttle" / "core_throttle_count").exists()
        ]
        self._throttled = _total(self._counters)
        self._megahertz: list[float] = []
        self._speed_read = -FREQUENCY_SECONDS
        self._first = self._last = self._read()

    def sample(self) -> None:
        """Read the counters, if it is time."""
        now = time.monotonic()
        if self._last and now - self._last.clock < SAMPLE_SECONDS:
            return
        if reading := self._read():
            self._first, self._last = self._first or reading, reading
        if self._speeds and now - self._speed_read >= FREQUENCY_SECONDS:
            self._speed_read = now
            if kilohertz := _total(self._speeds):
                self._megahertz.append(kilohertz / len(self._speeds) / 1000)

    def to_json(self) -> dict[str, Any]:
        """``other_load`` and ``stolen_load`` in cores' worth (means over the job), ``throttled`` (how often
        a core was slowed down for its heat), ``megahertz`` (mean); None where the system does not tell."""
        summary: dict[str, Any] = dict.fromkeys(("other_load", "stolen_load", "throttled", "megahertz"))
        first, last = self._first, self._last
        if first and last and (span := last.clock - first.clock) >= SHORTEST:
            other = (last.busy - first.busy) - (last.own - first.own)
            summary["other_load"] = round(max(other / span, 0.0), 3)
            summary["stolen_load"] = round(max((last.stolen - first.stolen) / span, 0.0), 3)
        after = _total(self._counters)
        if self._throttled is not None and after is not None:
            summary["throttled"] = after - self._throttled
        if self._megahertz:
            summary["megahertz"] = round(sum(self._megahertz) / len(self._megahertz))
        return summary

    def _read(self) -> Sample | None:
        """None once the job is gone."""
        used = self._of_job()
        if used is None:
            return None
        times = psutil.cpu_times(percpu=True)
        mine = [times[core] for core in self._cores if core < len(times)] or times
        # ``user`` holds ``guest``; waiting for a disk keeps no core.
        busy = sum(
            t.user + t.system + getattr(t, "nice", 0.0) + getattr(t, "irq", 0.0) + getattr(t, "softirq", 0.0)
            for t in mine
        )
        stolen = sum(getattr(t, "steal", 0.0) for t in mine)
        return Sample(time.monotonic(), busy, stolen, used + time.process_time())


def _usable() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _total(paths: Sequence[Path]) -> int | None:
    """The sum of files with one number each; None without files, or where one cannot be read."""
    try:
        return sum(int(path.read_text()) for path in paths) if paths else None
    except (OSError, ValueError):
        return None
