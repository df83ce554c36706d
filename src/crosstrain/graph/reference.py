"""The reference: a graph evaluated by the NumPy meaning of its ops."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from crosstrain.graph.evaluate import Ops, compiled
from crosstrain.graph.graph import Graph

Arrays = Mapping[str, np.ndarray]


def run_numpy(
    graph: Graph, weights: Arrays, inputs: Arrays, precision: str = "float64", training: bool = False
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Outputs and updated weights of one phase. Float inputs and weights are converted to ``precision``."""
    from crosstrain.graph.ops import NUMPY

    phase = graph.phase(training)
    run = compiled(phase, Ops(NUMPY, "numpy"), precision)
    values = {name: in_precision(inputs[name], spec.dtype, precision) for name, spec in phase.inputs.items()}
    loaded = {
        name: in_precision(weights[name], spec.dtype, precision) for name, spec in graph.weights.items()
    }
    return run(loaded, values)


def in_precision(array: np.ndarray, dtype: str, precision: str) -> np.ndarray:
    """An array in its dtype in the graph (``float32`` is the precision of the run)."""
    return np.asarray(array).astype(precision if dtype == "float32" else dtype)
