"""The supervisor's view of a defined network: asks the define task for it, and reads what it wrote."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from crosstrain.errors import CrosstrainError, StorageError
from crosstrain.graph.graph import Graph, Weights
from crosstrain.runs.process import OnEvent, run_job
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.program import Program

_BACKENDS = (("numpy", "jax"), ("tensorflow", "tensorflow"), ("torch", "torch"))
"""Keras backends in the order of preference, each with what it needs. Importing Keras costs least on
its NumPy backend (which needs jax, for shapes)."""


@dataclass(frozen=True)
class Definition:
    """A network that was defined: graph, initial weights and loss in ``folder``, and ``data``, the
    content of its ``definition.json``."""

    folder: Path
    data: Mapping[str, Any]

    @classmethod
    def load(cls, folder: Path) -> Definition:
        """The definition in ``folder``; ``CrosstrainError`` where there is none, or a damaged one."""
        path = folder / "definition.json"
        try:
            data = json.loads(path.read_text())
        except FileNotFoundError as error:
            raise CrosstrainError(f"there is no definition of a network at {path}") from error
        except ValueError as error:
            raise CrosstrainError(f"{path} is damaged ({error}); delete the folder") from error
        return cls(folder, data)

    @property
    def network(self) -> Path:
        """The graph's file; its weights stand beside it."""
        return self.folder / "network.json"

    @cached_property
    def graph(self) -> Graph:
        return Graph.load(self.network)[0]

    @cached_property
    def loss(self) -> Graph:
        return Graph.load(self.folder / "loss.json")[0]

    def weights(self) -> Weights:
        """The initial weights and the loss's constants: what ``Engine.build`` takes."""
        return Graph.load(self.network)[1] | Graph.load(self.folder / "loss.json")[1]

    def program(self, optimizer: Optimizer) -> Program:
        return Program(self.graph, self.loss, optimizer)


def keras_backend() -> str:
    """The Keras backend to define networks with; ``CrosstrainError`` where no framework is installed."""
    for backend, needs in _BACKENDS:
        if importlib.util.find_spec(needs) is not None:
            return backend
    raise CrosstrainError(
        "no framework is installed, and Keras needs one to define a network; "
        "install one with: pip install 'crosstrain[jax]'"
    )


def define(
    source: str,
    *,
    folder: Path,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    classes: int | None = None,
    targets: Mapping[str, Any] | None = None,
    losses: Mapping[str, Any] | None = None,
    seed: int = 0,
    trust: bool = False,
    floatx: str = "float32",
    timeout: float | None = 600.0,
    on_event: OnEvent | None = None,
) -> Definition:
    """Define a network in a process of its own and write it to ``folder``.

    ``source`` is a zoo name, ``file.py:function`` or ``model.keras``. ``input_shapes`` are without the
    batch, by input name (``""`` for the only one); ``targets`` maps output names to ``{"shape", "dtype",
    "classes"}``; ``losses`` is a recipe's, as JSON, or None for the choice that fits. Raises
    ``CrosstrainError`` where the source or the shapes are at fault. ``on_event`` is told when Keras is
    imported and defining begins (``phase``).
    """
    job = {
        "task": "define",
        "source": source,
        "input_shapes": input_shapes and {k: list(v) for k, v in input_shapes.items()},
        "classes": classes,
        "targets": targets,
        "losses": losses,
        "seed": seed,
        "trust": trust,
        "floatx": floatx,
        "folder": str(folder),
        "device": "cpu",
        "keras_backend": keras_backend(),
    }
    outcome = run_job(job, folder=folder / "logs", timeout=timeout, on_event=on_event)
    if outcome.status == "done" and outcome.result is not None:
        return Definition(folder, outcome.result)
    if outcome.kind == "storage":
        raise StorageError(outcome.error)
    if outcome.status == "cannot":
        raise CrosstrainError(outcome.error)
    raise CrosstrainError(f"the network {source} could not be defined: {outcome.error} (log: {outcome.log})")
