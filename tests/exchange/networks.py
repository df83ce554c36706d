"""Op cases and whole networks as graphs with inputs, and what NumPy makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from crosstrain.conformance.cases import NOISE, OP_CASES, OpCase
from crosstrain.graph.builder import Builder, run_dtype
from crosstrain.graph.graph import SEED, Graph, TensorSpec, Weights
from crosstrain.graph.keras_import import import_model
from crosstrain.graph.reference import run_numpy
from tests.engines import networks as hand_made

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Sample:
    """A graph with weights and inputs; ``expected`` is NumPy's float64."""

    graph: Graph
    weights: Weights
    inputs: Arrays
    expected: Arrays

    def single(self) -> Arrays:
        """The inputs as an exported model takes them."""
        return {
            k: v.astype("float32") if v.dtype.kind == "f" else v.astype(self.graph.inputs[k].dtype)
            for k, v in self.inputs.items()
        }


def sampled(graph: Graph, weights: Weights, inputs: Arrays) -> Sample:
    outputs, _ = run_numpy(graph, weights, inputs)
    return Sample(graph, weights, inputs, {k: np.asarray(v) for k, v in outputs.items()})


def of_op(case: OpCase, weights_in: bool) -> Sample | None:
    """An op case with its first input fed, and the others too unless ``weights_in``. None where all of it is
    constant."""
    builder, references, feed = Builder("case"), [], {}
    for index, array in enumerate(case.inputs):
        if array is None:
            references.append(None)
        elif index and weights_in:
            references.append(builder.add_weight(f"w{index}", array, True))
        else:
            spec = TensorSpec(array.shape, run_dtype(array.dtype.name))
            references.append(builder.add_input(f"i{index}", spec))
            feed[f"i{index}"] = array
    if not feed:
        return None
    results = builder.emit(case.op, *references, name="node", **case.attributes)
    # In inference batch_norm is normalize, which has one output.
    count = 1 if case.op == "batch_norm" else len(results)
    graph = builder.graph({f"o{i}": ref for i, ref in enumerate(results[:count])})
    return sampled(graph, builder.arrays, feed)


def op_samples(weights_in: bool) -> Iterator[tuple[str, Sample]]:
    for name, case in OP_CASES.items():
        if case.op not in NOISE and (sample := of_op(case, weights_in)):
            yield name, sample


ZOO = {"mlp": (28, 28, 1), "lenet5": (32, 32, 1), "resnet20": (16, 16, 3), "resnet20-b": (16, 16, 3)}


@cache
def network(name: str) -> Sample:
    """A network of the zoo, with statistics and biases that are not 0, or one of those made by hand."""
    random = np.random.default_rng(1)
    if name in hand_made.CASES:
        case = hand_made.CASES[name]()
        graph = case.program.network
        return sampled(graph, case.weights, {k: case.batch[k] for k in graph.inputs if k != SEED})
    from crosstrain import zoo

    graph, weights = import_model(zoo.build(name, ZOO[name], 7), None)
    moved = {
        k: v + 0.1 * np.abs(random.standard_normal(v.shape)) if v.ndim == 1 else v for k, v in weights.items()
    }
    inputs = {k: random.standard_normal((3, *s.shape[1:])) for k, s in graph.inputs.items()}
    return sampled(graph, moved, inputs)


NETWORKS = (*ZOO, *hand_made.CASES)


def distance(value: np.ndarray, reference: np.ndarray) -> float:
    return hand_made.distance(value, reference)
