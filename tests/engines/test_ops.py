"""Every op of the vocabulary on every engine, against its NumPy meaning in float64; gradients against
finite differences of it.

All cases stand in one graph, so that an engine which compiles does so once. Float inputs are trainable
weights of that graph: their gradients come out of ``gradients``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from crosstrain.engines.contract import Engine
from crosstrain.graph.builder import Builder, run_dtype
from crosstrain.graph.evaluate import UnsupportedOp, compiled
from crosstrain.graph.graph import TensorSpec
from crosstrain.graph.ops import VOCABULARY
from crosstrain.graph.program import Program
from crosstrain.training.optimizers import Optimizer
from tests.engines.networks import REFERENCE, Net, bound, distance, finest, finite_differences, squared_error
from tests.engines.op_cases import NOISE, NOT_IN_GRAPHS, OP_CASES, STOPPED_OUTPUTS, WITHOUT_GRADIENT, OpCase


@dataclass(frozen=True)
class Sheet:
    """A program that runs all cases: its outputs by ``case/number``, its weights by ``case/input number``."""

    program: Program
    weights: dict[str, np.ndarray]
    probes: dict[str, np.ndarray]
    """For each float output random factors; the loss is the sum of products."""


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
    for index, ref in enumerate(references):
        outputs[f"{case.name}/{index}"] = ref
        expected = reference(case)[index]
        if expected.dtype.kind == "f" and case.op not in WITHOUT_GRADIENT:
            probe = np.random.default_rng(3).standard_normal(expected.shape)
            probes[f"{case.name}/{index}"] = probe
            product = builder.emit(
                "multiply", ref, builder.add_weight(f"{case.name}/probe{index}", probe, False)
            )
            (part,) = builder.emit("sum", *product)
            total = part if total is None else builder.emit("add", total, part)[0]
    return outputs, total


@cache
def sheet(*names: str) -> Sheet:
    """The named cases, or all."""
    builder = Builder("ops")
    x = builder.add_input("x", TensorSpec((None, 1)))
    (total,) = builder.emit("mean", x)
    outputs: dict[str, str] = {}
    probes: dict[str, np.ndarray] = {}
    for case in (OP_CASES[n] for n in names or OP_CASES):
        named, part = _add(builder, case, probes)
        outputs |= named
        if part is not None:
            (total,) = builder.emit("add", total, part)
    loss = Builder("loss", "loss/constant/")
    (end,) = loss.emit("linear", loss.add_input("output/total", builder.specs[total]))
    network = builder.graph({**outputs, "total": total})
    return Sheet(Program(network, loss.graph({"loss": end}), Optimizer()), builder.arrays, probes)


@cache
def _reference(name: str) -> tuple[np.ndarray, ...]:
    return evaluated(OP_CASES[name], OP_CASES[name].inputs)


def reference(case: OpCase) -> tuple[np.ndarray, ...]:
    return _reference(case.name)


def evaluated(case: OpCase, inputs: Any) -> tuple[np.ndarray, ...]:
    """A case's outputs in NumPy, run as a graph of its own."""
    builder = Builder("one op")
    refs = [
        None if a is None else builder.add_weight(f"{i}", np.asarray(a), True) for i, a in enumerate(inputs)
    ]
    outputs = builder.emit(case.op, *refs, **case.attributes)
    graph = builder.graph({str(i): ref for i, ref in enumerate(outputs)})
    values, _ = compiled(graph, REFERENCE, "float64")(builder.arrays, {})
    return tuple(np.asarray(values[str(i)]) for i in range(len(outputs)))


@dataclass(frozen=True)
class Results:
    """What an engine made of all cases; where it failed at the whole, of each alone, or how it failed."""

    outputs: dict[str, np.ndarray]
    gradients: dict[str, np.ndarray]
    failures: dict[str, Exception]

    unsupported: Mapping[str, str]

    def check(self, name: str) -> None:
        """Skip the case of an op that the engine declares it cannot run; raise what went wrong with it."""
        if (op := OP_CASES[name].op) in self.unsupported:
            pytest.skip(f"cannot run {op}: {self.unsupported[op]}")
        if name in self.failures:
            raise self.failures[name]


def results_of(engine: Engine, *names: str) -> Results:
    unsupported = engine.describe().unsupported
    whole = sheet(*(names or (n for n, case in OP_CASES.items() if case.op not in unsupported)))
    network = engine.build(whole.program, whole.weights, finest(engine))
    batch = {"x": np.zeros((2, 1))}
    values, gradients = network.predict(batch, training=True), network.gradients(batch)[1]
    return Results(values, gradients, {}, unsupported)


@pytest.fixture(scope="module")
def results(engine: Engine) -> Results:
    try:
        return results_of(engine)
    except Exception:  # which case it was, each on its own will tell
        together = Results({}, {}, {}, engine.describe().unsupported)
        for name in (n for n, case in OP_CASES.items() if case.op not in together.unsupported):
            try:
                alone = results_of(engine, name)
            except Exception as error:
                together.failures[name] = error
            else:
                together.outputs.update(alone.outputs)
                together.gradients.update(alone.gradients)
        return together


def test_what_is_declared_unsupported_is_refused_with_the_reason(engine: Engine) -> None:
    unsupported = engine.describe().unsupported
    assert set(unsupported) <= set(VOCABULARY)
    for name in (n for n, case in OP_CASES.items() if case.op in unsupported):
        with pytest.raises(UnsupportedOp, match=re.escape(unsupported[OP_CASES[name].op])):
            results_of(engine, name)


def test_every_op_has_a_case() -> None:
    covered = {case.op for case in OP_CASES.values()}
    assert set(VOCABULARY) - NOT_IN_GRAPHS - NOISE == covered


@pytest.mark.parametrize("name", OP_CASES)
def test_value(engine: Engine, results: Results, name: str) -> None:
    results.check(name)
    for index, expected in enumerate(reference(OP_CASES[name])):
        value = results.outputs[f"{name}/{index}"]
        assert value.dtype.kind == expected.dtype.kind, f"{value.dtype}, not {expected.dtype}"
        if expected.dtype.kind == "f":
            assert distance(value, expected) < bound(engine, 1e-10)
        else:
            np.testing.assert_array_equal(value, expected)


@pytest.mark.parametrize("name", OP_CASES)
def test_shape_and_dtype_are_those_of_the_graph(results: Results, name: str) -> None:
    """What the vocabulary's rule promised an importer is what comes."""
    results.check(name)
    graph = sheet().program.network
    for index in range(len(reference(OP_CASES[name]))):
        spec, value = graph.spec(graph.outputs[f"{name}/{index}"]), results.outputs[f"{name}/{index}"]
        assert len(spec.shape) == value.ndim
        assert all(s in (None, n) for s, n in zip(spec.shape, value.shape, strict=True)), (spec, value.shape)
        assert run_dtype(value.dtype.name) == spec.dtype


DIFFERENTIABLE = [n for n, c in OP_CASES.items() if any(map(c.differentiable, range(len(c.inputs))))]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient(engine: Engine, results: Results, name: str) -> None:
    results.check(name)
    case, probes = OP_CASES[name], sheet().probes

    def loss(weights: dict[str, np.ndarray]) -> float:
        values = evaluated(case, [weights.get(str(i)) for i in range(len(case.inputs))])
        stopped = STOPPED_OUTPUTS.get(case.op, set())
        parts = {f"{name}/{i}": v for i, v in enumerate(values) if i not in stopped}
        return sum(float(np.sum(v * probes[key])) for key, v in parts.items() if key in probes)

    arrays = {str(i): a for i, a in enumerate(case.inputs) if a is not None}
    for index in filter(case.differentiable, range(len(case.inputs))):
        expected = finite_differences(loss, arrays, str(index))
        gradient = results.gradients[f"{name}/{index}"]
        assert gradient.shape == expected.shape
        assert np.abs(gradient - expected).max() < bound(engine, 1e-6) * max(1.0, np.abs(expected).max())


AT_ZERO = {
    "relu": 0.0, "relu6": 0.0, "abs": 0.0, "soft_shrink": 0.0, "hard_shrink": 0.0, "elu": 1.0, "celu": 1.0,
    "selu": 1.0507009873554805 * 1.6732632423543772, "leaky_relu": 0.2, "softsign": 1.0, "hard_tanh": 1.0,
}  # fmt: skip
"""The slope at exactly 0, which a convolution without bias gives wherever the image is black."""


def test_slopes_at_zero(engine: Engine) -> None:
    net = Net("kinks")
    x, parts = net.feature("x", 1), []
    for op in AT_ZERO:
        attributes = {"negative_slope": 0.2} if op == "leaky_relu" else {}
        parts.append(net.op(op, net.op("multiply", x, net.add_weight(op, np.zeros(1), True)), **attributes))
    y = net.op("concatenate", *parts, axis=-1)
    ones = {"x": np.ones((1, 1)), "target/y": -np.ones((1, len(parts)))}
    case = net.case({"y": y}, squared_error, ones)
    _, gradients = engine.build(case.program, case.weights, finest(engine)).gradients(case.batch)
    for op, slope in AT_ZERO.items():
        assert gradients[op][0] == pytest.approx(slope * 2 / len(parts), abs=bound(engine, 1e-12)), op


def test_equal_values_under_a_max_pool(engine: Engine) -> None:
    """The gradient goes to the first of them; after a ReLU whole windows are 0."""
    net = Net("ties")
    x = net.op("multiply", net.feature("x", 4, 4, 1), net.add_weight("w", np.zeros((4, 4, 1)), True))
    y = net.op("max_pool", x, window=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0)))
    batch = {"x": np.ones((1, 4, 4, 1)), "target/y": -np.ones((1, 2, 2, 1))}
    case = net.case({"y": y}, squared_error, batch)
    _, gradients = engine.build(case.program, case.weights, finest(engine)).gradients(case.batch)
    expected = np.zeros((4, 4, 1))
    expected[::2, ::2] = 2 / 4
    np.testing.assert_allclose(gradients["w"], expected, atol=bound(engine, 1e-12))
