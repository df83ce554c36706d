"""The first truth: what a graph computes by the NumPy meaning of its ops, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from crosstrain.graph.evaluate import Ops, compiled
from crosstrain.graph.graph import Graph, reference
from crosstrain.graph.ops import NUMPY
from crosstrain.graph.reference import in_precision
from crosstrain.proof.arrays import Arrays
from crosstrain.proof.case import Case, fed

OPS = Ops(NUMPY, "numpy")
"""The vocabulary on NumPy."""


def as_read(graph: Graph, batch: Mapping[str, np.ndarray]) -> Arrays:
    """The batch as a graph's inputs in float64."""
    chosen = fed(graph.inputs, batch)
    return {name: in_precision(chosen[name], spec.dtype, "float64") for name, spec in graph.inputs.items()}


def evaluate(
    graph: Graph, weights: Mapping[str, np.ndarray], batch: Mapping[str, np.ndarray]
) -> tuple[Arrays, Arrays]:
    """Outputs and updates of a graph of one phase, for float64 weights and a batch."""
    with np.errstate(all="ignore"):
        outputs, updates = compiled(graph, OPS, "float64")(weights, as_read(graph, batch))
    as_arrays = lambda values: {name: np.asarray(value) for name, value in values.items()}
    return as_arrays(outputs), as_arrays(updates)


def values(graph: Graph, weights: Mapping[str, np.ndarray], batch: Mapping[str, np.ndarray]) -> Arrays:
    """Every value of a graph of one phase: its inputs, what its nodes make, and its outputs."""
    references = [*map(reference, graph.inputs), *(ref for node in graph.nodes for ref in node.references)]
    whole = replace(graph, outputs={**graph.outputs, **{ref: ref for ref in references}})
    return evaluate(whole, weights, batch)[0]


def loss(case: Case, weights: Mapping[str, np.ndarray], batch: Mapping[str, np.ndarray]) -> float:
    """The training loss of a batch."""
    return float(evaluate(case.program.training, weights, batch)[0]["loss"])


def evidence(case: Case) -> Arrays:
    """``inference/OUT``, ``training/OUT`` and ``loss`` for the first batch, as in an engine's evidence."""
    batch = case.first()
    inference, _ = evaluate(case.program.inference, case.weights, batch)
    training, _ = evaluate(case.program.training, case.weights, batch)
    arrays = {f"inference/{name}": value for name, value in inference.items()}
    arrays |= {f"training/{k.removeprefix('output/')}": v for k, v in training.items() if k != "loss"}
    return arrays | {"loss": training["loss"]}
