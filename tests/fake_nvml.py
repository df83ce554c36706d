"""NVML without a GPU: as much of pynvml as is asked for, of cards that a test describes."""

from __future__ import annotations

import types
from dataclasses import dataclass, field
from typing import Any

GIB = 2**30


@dataclass
class Memory:
    total: int
    used: int = 0

    @property
    def free(self) -> int:
        return self.total - self.used


@dataclass
class Process:
    """One that computes on the card; ``usedGpuMemory`` None is what a container is told."""

    pid: int
    usedGpuMemory: int | None = None  # noqa: N815 (NVML's own name)


@dataclass
class Sample:
    pid: int
    smUtil: int  # noqa: N815
    timeStamp: int = 0  # noqa: N815


@dataclass
class Rates:
    gpu: int
    memory: int = 0


@dataclass
class Card:
    name: str = "Test GPU"
    uuid: str = "GPU-0"
    memory: Memory = field(default_factory=lambda: Memory(80 * GIB))
    millijoules: int | None = 5_000
    processes: list[Process] = field(default_factory=list)
    samples: list[Sample] | None = field(default_factory=list)
    utilisation: int = 0
    megahertz: int = 1980
    slowed: int = 0


class FakeNvml(types.ModuleType):
    """Its handles are the cards. ``fault`` is what ``nvmlInit`` fails with."""

    NVML_CLOCK_SM = 1
    nvmlClocksThrottleReasonHwThermalSlowdown = 0x40  # noqa: N815
    nvmlClocksThrottleReasonSwThermalSlowdown = 0x20  # noqa: N815

    class NVMLError(Exception):
        pass

    def __init__(self, *cards: Card, cuda: int = 13000, fault: str = "") -> None:
        super().__init__("pynvml")
        self.cards, self.cuda, self.fault = cards, cuda, fault

    def _told(self, value: Any) -> Any:
        if value is None:
            raise self.NVMLError("Not Supported")
        return value

    def nvmlInit(self) -> None:  # noqa: N802 (NVML's own names, as all below)
        if self.fault:
            raise self.NVMLError(self.fault)

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "580.95.05"

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:  # noqa: N802
        return self.cuda

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Card:  # noqa: N802
        if index >= len(self.cards):
            raise self.NVMLError("Invalid Argument")
        return self.cards[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> Card:  # noqa: N802
        found = next((card for card in self.cards if card.uuid.startswith(uuid)), None)
        return self._told(found)

    def nvmlDeviceGetName(self, card: Card) -> str:  # noqa: N802
        return card.name

    def nvmlDeviceGetMemoryInfo(self, card: Card) -> Memory:  # noqa: N802
        return card.memory

    def nvmlDeviceGetTotalEnergyConsumption(self, card: Card) -> int:  # noqa: N802
        return self._told(card.millijoules)

    def nvmlDeviceGetComputeRunningProcesses(self, card: Card) -> list[Process]:  # noqa: N802
        return card.processes

    def nvmlDeviceGetProcessUtilization(self, card: Card, since: int) -> list[Sample]:  # noqa: N802
        return [sample for sample in self._told(card.samples) if sample.timeStamp >= since]

    def nvmlDeviceGetUtilizationRates(self, card: Card) -> Rates:  # noqa: N802
        return Rates(card.utilisation)

    def nvmlDeviceGetClockInfo(self, card: Card, kind: int) -> int:  # noqa: N802
        assert kind == self.NVML_CLOCK_SM
        return card.megahertz

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, card: Card) -> int:  # noqa: N802
        return card.slowed
