"""Define a network once, in Keras; train it natively on every framework; see proof that it is the same work.

Everything here is loaded when it is first asked for: importing crosstrain costs nothing, and a worker
loads only what its one framework needs.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crosstrain import zoo
    from crosstrain.api import (
        code,
        compare,
        compare_inference,
        datasets,
        describe_engines,
        engines,
        export,
        networks,
        prove,
        report,
        study,
        train,
        tune,
    )
    from crosstrain.compare.comparison import Comparison
    from crosstrain.compare.inference.result import InferenceResult
    from crosstrain.compare.study.run import Study
    from crosstrain.compare.training import Trained
    from crosstrain.compare.tuning.run import TuningResult
    from crosstrain.data import Prepared, prepare
    from crosstrain.errors import CrosstrainError, StorageError
    from crosstrain.graph.graph import Graph
    from crosstrain.load import load
    from crosstrain.proof.certificate import Certificate
    from crosstrain.runs.definition import Definition, define
    from crosstrain.training.optimizers import Optimizer
    from crosstrain.training.recipe import Loss, Recipe
    from crosstrain.training.schedules import Schedule

__all__ = [
    "Certificate", "Comparison", "CrosstrainError", "Definition", "Graph", "InferenceResult", "Loss",
    "Optimizer", "Prepared", "Recipe", "Schedule", "StorageError", "Study", "Trained", "TuningResult",
    "code", "compare", "compare_inference", "datasets", "define", "describe_engines", "engines", "export",
    "load", "networks", "prepare", "prove", "report", "study", "train", "tune", "zoo",
]  # fmt: skip

_HOME = {
    "Certificate": "crosstrain.proof.certificate",
    "Comparison": "crosstrain.compare.comparison",
    "CrosstrainError": "crosstrain.errors",
    "Definition": "crosstrain.runs.definition",
    "Graph": "crosstrain.graph.graph",
    "Loss": "crosstrain.training.recipe",
    "Optimizer": "crosstrain.training.optimizers",
    "Prepared": "crosstrain.data.prepared",
    "Recipe": "crosstrain.training.recipe",
    "Schedule": "crosstrain.training.schedules",
    "StorageError": "crosstrain.errors",
    "Study": "crosstrain.compare.study.run",
    "Trained": "crosstrain.compare.training",
    "InferenceResult": "crosstrain.compare.inference.result",
    "compare_inference": "crosstrain.api",
    "code": "crosstrain.api",
    "datasets": "crosstrain.api",
    "define": "crosstrain.runs.definition",
    "export": "crosstrain.api",
    "describe_engines": "crosstrain.api",
    "networks": "crosstrain.api",
    "prepare": "crosstrain.data.preparation",
    "prove": "crosstrain.api",
    "study": "crosstrain.api",
    "train": "crosstrain.api",
    "tune": "crosstrain.api",
    "TuningResult": "crosstrain.compare.tuning.run",
}
_SHARED = {
    "compare": "crosstrain.api", "engines": "crosstrain.api", "load": "crosstrain.load",
    "report": "crosstrain.api",
}  # fmt: skip
"""Functions that are called as a module is: the module stands under the name, and can be called."""


class _Callable(ModuleType):
    """A module that calls the function which shares its name."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        name = self.__name__.rpartition(".")[2]
        return getattr(importlib.import_module(_SHARED[name]), name)(*arguments, **named)


class _Package(ModuleType):
    """This package; makes modules of shared names callable as soon as they are imported, by whomever."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _SHARED and type(value) is ModuleType:
            value.__class__ = _Callable
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name in _SHARED or name == "zoo":
        return importlib.import_module(f"{__name__}.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("crosstrain")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
