"""Define a network once, in Keras; train it natively on every framework; see proof that it is the same work.

Everything here is loaded when it is first asked for: importing crosstrain costs nothing, and a worker
loads only what its one framework needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crosstrain import zoo
    from crosstrain.api import (
        code,
        compare,
        compare_inference,
        describe_engines,
        export,
        prove,
        report,
        study,
        train,
        tune,
    )
    from crosstrain.comparison.training import Trained
    from crosstrain.data import Prepared, prepare
    from crosstrain.errors import CrosstrainError, StorageError
    from crosstrain.graph.graph import Graph
    from crosstrain.proof.certificate import Certificate
    from crosstrain.reporting.comparison import Comparison
    from crosstrain.results.inference import InferenceResult
    from crosstrain.runs.definition import Definition, define
    from crosstrain.runs.restored import load
    from crosstrain.studies.run import Study
    from crosstrain.training.optimizers import Optimizer
    from crosstrain.training.recipe import Loss, Recipe
    from crosstrain.training.schedules import Schedule
    from crosstrain.tuning.run import TuningResult

__all__ = [
    "Certificate", "Comparison", "CrosstrainError", "Definition", "Graph", "InferenceResult", "Loss",
    "Optimizer", "Prepared", "Recipe", "Schedule", "StorageError", "Study", "Trained", "TuningResult",
    "code", "compare", "compare_inference", "define", "describe_engines", "export", "list_datasets",
    "list_engines", "list_networks", "load", "prepare", "prove", "report", "study", "train", "tune", "zoo",
]  # fmt: skip

_HOME = {
    "Certificate": "crosstrain.proof.certificate",
    "Comparison": "crosstrain.reporting.comparison",
    "CrosstrainError": "crosstrain.errors",
    "Definition": "crosstrain.runs.definition",
    "Graph": "crosstrain.graph.graph",
    "Loss": "crosstrain.training.recipe",
    "Optimizer": "crosstrain.training.optimizers",
    "Prepared": "crosstrain.data.prepared",
    "Recipe": "crosstrain.training.recipe",
    "Schedule": "crosstrain.training.schedules",
    "StorageError": "crosstrain.errors",
    "Study": "crosstrain.studies.run",
    "Trained": "crosstrain.comparison.training",
    "InferenceResult": "crosstrain.results.inference",
    "compare_inference": "crosstrain.api",
    "code": "crosstrain.api",
    "list_datasets": "crosstrain.api",
    "define": "crosstrain.runs.definition",
    "export": "crosstrain.api",
    "describe_engines": "crosstrain.api",
    "list_networks": "crosstrain.api",
    "prepare": "crosstrain.data.preparation",
    "prove": "crosstrain.api",
    "compare": "crosstrain.api",
    "load": "crosstrain.runs.restored",
    "report": "crosstrain.api",
    "list_engines": "crosstrain.api",
    "study": "crosstrain.api",
    "train": "crosstrain.api",
    "tune": "crosstrain.api",
    "TuningResult": "crosstrain.tuning.run",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for (PEP 562)."""
    if name == "zoo":
        return importlib.import_module(f"{__name__}.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("crosstrain")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
