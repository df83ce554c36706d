"""The machine and this installation of crosstrain: processor, cores, versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path


def own_version() -> str:
    """The version of crosstrain; ``0`` in a source tree that was never installed."""
    try:
        return importlib.metadata.version("crosstrain")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def processor() -> str:
    """The processor's name as the system reports it."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            key, _, name = line.partition(":")
            if key.strip() in ("model name", "Model"):
                return name.strip()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """The cores this process may run on; every engine is given as many threads."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
