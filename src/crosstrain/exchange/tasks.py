"""The worker's side of an export: writing it, what the graph means, and what a foreign engine makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crosstrain.engines.registry import engine_row
from crosstrain.errors import CrosstrainError
from crosstrain.exchange.formats import Arrays, Opened, Source, format_row
from crosstrain.graph.graph import SEED, Graph
from crosstrain.graph.reference import run_numpy
from crosstrain.runs.tasks.evaluation import main_metric
from crosstrain.runs.tasks.inference import compared, material_of, of_the_graph
from crosstrain.system.files import read_arrays, storage_errors, write_arrays

Emit = Callable[[dict[str, Any]], None]
INPUT, OUTPUT = "input/", "output/"


def write(job: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """Write ``job["format"]`` to ``job["out"]``."""
    out = Path(job["out"])
    with storage_errors(out):
        format_row(job["format"]).write(source_of(job), out)
    if not out.exists():
        raise CrosstrainError(f"nothing was written to {out.name}")
    return {}


def sample(job: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """Write to ``job["out"]`` (.npz) ``job["examples"]`` inputs, of the test set where there is a
    ``data_folder``, else random, and what the graph makes of them in NumPy's float64."""
    source = source_of(job)
    if job.get("data_folder"):
        test = material_of(job).splits["test"].inputs
        inputs = {name: np.array(array[: job["examples"]]) for name, array in test.items()}
    else:
        inputs = random_inputs(source.graph, job["examples"])
    outputs, _ = run_numpy(source.graph, source.weights, inputs)
    arrays = {f"{INPUT}{k}": v for k, v in inputs.items()} | {f"{OUTPUT}{k}": v for k, v in outputs.items()}
    write_arrays(Path(job["out"]), arrays)
    return {"examples": len(next(iter(inputs.values())))}


def verify(job: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """Open ``job["path"]`` in a foreign engine: how far it is from the ``sample``, also one example at a
    time; and its accuracy on the whole test set where there is one."""
    source = source_of(job)
    predict = taking(source.graph, format_row(job["format"]).opened(Path(job["path"]), source))
    stored = read_arrays(Path(job["sample"]))
    inputs = {k.removeprefix(INPUT): v for k, v in stored.items() if k.startswith(INPUT)}
    expected = {k.removeprefix(OUTPUT): v for k, v in stored.items() if k.startswith(OUTPUT)}
    together = predict(inputs)
    alone = predict({name: array[:1] for name, array in inputs.items()})
    for outputs, rows in ((together, slice(None)), (alone, slice(0, 1))):
        _check_shapes(outputs, {name: array[rows] for name, array in expected.items()})
    comparison = compared(together, expected)
    single = compared(alone, {name: array[:1] for name, array in expected.items()})
    comparison["output_error"] = max(comparison["output_error"], single["output_error"])
    version = engine_row(job["engine"]).version if job.get("engine") else None
    return {**comparison, "engine_version": version, **_tested(job, predict)}


def taking(graph: Graph, predict: Opened) -> Opened:
    """``predict`` on whole numbers in the dtypes of the graph's inputs; data sets hold tokens as int64."""

    def taken(inputs: Arrays) -> Arrays:
        return predict({name: _typed(graph, name, array) for name, array in inputs.items()})

    return taken


def _typed(graph: Graph, name: str, array: np.ndarray) -> np.ndarray:
    spec = graph.inputs.get(name)
    if spec is None or spec.dtype == "float32" or array.dtype.kind not in "iub":
        return array
    return array.astype(spec.dtype)


def here(job: Mapping[str, Any], emit: Emit) -> dict[str, Any]:
    """The accuracy of the graph itself, on the native engine ``job["engine"]``."""
    row = engine_row(job["engine"])
    material = material_of(job)
    network = of_the_graph(row, job)(material)
    return {"engine_version": row.version, **_tested(job, network.predict)}


def source_of(job: Mapping[str, Any]) -> Source:
    """The network of ``job["network_folder"]`` with ``job["weights"]`` (.npz; None: initial)."""
    folder = Path(job["network_folder"])
    graph, weights = Graph.load(folder / "network.json")
    if job.get("weights"):
        weights = {**weights, **read_arrays(Path(job["weights"]))}
    definition = json.loads((folder / "definition.json").read_text())
    return Source(graph, {name: weights[name] for name in graph.weights}, definition, folder)


def random_inputs(graph: Graph, examples: int) -> Arrays:
    """Inputs of the graph's shapes (16 where it leaves a length open): floats in [0, 1), as pictures are,
    small whole numbers for words."""
    random = np.random.default_rng(0)
    arrays: Arrays = {}
    for name, spec in graph.inputs.items():
        if name == SEED:
            continue
        shape = (examples, *(16 if n is None else n for n in spec.shape[1:]))
        whole = spec.dtype != "float32"
        arrays[name] = (
            random.integers(0, 2, shape).astype(spec.dtype) if whole else random.random(shape, "float32")
        )
    return arrays


def _check_shapes(outputs: Arrays, expected: Arrays) -> None:
    for name, array in expected.items():
        if name not in outputs:
            raise CrosstrainError(f"what was written has no output {name!r}, only {', '.join(outputs)}")
        if outputs[name].shape != array.shape:
            shape = outputs[name].shape
            raise CrosstrainError(
                f"the output {name!r} of what was written has the shape {shape}, not {array.shape}"
            )


class _Predictor:
    """A function as an evaluation wants it."""

    def __init__(self, predict: Opened) -> None:
        self.predict = predict


def _tested(job: Mapping[str, Any], predict: Any) -> dict[str, Any]:
    if not job.get("data_folder"):
        return {"test_accuracy": None, "test_examples": 0}
    material = material_of(job)
    test = material.splits["test"]
    metrics = material.evaluation.run(_Predictor(predict), test.inputs, test.targets)  # type: ignore[arg-type]
    return {"test_accuracy": main_metric(metrics, "accuracy"), "test_examples": test.examples}
