"""What a result was measured on: the machine, and the versions of all that takes part."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from typing import Any

import psutil

from crosstrain.engines.registry import engine_of, engines
from crosstrain.environments.environments import Environment, find
from crosstrain.environments.installing import packages_in
from crosstrain.system.gpus import gpus
from crosstrain.system.machine import own_version, processor, usable_cores

_PACKAGES = ("keras", "numpy")


def machine() -> dict[str, Any]:
    """Processor, GPUs, memory (bytes), system, and the versions of all that takes part."""
    nvidia = gpus()
    return {
        "processor": processor(),
        "cores": usable_cores(),
        "gpus": [{"name": card.name, "memory_bytes": card.memory_bytes} for card in nvidia.cards],
        "gpu_driver": nvidia.driver,
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "versions": {
            "crosstrain": own_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
            **{name: version for name, version in versions_of(list(engines())).items() if version},
        },
    }


def versions_of(names: list[str]) -> dict[str, str | None]:
    """The installed version of each engine, also under further names; None for one that is missing."""
    rows = engines()
    environments = {name: find(rows[engine_of(name)]) for name in names}
    return {name: here.version if here else None for name, here in environments.items()}


def packages(environment: Environment) -> list[str]:
    """All distributions of an environment as ``name==version``, sorted; nothing is started."""
    path = None if environment.folder is None else [str(each) for each in packages_in(environment.folder)]
    found = (
        importlib.metadata.distributions() if path is None else importlib.metadata.distributions(path=path)
    )
    return sorted({f"{each.name}=={each.version}" for each in found}, key=str.lower)
