"""What JAX reports about a GPU (``engines/devices.py``)."""

from __future__ import annotations

from importlib.metadata import distributions
from typing import Any

import jax

REUSED = "/jax/compilation_cache/cache_hits"
"""What JAX calls it when a compilation comes out of its persistent cache."""

_reused = 0

EXACT = ("highest", "float32", "F32_F32_F32")


def cuda() -> str | None:
    """CUDA comes as a plugin, named after its major version: ``jax-cuda13-plugin``."""
    for distribution in distributions():
        name = (distribution.metadata["Name"] or "").lower().replace("_", "-")
        if name.startswith("jax-cuda") and name.endswith("-plugin"):
            return name.removeprefix("jax-cuda").removesuffix("-plugin")
    return ""


def peak_bytes(device: str) -> int | None:
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return None
    statistics = jax.devices("gpu")[int(number or 0)].memory_stats()
    peak = (statistics or {}).get("peak_bytes_in_use")
    return None if peak is None else int(peak)


def free_bytes(device: str) -> int | None:
    """What XLA's allocator may still give out."""
    kind, _, number = device.partition(":")
    return bytes_left(jax.devices("gpu")[int(number or 0)]) if kind == "cuda" else None


def bytes_left(device: Any) -> int | None:
    """The same, of one of JAX's devices; None on a CPU."""
    statistics = device.memory_stats() if device.platform != "cpu" else None
    if not statistics or "bytes_limit" not in statistics:
        return None
    return int(statistics["bytes_limit"] - statistics.get("bytes_in_use", 0))


def _count(event: str, **more: object) -> None:
    global _reused
    _reused += event == REUSED


jax.monitoring.register_event_listener(_count)


def reused() -> int:
    """How many compilations another process had done before, since this module was imported."""
    return _reused


def ieee(native: bool) -> bool | None:
    """XLA writes products of its own, which no variable of NVIDIA's reaches: their precision decides. The
    engine of crosstrain names it for each; Keras leaves it to the default."""
    return native or jax.config.jax_default_matmul_precision in EXACT
