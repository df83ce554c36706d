"""crosstrain's engine (CROSSTRAIN_ENGINE names it) in the loop that its cells run."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from crosstrain.engines.contract import Setting
from crosstrain.engines.registry import engine_row
from crosstrain.runs.definition import define
from crosstrain.training.optimizers import Optimizer
from native_loops import LEARNING_RATE, MOMENTUM, Run, Task, batches


def contender(task: Task, batch_size: int) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        definition = define(
            task.network,
            input_shapes={"": (task.size, task.size, 3)},
            classes=task.classes,
            targets={"": {"shape": [], "dtype": "int64", "classes": task.classes}},
            seed=0,
            folder=Path(folder),
        )
        program = definition.program(Optimizer("sgd", momentum=MOMENTUM))
        weights = definition.weights()
    engine = engine_row(os.environ["CROSSTRAIN_ENGINE"]).load()
    network = engine.build(program, weights, Setting(threads=int(os.environ["OMP_NUM_THREADS"])))
    (feature,) = program.inference.inputs
    (target,) = (name for name in program.training.inputs if name.startswith("target/"))

    def run(steps: int) -> float:
        begin = time.perf_counter()
        for x, y in batches(task, steps, batch_size):
            network.train({feature: x, target: y}, LEARNING_RATE)
        network.wait()
        return time.perf_counter() - begin

    return run
