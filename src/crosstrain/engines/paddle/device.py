"""What Paddle reports about a GPU (``engines/devices.py``)."""

from __future__ import annotations

import paddle

from crosstrain.engines.devices import overridden


def cuda() -> str | None:
    return str(paddle.version.cuda()) if paddle.is_compiled_with_cuda() else ""


def peak_bytes(device: str) -> int | None:
    kind, _, number = device.partition(":")
    return int(paddle.device.cuda.max_memory_allocated(int(number or 0))) if kind == "cuda" else None


def ieee(native: bool) -> bool | None:
    return overridden() or None
