"""What PyTorch reports about a GPU (``engines/devices.py``)."""

from __future__ import annotations

import torch

from crosstrain.engines.devices import overridden


def cuda() -> str | None:
    return torch.version.cuda or ""


def peak_bytes(device: str) -> int | None:
    if not device.startswith("cuda") or not torch.cuda.is_available():
        return None
    return int(torch.cuda.max_memory_allocated(device))


def free_bytes(device: str) -> int | None:
    """What the driver has left."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.startswith("cuda") else None


def ieee(native: bool) -> bool | None:
    return overridden() or not (torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32)
