"""Data sets: prepared once as memory-mapped arrays, the same bytes for every engine.

Loaded lazily: a worker reads ``crosstrain.data.prepared`` with nothing but NumPy beside it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crosstrain.data.preparation import prepare
    from crosstrain.data.prepared import Prepared
    from crosstrain.data.registry import DataSet, datasets, describe

_HOME = {
    "DataSet": "registry",
    "Prepared": "prepared",
    "datasets": "registry",
    "describe": "registry",
    "prepare": "preparation",
}

__all__ = ["DataSet", "Prepared", "datasets", "describe", "prepare"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
