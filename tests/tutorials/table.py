"""Prints the table of docs/tutorials.md:  python -m tests.tutorials.table [NAME…]

Every network is defined on its data, proved on PyTorch, TensorFlow and JAX in float64 over two optimizer
steps, and trained for an epoch on PyTorch. A row is printed as soon as it is there.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from crosstrain.data import prepare
from crosstrain.data.prepared import Prepared
from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import SEED
from crosstrain.graph.reference import run_numpy
from crosstrain.proof.certificate import Certificate
from crosstrain.proof.prove import examples, prove
from crosstrain.runs.defined import Definition
from crosstrain.runs.definition import keras_home
from crosstrain.training import spelling
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Recipe
from tests.proof.workshop import Workshop
from tests.tutorials.catalogue import TUTORIALS, Tutorial

ENGINES = ("torch", "tensorflow", "jax")
TRAINS = "torch"
STEPS = 2
HEADER = ("network", "parameters", "defined, s", "proved", "worst gradient", "loss before → after")


@dataclass(frozen=True)
class Row:
    """One tutorial's results. ``defined`` is in seconds; ``before`` and ``after`` are the loss on the test
    data with the initial weights and after an epoch."""

    name: str
    parameters: int
    defined: float
    certificates: tuple[Certificate, ...]
    before: float
    after: float

    @property
    def proved(self) -> str:
        """Engines that are proved, and what stands against the others."""
        faults = [f"{c.engine}: {c.first_departure or c.reason}" for c in self.certificates if not c.proved]
        return "; ".join([", ".join(c.engine for c in self.certificates if c.proved), *faults])

    @property
    def gradients(self) -> float:
        return max((c.gradients or 0.0 for c in self.certificates), default=float("nan"))

    @property
    def learns(self) -> bool:
        return self.after < self.before

    def __str__(self) -> str:
        return (
            f"| {self.name} | {self.parameters:,} | {self.defined:.1f} | {self.proved} | "
            f"{self.gradients:.0e} | {self.before:.3g} → {self.after:.3g} |"
        )


def prepared(tutorial: Tutorial, folder: Path) -> Prepared:
    """The tutorial's arrays as a data set."""
    path = folder / f"{tutorial.function}.npz"
    np.savez(path, **tutorial.arrays())
    return prepare(f"arrays:{path}")


def recipe_of(tutorial: Tutorial) -> Recipe:
    return Recipe(
        losses=spelling.losses(tutorial.asked_loss),
        optimizer=Optimizer(name="adam", learning_rate=0.005),
        batch_size=16,
        epochs=1,
    )


def finished(outcome: Any) -> Mapping[str, Any]:
    if outcome.status != "done":
        raise CrosstrainError(f"{outcome.status}: {outcome.error} (log: {outcome.log})")
    result: Mapping[str, Any] = outcome.result
    return result


def defined(source: str, folder: Path, workshop: Workshop, **settings: Any) -> Definition:
    """A network as the worker defines it; ``CrosstrainError`` where it is refused."""
    backend, python = keras_home()
    job = {
        "task": "define", "source": source, "folder": str(folder / "definition"), "device": "cpu",
        "keras_backend": backend, "environment": {"JAX_ENABLE_X64": "1"}, **settings,
    }  # fmt: skip
    outcome = workshop.launch(job, folder=folder / "logs", python=python)
    return Definition(folder / "definition", finished(outcome))


def of_data(data: Prepared) -> dict[str, Any]:
    """What the data decides in a definition."""
    targets = data.target_specs()
    classes = [spec["classes"] for spec in targets.values()]
    return {
        "input_shapes": {name: spec["shape"] for name, spec in data.manifest["inputs"].items()},
        "classes": classes[0] if len(classes) == 1 else None,
        "targets": targets,
    }


def loss_before(definition: Definition, data: Prepared) -> float:
    """The loss of the initial weights on the test data, by NumPy."""
    network, loss, weights = definition.graph, definition.loss, definition.weights()
    arrays = examples(definition, data, "test")
    inputs = {name: arrays[name] for name in network.inputs if name != SEED}
    outputs, _ = run_numpy(network, weights, inputs)
    fed = {f"output/{name}": value for name, value in outputs.items()} | arrays
    (value,) = run_numpy(loss, weights, {name: fed[name] for name in loss.inputs})[0].values()
    return float(value)


def row(tutorial: Tutorial, folder: Path, workshop: Workshop, engines: tuple[str, ...] = ENGINES) -> Row:
    """Define, prove, train."""
    recipe, data = recipe_of(tutorial), prepared(tutorial, folder)
    started = time.monotonic()
    losses = recipe.to_json()["losses"]
    definition = defined(tutorial.network, folder, workshop, losses=losses, **of_data(data))
    seconds = time.monotonic() - started
    proof = prove(
        definition, engines, ["float64"], recipe=recipe, work=folder, steps=STEPS, threads=1, data=data,
        launch=workshop.launch,
    )  # fmt: skip
    job = {
        "task": "train", "engine": TRAINS, "device": "cpu", "precision": "float32", "threads": 1,
        "network_folder": str(definition.folder), "data_folder": str(data.folder), "recipe": recipe.to_json(),
    }  # fmt: skip
    trained = finished(workshop.launch(job, folder=folder / "logs"))
    return Row(
        tutorial.function, definition.graph.parameters, seconds, tuple(proof), loss_before(definition, data),
        trained["test_metrics"]["loss"],
    )  # fmt: skip


def main(names: list[str]) -> int:
    print("| " + " | ".join(HEADER) + " |\n" + "| --- " * len(HEADER) + "|", flush=True)
    failed = False
    with TemporaryDirectory() as folder, Workshop() as workshop:
        for name in names or list(TUTORIALS):
            own = Path(folder) / name
            own.mkdir()
            try:
                each = row(TUTORIALS[name], own, workshop)
            except CrosstrainError as error:
                failed = True
                print(f"| {name} | {error} |", flush=True)
                continue
            failed |= not (all(c.proved for c in each.certificates) and each.learns)
            print(each, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
