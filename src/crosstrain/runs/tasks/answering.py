"""The task ``answer``: what a trained network says of inputs, on one engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.engines.contract import Predictor, Setting
from crosstrain.engines.registry import EngineRow
from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph, Weights
from crosstrain.graph.program import Program
from crosstrain.graph.tapping import tapped
from crosstrain.runs.tasks.cell import setting_of
from crosstrain.runs.tasks.describe import importable
from crosstrain.system.clocks import Clocks
from crosstrain.system.files import read_arrays, write_arrays
from crosstrain.training.recipe import Recipe

Emit = Callable[[dict[str, Any]], None]
BATCH = 64
"""Examples at a time."""


def run(job: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """Run the network over all inputs and write its outputs.

    The job has ``engine``, ``device``, ``threads``, ``options``, ``network_folder`` (of the define task),
    ``weights`` (``.npz``; None: the initial ones), ``model`` (the file for an engine that reads one, with
    the ``layer`` among its outputs), ``layer`` (whose output is asked for besides, ""), ``inputs`` (a
    ``.npy`` for each of the network's inputs), ``outputs`` (which are wanted; None: all) and ``out``
    (``.npz``, an array for each output, the first axis counting examples).
    """
    clocks = Clocks(emit)
    graph, row, predictor = opened(job, clocks)
    inputs = {name: np.load(path, mmap_mode="r", allow_pickle=False) for name, path in job["inputs"].items()}
    examples = len(next(iter(inputs.values())))
    wanted = job.get("outputs") or list(graph.outputs)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    with clocks.phase("answer"):
        for start, batch in batches(inputs):
            emit({"event": "progress", "step": start, "steps": examples})
            outputs = predictor.predict(batch)
            for name, part in parts.items():
                part.append(np.asarray(outputs[name]))
    write_arrays(Path(job["out"]), {name: np.concatenate(part) for name, part in parts.items()})
    seconds = {f"{phase}_seconds": clocks.seconds[phase] for phase in ("import", "load", "answer")}
    return {"engine_version": row.version, "examples": examples, **seconds}


def opened(job: Mapping[str, Any], clocks: Clocks) -> tuple[Graph, EngineRow, Predictor]:
    """The network of a job on its engine, ready to be asked."""
    graph, weights, loss = network_of(job)
    with clocks.phase("import"):
        row = importable(job["engine"])
        engine: Any = row.load_for_inference() if row.reads else row.load()
        setting: Setting = setting_of(job, engine.describe())
    with clocks.phase("load"):
        predictor: Predictor
        if row.reads:
            predictor = engine.open(Path(job["model"]), tuple(graph.outputs), setting)
        else:
            predictor = _built(engine, Program(graph, loss, Recipe().optimizer), weights, setting)
    return graph, row, predictor


def network_of(job: Mapping[str, Any]) -> tuple[Graph, Weights, Graph]:
    """The network with the ``layer`` of the job among its outputs; its weights, the trained ones in place of
    the initial ones, with the loss's constants, in float32; and the loss."""
    folder = Path(job["network_folder"])
    graph, weights = Graph.load(folder / "network.json")
    loss, constants = Graph.load(folder / "loss.json")
    if job.get("weights"):
        weights = {**weights, **read_arrays(Path(job["weights"]))}
    if job.get("layer"):
        graph, _ = tapped(graph, job["layer"])
    whole = {**weights, **constants}
    return graph, {k: v.astype("float32") if v.dtype.kind == "f" else v for k, v in whole.items()}, loss


def batches(inputs: Mapping[str, np.ndarray]) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """The examples in their order, with the position of the first of each batch. All batches but the last
    have the same size, for which some engines compile."""
    examples = len(next(iter(inputs.values())))
    for start in range(0, examples, BATCH):
        yield start, {name: np.asarray(array[start : start + BATCH]) for name, array in inputs.items()}


def _built(engine: Any, program: Program, weights: Weights, setting: Setting) -> Predictor:
    try:
        network: Predictor = engine.build(program, weights, setting)
    except ValueError as error:
        if type(error) is not ValueError:  # a sentence of its own already, or a framework's fault
            raise
        raise CrosstrainError(f"{engine.name} cannot build this network: {error}") from error
    return network
