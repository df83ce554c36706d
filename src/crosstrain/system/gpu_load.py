"""What a GPU did while a job ran: memory as its driver counts it, use, clock, others on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from crosstrain.system import gpus

SAMPLE_SECONDS = 1.0

NAMES = (
    "device_driver_bytes", "device_other_bytes", "device_utilisation", "device_other_load",
    "device_megahertz", "device_throttled",
)  # fmt: skip


class GpuLoad:
    """Samples of the GPU around a job. ``pids`` gives the job's processes.

    On a device that is no GPU of NVIDIA's, or whose driver cannot be queried, it does nothing.
    """

    def __init__(self, device: str, pids: Callable[[], Collection[int]]) -> None:
        self._pids = pids
        self._nvml: Any = None
        self._values: dict[str, list[float]] = {name: [] for name in NAMES}
        self._sampled, self._since, self._own_seen = -SAMPLE_SECONDS, 0, False
        index = gpus.index_of(device)
        if index is None:
            return
        try:
            self._nvml, self._card = gpus.load_nvml(), gpus.handle(index)
        except gpus.NvmlUnavailableError:
            return
        memory = gpus.query(self._nvml.nvmlDeviceGetMemoryInfo, self._card)
        self._used_before = memory.used if memory else None
        self.sample()

    def sample(self) -> None:
        """Ask the driver, if it is time."""
        now = time.monotonic()
        if self._nvml is None or now - self._sampled < SAMPLE_SECONDS:
            return
        self._sampled = now
        self._memory(own := frozenset(self._pids()))
        self._others(own)
        nvml = self._nvml
        rates = gpus.query(nvml.nvmlDeviceGetUtilizationRates, self._card)
        self._note("device_utilisation", None if rates is None else rates.gpu / 100)
        clock = gpus.query(nvml.nvmlDeviceGetClockInfo, self._card, nvml.NVML_CLOCK_SM)
        self._note("device_megahertz", clock)
        heat = nvml.nvmlClocksThrottleReasonHwThermalSlowdown | nvml.nvmlClocksThrottleReasonSwThermalSlowdown
        slowed = gpus.query(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, self._card)
        self._note("device_throttled", None if slowed is None else float(bool(slowed & heat)))

    def to_json(self) -> dict[str, float]:
        """``device_driver_bytes``: the job's peak memory as the driver counts it (context, kernels and the
        allocator's reserve included); in a container, where the driver does not say whose memory is whose,
        the growth of the card's. ``device_other_bytes``: the peak of other processes. ``device_utilisation``
        and ``device_other_load``: the shares of the time in which the GPU, and others on it, ran kernels.
        ``device_megahertz``: the mean clock; ``device_throttled``: the samples, one a second, in which heat
        slowed it down. What the driver does not report is omitted.
        """
        ways: dict[str, Callable[[list[float]], float]] = {
            "device_driver_bytes": max, "device_other_bytes": max, "device_throttled": sum,
        }  # fmt: skip
        summary = {name: ways.get(name, _mean)(values) for name, values in self._values.items() if values}
        if not self._own_seen:  # then nobody can say who is another
            summary.pop("device_other_load", None)
            summary.pop("device_other_bytes", None)
        return {
            name: round(value) if name.endswith(("bytes", "megahertz", "throttled")) else round(value, 3)
            for name, value in summary.items()
        }

    def _memory(self, own: frozenset[int]) -> None:
        listed = gpus.query(self._nvml.nvmlDeviceGetComputeRunningProcesses, self._card) or []
        measured = [process for process in listed if process.usedGpuMemory is not None]
        mine = [process.usedGpuMemory for process in measured if process.pid in own]
        if mine:
            self._own_seen = True
            self._note("device_driver_bytes", sum(mine))
            self._note("device_other_bytes", sum(p.usedGpuMemory for p in measured if p.pid not in own))
            return
        memory = gpus.query(self._nvml.nvmlDeviceGetMemoryInfo, self._card)
        if memory and self._used_before is not None and not measured and not self._own_seen:
            self._note("device_driver_bytes", max(memory.used - self._used_before, 0))

    def _others(self, own: frozenset[int]) -> None:
        """What share of the time since the last sample others kept the GPU busy."""
        samples = gpus.query(self._nvml.nvmlDeviceGetProcessUtilization, self._card, self._since)
        if samples is None:  # the driver also says so where there are none
            samples = []
        by_process: dict[int, list[int]] = {}
        for each in samples:
            if each.timeStamp > self._since:
                by_process.setdefault(each.pid, []).append(each.smUtil)
        self._since = max([self._since, *(each.timeStamp for each in samples)])
        self._note(
            "device_other_load",
            sum(_mean(shares) / 100 for pid, shares in by_process.items() if pid not in own),
        )

    def _note(self, name: str, value: float | None) -> None:
        if value is not None:
            self._values[name].append(float(value))


def _mean(values: list[Any]) -> float:
    return float(sum(values)) / len(values)
