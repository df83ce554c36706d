"""A contender's process of benchmarks/gpu.py: one way to train, any of the networks, one after the other.

python -m native_loops.gpu_server ROLE DEVICE answers each JSON line
{"wake": true} (import the framework) and {"prepare": TASK, "definition": FOLDER, "batch": N} with
{"ready": seconds}, {"run": STEPS} with {"seconds": …}; with {"error": …} where that failed.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crosstrain.engines.contract import Setting
from crosstrain.engines.registry import engine_row
from crosstrain.runs.defined import Definition
from native_loops.gpu_tasks import LEARNING_RATE, TASKS, GpuTask, batches

Run = Callable[[int], float]

HAND = {"hand eager": False, "hand captured": True}
ENGINES: dict[str, tuple[str, dict[str, Any]]] = {
    "crosstrain torch": ("torch", {}),
    "crosstrain torch eager": ("torch", {"capture": False}),
    "crosstrain jax": ("jax", {}),
    "Keras on torch": ("keras-torch", {}),
    "Keras on jax": ("keras-jax", {}),
}
ROLES = (*HAND, *ENGINES)
WARM_UP = 6
"""Steps until everything is compiled and captured."""


def _engine(role: str, task: GpuTask, definition: Path, batch_size: int, device: str) -> Run:
    name, options = ENGINES[role]
    made = Definition.load(definition)
    program = made.program(task.rule)
    network = engine_row(name).load().build(program, made.weights(), Setting(device, options=options))
    (feature,) = program.inference.inputs
    (target,) = (name for name in program.training.inputs if name.startswith("target/"))
    x, y = task.data()

    def run(steps: int) -> float:
        begin = time.perf_counter()
        for a, b in batches(x, y, steps, batch_size):
            network.train({feature: a, target: b}, LEARNING_RATE)
        network.wait()
        return time.perf_counter() - begin

    return run


def prepared(role: str, task: GpuTask, definition: Path, batch_size: int, device: str) -> Run:
    if role in HAND:
        from native_loops.gpu_torch import contender

        run = contender(task, batch_size, device, HAND[role])
    else:
        run = _engine(role, task, definition, batch_size, device)
    run(WARM_UP)
    return run


def wake(role: str) -> None:
    """Import the framework and find the device."""
    if role in HAND:
        importlib.import_module("native_loops.gpu_torch")
    else:
        engine_row(ENGINES[role][0]).load().describe()


def serve(role: str, device: str) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the framework prints does not disturb the answers
    run: Run | None = None
    for line in sys.stdin:
        command = json.loads(line)
        begin = time.perf_counter()
        try:
            if "wake" in command:
                wake(role)
                answer: dict[str, Any] = {"ready": time.perf_counter() - begin}
            elif "prepare" in command:
                run = None
                run = prepared(
                    role, TASKS[command["prepare"]], Path(command["definition"]), command["batch"], device
                )
                answer = {"ready": time.perf_counter() - begin}
            else:
                assert run is not None
                answer = {"seconds": run(command["run"])}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2])
