"""NVIDIA's GPUs as their driver (NVML) reports them, under the names that frameworks use (``cuda:0``)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ORDER = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
"""Set for processes that use a GPU: CUDA then counts the cards as NVML does, not the fastest first."""

_DEVICE_FILES = ("/dev/nvidia0", "/dev/nvhost-gpu", "/dev/kfd")
"""Of cards that CUDA or ROCm may run on, though NVML says nothing of them."""


@dataclass(frozen=True)
class Gpu:
    """A card: its maker's name for it, all of its memory (bytes), and NVML's handle."""

    name: str
    memory_bytes: int | None
    handle: Any = None


@dataclass(frozen=True)
class Gpus:
    """The cards that processes started from here see, in CUDA's order. ``driver`` is the driver's version,
    ``cuda`` the newest CUDA that it runs (major, minor); ``reason`` says why there is no card."""

    cards: tuple[Gpu, ...] = ()
    driver: str | None = None
    cuda: tuple[int, int] | None = None
    reason: str = ""


class NvmlUnavailableError(Exception):
    """The driver cannot be queried; the message says why."""


def index_of(device: str) -> int | None:
    """The number of ``cuda:N`` (``cuda`` is ``cuda:0``); None for another device."""
    kind, colon, number = device.partition(":")
    if kind != "cuda" or (colon and not number.isdigit()):
        return None
    return int(number or 0)


def gpus() -> Gpus:
    """The cards; never raises."""
    try:
        nvml = load_nvml()
    except NvmlUnavailableError as error:
        return Gpus(reason=str(error))
    driver = query(nvml.nvmlSystemGetDriverVersion)
    number = query(nvml.nvmlSystemGetCudaDriverVersion_v2)
    cuda = (number // 1000, number % 1000 // 10) if number else None
    names = visible_cards(os.environ, query(nvml.nvmlDeviceGetCount) or 0)
    cards = []
    for name in names:
        handle = query(_handle_of, nvml, name)
        if handle is None:
            break  # as CUDA does: what follows an unknown card is hidden
        memory = query(nvml.nvmlDeviceGetMemoryInfo, handle)
        title = query(nvml.nvmlDeviceGetName, handle)
        cards.append(Gpu(_text(title) or "GPU", memory.total if memory else None, handle))
    hidden = "CUDA_VISIBLE_DEVICES hides them" if names == [] else "the driver shows none"
    return Gpus(tuple(cards), _text(driver), cuda, "" if cards else hidden)


def handle(index: int) -> Any:
    """NVML's handle of ``cuda:index``; ``NvmlUnavailableError`` where there is none."""
    available = gpus()
    if index >= len(available.cards):
        raise NvmlUnavailableError(available.reason or f"there is no GPU with the number {index}")
    return available.cards[index].handle


def free_memory(device: str) -> int | None:
    """Bytes that are free on ``device``; None for one that is not an NVIDIA GPU or does not report it."""
    index = index_of(device)
    cards = gpus().cards if index is not None else ()
    if index is None or index >= len(cards):
        return None
    memory = query(load_nvml().nvmlDeviceGetMemoryInfo, cards[index].handle)
    return memory.free if memory else None


def may_exist() -> bool:
    """Whether a GPU may be here at all. Asks no framework, and is quick."""
    if visible_cards(os.environ, 1) == []:
        return False
    return bool(gpus().cards) or any(Path(file).exists() for file in _DEVICE_FILES)


def load_nvml() -> Any:
    """NVML's interface, initialised; ``NvmlUnavailableError`` where the driver cannot be queried."""
    try:
        import pynvml
    except ImportError as error:
        raise NvmlUnavailableError("NVML's Python interface (nvidia-ml-py) is not installed") from error
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        raise NvmlUnavailableError(f"NVIDIA's driver cannot be queried: {error}") from error
    return pynvml


def query(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of an NVML call; None where this card or driver does not support it."""
    import pynvml

    try:
        return function(*arguments)
    except pynvml.NVMLError:
        return None


def visible_cards(environment: Mapping[str, str], count: int) -> list[str]:
    """The cards that ``CUDA_VISIBLE_DEVICES`` lets processes see: numbers, or parts of UUIDs."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return [str(number) for number in range(count)]
    names = []
    for name in (each.strip() for each in visible.split(",")):
        if not name or name == "-1" or name == "NoDevFiles":
            break
        names.append(name)
    return names


def _handle_of(nvml: Any, name: str) -> Any:
    if name.isdigit():
        return nvml.nvmlDeviceGetHandleByIndex(int(name))
    return nvml.nvmlDeviceGetHandleByUUID(name)


def _text(value: Any) -> str | None:
    return value.decode() if isinstance(value, bytes) else value
