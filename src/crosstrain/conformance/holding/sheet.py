"""Cases as a program that any engine runs, and what NumPy makes of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosstrain.conformance.cases import STOPPED_OUTPUTS, WITHOUT_GRADIENT, OpCase
from crosstrain.graph.builder import Builder
from crosstrain.graph.evaluate import Ops, compiled
from crosstrain.graph.graph import Graph, TensorSpec
from crosstrain.graph.ops import NUMPY
from crosstrain.graph.program import Program
from crosstrain.training.optimizers import Optimizer

NUMPYS = Ops(NUMPY, "NumPy")
STEP = 1e-5
"""Of central differences: their error is some 1e-10 in float64."""
BATCH = {"x": np.zeros((2, 1))}
"""What a sheet is run on: a program needs an input with a batch, and no case reads it."""


@dataclass(frozen=True)
class Sheet:
    """A program that runs cases: its outputs by ``case/number``, its weights by ``case/input number``.

    Float inputs are trainable weights, so that their gradients come out of ``gradients``. The loss is the sum
    of products of the float outputs and ``probes``, random factors by output.
    """

    program: Program
    weights: dict[str, np.ndarray]
    probes: dict[str, np.ndarray]


def sheet(cases: Iterable[OpCase]) -> Sheet:
    """A sheet of these cases. An engine that compiles does so once for all of them."""
    builder = Builder("ops")
    x = builder.add_input("x", TensorSpec((None, 1)))
    (total,) = builder.emit("mean", x)
    outputs: dict[str, str] = {}
    probes: dict[str, np.ndarray] = {}
    for case in cases:
        named, part = _add(builder, case, probes)
        outputs |= named
        if part is not None:
            (total,) = builder.emit("add", total, part)
    loss = Builder("loss", "loss/constant/")
    (end,) = loss.emit("linear", loss.add_input("output/total", builder.specs[total]))
    network = builder.graph({**outputs, "total": total})
    return Sheet(Program(network, loss.graph({"loss": end}), Optimizer()), builder.arrays, probes)


def _add(builder: Builder, case: OpCase, probes: dict[str, np.ndarray]) -> tuple[dict[str, str], str | None]:
    """A case's nodes: its outputs by name, and its part of the loss."""
    inputs = []
    for index, array in enumerate(case.inputs):
        weight = f"{case.name}/{index}"
        inputs.append(
            None if array is None else builder.add_weight(weight, array, case.differentiable(index))
        )
    references = builder.emit(case.op, *inputs, name=case.name, **case.attributes)
    outputs, total = {}, None
    for index, (ref, expected) in enumerate(zip(references, meaning(case), strict=True)):
        outputs[f"{case.name}/{index}"] = ref
        if expected.dtype.kind == "f" and case.op not in WITHOUT_GRADIENT:
            probe = np.random.default_rng(3).standard_normal(expected.shape)
            probes[f"{case.name}/{index}"] = probe
            product = builder.emit(
                "multiply", ref, builder.add_weight(f"{case.name}/probe{index}", probe, False)
            )
            (part,) = builder.emit("sum", *product)
            total = part if total is None else builder.emit("add", total, part)[0]
    return outputs, total


def meaning(case: OpCase) -> tuple[np.ndarray, ...]:
    """A case's outputs in NumPy's float64."""
    return evaluator(case)(case.inputs)


def evaluator(case: OpCase) -> Callable[[Sequence[np.ndarray | None]], tuple[np.ndarray, ...]]:
    """The outputs, in NumPy's float64, of a case's op on any inputs of the case's shapes."""
    graph, _ = _alone(case)
    run = compiled(graph, NUMPYS, "float64")

    def evaluated(inputs: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
        values, _ = run({str(i): np.asarray(a) for i, a in enumerate(inputs) if a is not None}, {})
        return tuple(np.asarray(values[str(i)]) for i in range(len(graph.outputs)))

    return evaluated


def _alone(case: OpCase) -> tuple[Graph, Mapping[str, np.ndarray]]:
    """A case as a graph of its own."""
    builder = Builder("one op")
    refs = [
        None if a is None else builder.add_weight(f"{i}", np.asarray(a), True)
        for i, a in enumerate(case.inputs)
    ]
    outputs = builder.emit(case.op, *refs, **case.attributes)
    return builder.graph({str(i): ref for i, ref in enumerate(outputs)}), builder.arrays


def slopes(case: OpCase, probes: Mapping[str, np.ndarray]) -> dict[int, np.ndarray]:
    """Central differences of a sheet's loss for every number of each differentiable input, by its number."""
    run, stopped = evaluator(case), STOPPED_OUTPUTS.get(case.op, set())
    inputs: list[Any] = [None if a is None else np.array(a) for a in case.inputs]

    def loss() -> float:
        values = {f"{case.name}/{i}": v for i, v in enumerate(run(inputs)) if i not in stopped}
        return sum(float(np.sum(v * probes[key])) for key, v in values.items() if key in probes)

    found = {}
    for index in filter(case.differentiable, range(len(inputs))):
        array = inputs[index] = np.asarray(inputs[index], "float64")
        slope = found[index] = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            middle, ends = array[place], []
            for end in (middle + STEP, middle - STEP):
                array[place] = end
                ends.append(loss())
            array[place] = middle
            slope[place] = (ends[0] - ends[1]) / (2 * STEP)
    return found
