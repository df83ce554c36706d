"""crosstrain's engine (CROSSTRAIN_ENGINE names it) in the loop that its cells run, on the network that
CROSSTRAIN_DEFINITION holds."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from crosstrain.engines.contract import Setting
from crosstrain.engines.registry import engine_row
from crosstrain.graph.graph import SEED
from crosstrain.runs.defined import Definition
from crosstrain.training.optimizers import Optimizer
from native_loops import LEARNING_RATE, MOMENTUM, Run, Task, batches


def contender(task: Task, batch_size: int) -> Run:
    definition = Definition.load(Path(os.environ["CROSSTRAIN_DEFINITION"]))
    program = definition.program(Optimizer("sgd", momentum=MOMENTUM))
    weights = definition.weights()
    engine = engine_row(os.environ["CROSSTRAIN_ENGINE"]).load()
    network = engine.build(program, weights, Setting(threads=int(os.environ["OMP_NUM_THREADS"])))
    (feature,) = (name for name in program.inference.inputs if name != SEED)
    noisy = SEED in program.training.inputs  # dropout draws by it
    (target,) = (name for name in program.training.inputs if name.startswith("target/"))

    def run(steps: int) -> float:
        begin = time.perf_counter()
        for step, (x, y) in enumerate(batches(task, steps, batch_size)):
            seed = {SEED: np.asarray(step, np.int32)} if noisy else {}
            network.train({feature: x, target: y, **seed}, LEARNING_RATE)
        network.wait()
        return time.perf_counter() - begin

    return run
