"""Reads the energy counters of processors (RAPL) and of NVIDIA's GPUs (NVML) around a job."""

from __future__ import annotations

import re
import statistics
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from crosstrain.system import gpus

POWERCAP = Path("/sys/class/powercap")
SAMPLE_SECONDS = 20.0
"""How often counters are read in between: one of 32 bits in µJ starts anew after 72 minutes at 1 W, after
less than half a minute at 150 W."""

_PACKAGE = re.compile(r"intel-rapl:\d+")
"""Zones of whole processor packages (AMD's have the same name); those of parts of them have a further
number."""

OnEvent = Callable[[dict[str, Any]], None]


class Counter(Protocol):
    """Counts energy up to ``limit`` (J), then starts anew at zero; ``limit`` is 0 where it never does."""

    @property
    def name(self) -> str: ...

    @property
    def limit(self) -> float: ...

    def read(self) -> float:
        """Joules since some moment. ``OSError`` where it cannot be read."""


@dataclass(frozen=True)
class Rapl:
    """A zone of the kernel's powercap interface; its files count in µJ."""

    folder: Path
    name: str
    limit: float

    def read(self) -> float:
        return int((self.folder / "energy_uj").read_text()) / 1e6


@dataclass(frozen=True)
class Nvml:
    """A GPU; NVML counts in mJ, in 64 bits."""

    name: str
    handle: Any
    limit: float = 0.0

    def read(self) -> float:
        import pynvml

        try:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(self.handle)) / 1e3
        except pynvml.NVMLError as error:
            raise OSError(f"{self.name} does not report its energy: {error}") from error


def counters(device: str = "cpu", powercap: Path = POWERCAP) -> tuple[list[Counter], str]:
    """The counters that can be read for work on a device (on a GPU: the processor's and that GPU's), and a
    sentence why there are none, "" where there are."""
    packages, reason = _packages(powercap)
    if device.startswith("cuda"):
        gpu, missing = _gpu(gpus.index_of(device) or 0)
        # Without the GPU's share, the processor's alone would say nothing of what such a training takes.
        return ([*packages, gpu], "") if gpu else ([], missing)
    return packages, reason


def _packages(powercap: Path) -> tuple[list[Counter], str]:
    zones = sorted(p for p in powercap.iterdir() if _PACKAGE.fullmatch(p.name)) if powercap.is_dir() else []
    packages: list[Counter] = []
    try:
        for zone in zones:
            limit = int((zone / "max_energy_range_uj").read_text()) / 1e6
            counter = Rapl(zone, (zone / "name").read_text().strip(), limit)
            counter.read()
            if counter.name.startswith("package"):  # "psys" would count the packages once more
                packages.append(counter)
    except PermissionError:
        return [], "the processor's energy counters may be read by the administrator alone"
    except (OSError, ValueError) as error:
        return [], f"the processor's energy counters cannot be read ({error})"
    return packages, "" if packages else "this machine shows no energy counter of its processor (RAPL)"


def _gpu(index: int) -> tuple[Counter | None, str]:
    try:
        nvml, handle = gpus.load_nvml(), gpus.handle(index)
        name = gpus.query(nvml.nvmlDeviceGetName, handle) or f"cuda:{index}"
        counter = Nvml(name.decode() if isinstance(name, bytes) else str(name), handle)
        counter.read()
    except (gpus.NvmlUnavailableError, OSError) as error:
        return None, str(error)
    return counter, ""


class Meter:
    """Joules used within its context, and those of them that were used while the worker was training.

    The counters cover all that runs on their chips, other programs too. Pass the worker's events to
    ``on_event``: they mark the ends of phases and epochs. Without counters it does nothing and is cheap.
    """

    def __init__(self, device: str = "cpu", energy_counters: Sequence[Counter] | None = None) -> None:
        self._counters = counters(device)[0] if energy_counters is None else list(energy_counters)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._last: list[float] = []
        self._phase = ""
        self._broken = False
        self.joules = self.training_joules = 0.0
        self.epochs = 0

    def __enter__(self) -> Meter:
        if self._counters:
            self._sample()
            threading.Thread(target=self._go_on, daemon=True, name="energy").start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._sample()

    def wrap(self, callback: OnEvent) -> OnEvent:
        """``callback``, called after the meter has had the event."""

        def both(event: dict[str, Any]) -> None:
            self.on_event(event)
            callback(event)

        return both

    def on_event(self, event: Mapping[str, Any]) -> None:
        if event.get("event") == "phase":
            self._sample()
            self._phase = str(event.get("name"))
        elif event.get("event") == "epoch":
            self._sample()
            # Where nothing is validated, no phase marks the end of the epoch.
            self._phase, self.epochs = "between", self.epochs + 1

    def to_json(self) -> dict[str, Any]:
        """``energy_joules`` of the whole cell, ``energy_training_joules`` and the ``energy_epochs`` that they
        were used for, ``energy_covers`` in words; nothing where nothing could be read."""
        if not self._counters or self._broken:
            return {}
        return {
            "energy_joules": self.joules, "energy_training_joules": self.training_joules,
            "energy_epochs": self.epochs,
            "energy_covers": "all that ran on " + ", ".join(counter.name for counter in self._counters),
        }  # fmt: skip

    def _go_on(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        """Add the energy used since the last sample."""
        if not self._counters or self._broken:
            return
        with self._lock:
            try:
                now = [counter.read() for counter in self._counters]
            except (OSError, ValueError):
                self._broken = True  # a sum with a part missing would be wrong: there is none
                return
            for counter, before, after in zip(self._counters, self._last, now, strict=False):
                joules = after - before + (counter.limit if after < before else 0.0)
                self.joules += joules
                self.training_joules += joules if self._phase == "train" else 0.0
            self._last = now


def per_epoch(cells: Sequence[Mapping[str, Any]]) -> float | None:
    """Joules of training an epoch, the median over the records of cells; None where none has it."""
    values = [c["energy_training_joules"] / c["energy_epochs"] for c in cells if c.get("energy_epochs")]
    return statistics.median(values) if values else None
