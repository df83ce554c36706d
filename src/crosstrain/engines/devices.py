"""What frameworks report about a GPU: their CUDA version, the memory that they hold, how they round.

The worker's side. An engine's folder may have a module ``device`` with ``cuda()``, ``peak_bytes(device)`` and
``ieee(native)``, and ``free_bytes(device)`` where the engine can keep data there; for Keras on a framework,
that framework's counts.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
from collections.abc import Mapping
from typing import Any, Protocol, cast

from crosstrain.engines.registry import EngineRow

IEEE = "IEEE"
OVERRIDE = "NVIDIA_TF32_OVERRIDE"
"""At 0, no library of NVIDIA's rounds float32 to TF32, whatever a framework asks it to do."""


class DeviceModule(Protocol):
    """An engine's module ``device``. It may import the framework, and is imported after the engine."""

    def cuda(self) -> str | None:
        """The version of CUDA that the framework was built with; "" for a build without."""

    def peak_bytes(self, device: str) -> int | None:
        """The most that the framework's allocator has given out on ``device`` at a time; None where it does
        not count."""

    def ieee(self, native: bool) -> bool | None:
        """Whether products in float32 on a GPU are IEEE's, as switches and environment stand now; None where
        that is not known. ``native``: crosstrain's own engine ran, not Keras on the framework."""


class Measurable(Protocol):
    """The module ``device`` of an engine that can keep data on its device."""

    def free_bytes(self, device: str) -> int | None:
        """The memory that is free on ``device``; None for one that shares the host's, or does not say."""


def device_module(row: EngineRow) -> DeviceModule | None:
    """An engine's own, or the one of the framework that it runs on; None where there is neither."""
    name = f"{row.module if row.native else f'crosstrain.engines.{row.imports[-1]}'}.device"
    with contextlib.suppress(ModuleNotFoundError):  # an engine may be one file, not a folder
        if importlib.util.find_spec(name):
            return cast(DeviceModule, importlib.import_module(name))
    return None


def free_bytes(row: EngineRow, device: str) -> int | None:
    """The memory that is free on a device for an engine whose module ``device`` can tell it."""
    return cast(Measurable, device_module(row)).free_bytes(device)


def overridden() -> bool:
    """Whether NVIDIA's own libraries are kept from TF32."""
    return os.environ.get(OVERRIDE) == "0"


def arithmetic(
    row: EngineRow, device: str, precision: str, options: Mapping[str, Any], kinds: Mapping[str, Any]
) -> str:
    """What floating-point arithmetic an engine has run, in a few words, to be asked after it ran.

    ``options`` are those that were given, ``kinds`` all that the engine has (of its description).
    """
    option = kinds.get("arithmetic")
    chosen = options.get("arithmetic", option.default if option else None)
    if option is not None and chosen != option.default:
        return f"{precision} with products in {chosen}"
    if device.partition(":")[0] != "cuda" or precision != "float32":
        return f"{IEEE} {precision}"
    module = device_module(row)
    exact = module.ieee(row.native) if module else overridden() or None
    if exact is None:
        return f"{precision} as the framework chooses on a GPU (it may be TF32)"
    return f"{IEEE} {precision}" if exact else f"{precision} with products in TF32"
