"""What MXNet reports about a GPU (``engines/devices.py``)."""

from __future__ import annotations

import mxnet as mx

from crosstrain.engines.devices import overridden


def cuda() -> str | None:
    return "built in" if mx.runtime.Features().is_enabled("CUDA") else ""


def peak_bytes(device: str) -> int | None:
    return None  # it counts what is in use, not the most


def ieee(native: bool) -> bool | None:
    return overridden() or None
