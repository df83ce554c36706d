"""The worker's task that lets one engine give both sides' gradients and training steps, in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.difference.recipes import Training, stepped
from crosstrain.engines.contract import Engine, Setting, State
from crosstrain.engines.registry import engine_row
from crosstrain.graph.evaluate import UnsupportedOp
from crosstrain.proof.arrays import Arrays, write_arrays
from crosstrain.proof.case import Case, fed

TASK = "crosstrain.difference.gradients:run"


def run(job: Mapping[str, Any], emit: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Task: of ``job["sides"]`` (by letter: the case's folder and the recipe as JSON) write to ``job["out"]``
    (.npz) what ``of_side`` gives, under ``LETTER/``. The result's ``unsupported`` says of a side why not."""
    engine: Engine = engine_row(job["engine"]).load()
    arrays: Arrays = {}
    unsupported: dict[str, str] = {}
    for letter, side in job["sides"].items():
        emit({"event": "phase", "name": f"gradients of {letter}"})
        try:
            found = of_side(engine, Case.load(Path(side["case"])), Training.from_json(side["training"]))
            arrays |= {f"{letter}/{key}": value for key, value in found.items()}
        except UnsupportedOp as error:
            unsupported[letter] = str(error)
    write_arrays(Path(job["out"]), arrays)
    return {"unsupported": unsupported}


def of_side(engine: Engine, case: Case, how: Training) -> Arrays:
    """``gradient/WEIGHT`` of the first batch, and ``step/K/WEIGHT`` after each of the case's steps, every
    step by the side's own rule."""
    network = engine.build(case.program, case.weights, Setting("cpu", "float64"))
    inputs = case.program.training.inputs
    weights, slots = dict(case.weights), {}  # type: tuple[Arrays, dict[str, dict[str, Any]]]
    arrays: Arrays = {}
    for number, (batch, rate) in enumerate(zip(case.batches(), case.rates(), strict=True), start=1):
        network.load(State(weights))
        _, gradients = network.gradients(fed(inputs, batch))
        gradients = {name: np.asarray(g, "float64") for name, g in gradients.items()}
        if number == 1:
            arrays |= {f"gradient/{name}": value for name, value in gradients.items()}
        weights |= stepped(how, weights, gradients, slots, rate, number)
        arrays |= {f"step/{number}/{name}": weights[name] for name in gradients}
    return arrays
