"""Networks that the proof's tests share: each defined once, its truth asked for once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crosstrain.engines.contract import Engine
from crosstrain.engines.registry import engine_row
from crosstrain.environments.environments import default
from crosstrain.proof import evidence
from crosstrain.proof.prover import Prover
from crosstrain.runs.definition import Definition, define
from crosstrain.runs.process import Outcome, run_job
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Recipe
from tests.proof.faults import Fault, FaultyEngine

NETWORKS = Path(__file__).with_name("networks.py")
INSTALLED = list(default())
RECIPE = Recipe(optimizer=Optimizer(learning_rate=0.05, momentum=0.9))


@pytest.fixture(scope="session")
def defined(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Definition]:
    """A network of ``networks.py`` by name, defined once in a session."""
    folder = tmp_path_factory.mktemp("networks")
    known: dict[str, Definition] = {}
    keys: dict[tuple[str, str], str] = {}

    def get(name: str, recipe: Recipe | None = None) -> Definition:
        losses = recipe and recipe.to_json()["losses"]
        key = f"{name}{len(known) if losses and (name, str(losses)) not in keys else ''}"
        key = keys.setdefault((name, str(losses)), key)
        if key not in known:
            known[key] = define(f"{NETWORKS}:{name}", folder=folder / key, losses=losses)
        return known[key]

    return get


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of all proofs of a session, where truths are kept."""
    return tmp_path_factory.mktemp("proofs")


class Row:
    """Stands in for a registry row whose engine is already there."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def load(self) -> Engine:
        return self.engine


def in_process(fault: Fault) -> Callable[..., Outcome]:
    """Runs evidence here, on an engine with a fault; other tasks in their own process as ever."""

    def launch(job: dict[str, Any], *, folder: Path, **options: Any) -> Outcome:
        if job["task"] != "evidence":
            return run_job(job, folder=folder, **options)
        faulty = FaultyEngine(engine_row(job["engine"]).load(), fault)
        with pytest.MonkeyPatch.context() as patch, fault.planted():
            patch.setattr(evidence, "engine_row", lambda name: Row(faulty))
            result = evidence.run(job, lambda event: None)
        return Outcome("done", result, None, folder / "none.log", 0.0, None)

    return launch


@pytest.fixture
def prover(defined: Callable[..., Definition], work: Path) -> Callable[..., Prover]:
    """A prover of a network whose engines have a fault."""

    def make(network: str, fault: Fault, recipe: Recipe = RECIPE) -> Prover:
        return Prover(
            defined(network, recipe), recipe, work, steps=10, batch_size=8, seed=0, launch=in_process(fault)
        )

    return make
