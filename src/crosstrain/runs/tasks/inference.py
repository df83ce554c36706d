"""The task ``infer``: one trained network on one engine, measured as a server would meet it.

Every engine gets NumPy arrays and gives NumPy arrays; both copies are inside the clock, since no caller
can avoid them. Loading, the first answer (which may compile), latency, throughput and agreement are timed
apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.engines.contract import Predictor
from crosstrain.engines.registry import EngineRow
from crosstrain.graph.evaluate import Ops, compiled
from crosstrain.graph.graph import Weights
from crosstrain.graph.ops import NUMPY
from crosstrain.runs.tasks.cell import built, setting_of
from crosstrain.runs.tasks.describe import importable
from crosstrain.runs.tasks.evaluation import main_metric
from crosstrain.runs.tasks.material import Material
from crosstrain.runs.worker import peak_memory
from crosstrain.system.clocks import Clocks
from crosstrain.system.files import read_arrays, write_arrays
from crosstrain.training.recipe import Recipe

Emit = Callable[[dict[str, Any]], None]
Arrays = dict[str, np.ndarray]

WARM_UP = 5
LATENCIES = 300
"""So many single examples are asked for, unless they take longer than ``LONGEST``."""
LONGEST = 10.0
THROUGHPUT_SECONDS = 1.0
FEWEST = 5
BATCH = 64
"""Examples at a time where the whole test set is gone through."""


def run(job: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """Measure one engine and give its record.

    The job has ``engine``, ``device``, ``threads``, ``options``, ``network_folder`` (of the define task),
    ``weights`` (``.npz``; None: the initial ones), ``data_folder``, ``model`` (the file for an engine that
    reads one), ``batch_sizes`` and ``reference`` (``.npz`` of the task ``reference``; None: nothing is said
    of accuracy and agreement). Times in the record
    are seconds; ``latencies`` and the samples of ``throughput`` are raw.
    """
    clocks = Clocks(emit)
    with clocks.phase("prepare"):
        material = material_of(job)
        test = material.splits["test"].inputs
        warm = {name: array[:1].copy() for name, array in test.items()}
    with clocks.phase("import"):
        row = importable(job["engine"])
        open_ = of_a_file(row, job) if row.reads else of_the_graph(row, job)
    before = peak_memory()
    with clocks.phase("load"):
        predictor = open_(material)
    with clocks.phase("first"):
        predictor.predict(warm)
    with clocks.phase("latency"):
        latencies = [float(s) for s in timed(predictor, test, 1, LATENCIES, LONGEST)]
    throughput = {}
    for size in job["batch_sizes"]:
        with clocks.phase("throughput"):
            seconds = timed(predictor, test, size, 10**6, THROUGHPUT_SECONDS)
            throughput[str(size)] = [size / s for s in seconds]
    tested: dict[str, Any] = {}
    agreement: dict[str, Any] = {}
    if job.get("reference"):
        with clocks.phase("agree"):
            recorder = Recorder(predictor)
            tested = material.evaluation.run(recorder, test, material.splits["test"].targets)  # type: ignore[arg-type]
            agreement = compared(recorder.outputs(), read_arrays(Path(job["reference"])))
    return {
        "engine_version": row.version,
        "latencies": latencies,
        "throughput": throughput,
        **{f"{phase}_seconds": clocks.seconds[phase] for phase in ("import", "load", "first")},
        "test_accuracy": main_metric(tested, "accuracy"),
        "test_examples": material.splits["test"].examples if tested else 0,
        **agreement,
        "peak_memory_bytes": peak_memory(),
        "memory_before_bytes": before,
    }


def material_of(job: Mapping[str, Any]) -> Material:
    """Network and data; float32 weights, the trained ones where there are any."""
    recipe = Recipe(batch_size=BATCH)
    return Material.load(Path(job["network_folder"]), Path(job["data_folder"]), recipe, "float32")


def weights_of(job: Mapping[str, Any], material: Material) -> Weights:
    """All that ``Engine.build`` takes, with the trained weights in place of the initial ones."""
    if not job.get("weights"):
        return dict(material.weights)
    return {**material.weights, **read_arrays(Path(job["weights"]))}


Open = Callable[[Material], Predictor]


def of_a_file(row: EngineRow, job: Mapping[str, Any]) -> Open:
    """Import an engine that reads files; what is given opens the job's."""
    engine = row.load_for_inference()
    setting = setting_of(job, engine.describe())
    return lambda material: engine.open(Path(job["model"]), tuple(material.program.network.outputs), setting)


def of_the_graph(row: EngineRow, job: Mapping[str, Any]) -> Open:
    """Import an engine that could train too; what is given builds the network there."""
    engine = row.load()
    setting = setting_of(job, engine.describe())
    return lambda material: built(engine, replace(material, weights=weights_of(job, material)), setting)


def timed(predictor: Predictor, inputs: Arrays, size: int, most: int, longest: float) -> list[float]:
    """Seconds of each of at most ``most`` predictions of ``size`` examples, begun within ``longest``
    seconds (and ``FEWEST`` at least); the examples change from one to the next."""
    batches = _batches(inputs, size)
    for index in range(WARM_UP):
        predictor.predict(batches[index % len(batches)])
    seconds: list[float] = []
    end = time.perf_counter() + longest
    while len(seconds) < most and (len(seconds) < FEWEST or time.perf_counter() < end):
        batch = batches[len(seconds) % len(batches)]
        started = time.perf_counter()
        predictor.predict(batch)
        seconds.append(time.perf_counter() - started)
    return seconds


def _batches(inputs: Arrays, size: int, several: int = 16) -> list[Arrays]:
    """Some batches of exactly ``size`` examples, in memory of their own; a small data set is gone round."""
    examples = len(next(iter(inputs.values())))
    count = max(1, min(several, examples // size))
    rows = [np.arange(number * size, (number + 1) * size) % examples for number in range(count)]
    return [{name: np.ascontiguousarray(array[index]) for name, array in inputs.items()} for index in rows]


class Recorder:
    """A predictor that keeps what it said."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._outputs: list[dict[str, np.ndarray]] = []

    def predict(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self._outputs.append(self._predictor.predict(inputs))
        return self._outputs[-1]

    def outputs(self) -> Arrays:
        """All of it, one array for each output."""
        return {name: np.concatenate([batch[name] for batch in self._outputs]) for name in self._outputs[0]}


def compared(outputs: Arrays, reference: Arrays) -> dict[str, Any]:
    """How far outputs are from the reference: ``output_error`` is the largest norm-wise relative one over the
    outputs, ``largest_difference`` the largest of all single numbers, ``classes_differ`` counts the
    examples whose largest entry is another (None where no output has classes)."""
    errors, largest, differ = [0.0], 0.0, None
    for name, expected in reference.items():
        value = outputs[name].astype("float64")
        distance = np.abs(value - expected)
        errors.append(float(np.linalg.norm(distance) / max(float(np.linalg.norm(expected)), 1e-30)))
        largest = max(largest, float(distance.max(initial=0.0)))
        if expected.ndim == 2 and expected.shape[-1] > 1:
            differ = (differ or 0) + int((value.argmax(-1) != expected.argmax(-1)).sum())
    return {"output_error": max(errors), "largest_difference": largest, "classes_differ": differ}


def reference(job: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """The task ``reference``: what the network's graph says of the whole test set in NumPy's float64,
    written to ``job["out"]``."""
    material = material_of(job)
    graph = material.program.inference
    run = compiled(graph, Ops(NUMPY, "NumPy"), "float64")
    weights = {k: _double(v) for k, v in weights_of(job, material).items()}
    inputs, examples = material.splits["test"].inputs, material.splits["test"].examples
    parts: list[Arrays] = []
    for start in range(0, examples, BATCH):
        emit({"event": "progress", "step": start, "steps": examples})
        batch = {name: _double(np.asarray(array[start : start + BATCH])) for name, array in inputs.items()}
        parts.append(run(weights, batch)[0])
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    write_arrays(Path(job["out"]), outputs)
    return {"examples": examples, "outputs": list(outputs)}


def _double(value: np.ndarray) -> np.ndarray:
    return value.astype("float64") if value.dtype.kind == "f" else value
