"""The engines that the contract is tried on: those of the Python that runs the tests, each on the processor
and, on a machine with an NVIDIA GPU, on that too.

``test_foreign.py`` runs the same tests once more in the environment of every other engine; there,
``CROSSTRAIN_TEST_ENGINE`` names the one to try.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from crosstrain.engines.contract import Arrays, Description, Engine, Network, Setting
from crosstrain.engines.registry import engines
from crosstrain.graph.program import Program
from crosstrain.system import gpus

ONLY = os.environ.get("CROSSTRAIN_TEST_ENGINE")
HERE = [ONLY] if ONLY else [n for n, row in engines().items() if row.trains and row.native and row.importable]


GPU = "cuda:0"


@dataclass(frozen=True)
class OnGpu:
    """An engine whose networks are built on a GPU wherever a test names no device."""

    engine: Engine

    @property
    def name(self) -> str:
        return self.engine.name

    def describe(self) -> Description:
        return self.engine.describe()

    def build(self, program: Program, weights: Arrays, setting: Setting) -> Network:
        if setting.device == "cpu":
            setting = replace(setting, device=GPU)
        return self.engine.build(program, weights, setting)


def places() -> Iterator[str]:
    """The engines, and the engines on the GPU that there is."""
    yield from HERE
    if gpus.gpus().cards:
        yield from (f"{name} on {GPU}" for name in HERE)


@pytest.fixture(scope="session", params=places())
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn, on each device in turn."""
    name, _, device = request.param.partition(" on ")
    engine = engines()[name].load()
    if device and GPU not in engine.describe().devices:
        pytest.skip(f"{name} {engine.describe().version} has no {GPU} here")
    return OnGpu(engine) if device else engine
