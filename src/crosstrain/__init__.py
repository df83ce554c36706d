"""Define a network once, in Keras; train it natively on every framework; see proof that it is the same work.

Everything here is loaded when it is first asked for: importing crosstrain costs nothing, and a worker
loads only what its one framework needs.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""As ``typing.TYPE_CHECKING``, which every type checker reads, without importing ``typing``."""

if TYPE_CHECKING:
    from typing import Any

    from crosstrain import zoo as zoo
    from crosstrain.api import backtest as backtest
    from crosstrain.api import bundle as bundle
    from crosstrain.api import code as code
    from crosstrain.api import compare as compare
    from crosstrain.api import compare_inference as compare_inference
    from crosstrain.api import describe_engines as describe_engines
    from crosstrain.api import describe_network as describe_network
    from crosstrain.api import diff as diff
    from crosstrain.api import evaluate as evaluate
    from crosstrain.api import export as export
    from crosstrain.api import features as features
    from crosstrain.api import forecast as forecast
    from crosstrain.api import history as history
    from crosstrain.api import list_datasets as list_datasets
    from crosstrain.api import list_engines as list_engines
    from crosstrain.api import list_networks as list_networks
    from crosstrain.api import list_recipes as list_recipes
    from crosstrain.api import look as look
    from crosstrain.api import ops as ops
    from crosstrain.api import predict as predict
    from crosstrain.api import prove as prove
    from crosstrain.api import report as report
    from crosstrain.api import sample as sample
    from crosstrain.api import study as study
    from crosstrain.api import train as train
    from crosstrain.api import tune as tune
    from crosstrain.api import verify as verify
    from crosstrain.archive.packing import Bundled as Bundled
    from crosstrain.archive.verifying import Verification as Verification
    from crosstrain.comparison.training import Trained as Trained
    from crosstrain.conformance.findings import Conformance as Conformance
    from crosstrain.data import Prepared as Prepared
    from crosstrain.data import prepare as prepare
    from crosstrain.difference.findings import Difference as Difference
    from crosstrain.errors import CrosstrainError as CrosstrainError
    from crosstrain.errors import StorageError as StorageError
    from crosstrain.graph.graph import Graph as Graph
    from crosstrain.proof.certificate import Certificate as Certificate
    from crosstrain.reporting.comparison import Comparison as Comparison
    from crosstrain.reporting.inside.writing import Inside as Inside
    from crosstrain.reporting.network.description import NetworkDescription as NetworkDescription
    from crosstrain.reporting.sheet import Sheet as Sheet
    from crosstrain.results.inference import InferenceResult as InferenceResult
    from crosstrain.runs.definition import Definition as Definition
    from crosstrain.runs.definition import define as define
    from crosstrain.runs.restored import load as load
    from crosstrain.studies.run import Study as Study
    from crosstrain.training.optimizers import Optimizer as Optimizer
    from crosstrain.training.recipe import Loss as Loss
    from crosstrain.training.recipe import Recipe as Recipe
    from crosstrain.training.schedules import Schedule as Schedule
    from crosstrain.tuning.run import TuningResult as TuningResult

_NAMES = {
    "crosstrain.api": "backtest bundle code compare compare_inference describe_engines describe_network "
    "diff evaluate export features forecast history list_datasets list_engines list_networks list_recipes "
    "look ops predict prove report sample study train tune verify",
    "crosstrain.archive.packing": "Bundled",
    "crosstrain.archive.verifying": "Verification",
    "crosstrain.runs.restored": "load",
    "crosstrain.comparison.training": "Trained",
    "crosstrain.conformance.findings": "Conformance",
    "crosstrain.data": "Prepared prepare",
    "crosstrain.difference.findings": "Difference",
    "crosstrain.errors": "CrosstrainError StorageError",
    "crosstrain.graph.graph": "Graph",
    "crosstrain.reporting.sheet": "Sheet",
    "crosstrain.results.inference": "InferenceResult",
    "crosstrain.proof.certificate": "Certificate",
    "crosstrain.reporting.comparison": "Comparison",
    "crosstrain.reporting.inside.writing": "Inside",
    "crosstrain.reporting.network.description": "NetworkDescription",
    "crosstrain.runs.definition": "Definition define",
    "crosstrain.studies.run": "Study",
    "crosstrain.training.optimizers": "Optimizer",
    "crosstrain.training.recipe": "Loss Recipe",
    "crosstrain.training.schedules": "Schedule",
    "crosstrain.tuning.run": "TuningResult",
}
"""The public names of each module. Type checkers read the imports above; a test holds both equal."""

_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = sorted([*_HOME, "zoo"])


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for (PEP 562)."""
    import importlib

    if name == "zoo":
        return importlib.import_module("crosstrain.zoo")
    if name == "__version__":
        from importlib.metadata import version

        return version("crosstrain")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
