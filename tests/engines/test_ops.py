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

import numpy as np
import pytest

from crosstrain.conformance.cases import NOISE, NOT_IN_GRAPHS, OP_CASES
from crosstrain.conformance.holding.sheet import BATCH, Sheet, meaning, sheet, slopes
from crosstrain.engines.contract import Engine
from crosstrain.graph.builder import run_dtype
from crosstrain.graph.evaluate import UnsupportedOp
from crosstrain.graph.ops import VOCABULARY
from tests.engines.networks import Net, bound, distance, finest, squared_error


@cache
def sheet_of(*names: str) -> Sheet:
    """The named cases, or all."""
    return sheet(OP_CASES[name] for name in names or OP_CASES)


@cache
def expected_of(name: str) -> tuple[np.ndarray, ...]:
    return meaning(OP_CASES[name])


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
    whole = sheet_of(*(names or (n for n, case in OP_CASES.items() if case.op not in unsupported)))
    network = engine.build(whole.program, whole.weights, finest(engine))
    values, gradients = network.predict(BATCH, training=True), network.gradients(BATCH)[1]
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
    for index, expected in enumerate(expected_of(name)):
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
    graph = sheet_of().program.network
    for index in range(len(expected_of(name))):
        spec, value = graph.spec(graph.outputs[f"{name}/{index}"]), results.outputs[f"{name}/{index}"]
        assert len(spec.shape) == value.ndim
        assert all(s in (None, n) for s, n in zip(spec.shape, value.shape, strict=True)), (spec, value.shape)
        assert run_dtype(value.dtype.name) == spec.dtype


DIFFERENTIABLE = [n for n, c in OP_CASES.items() if any(map(c.differentiable, range(len(c.inputs))))]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradient(engine: Engine, results: Results, name: str) -> None:
    results.check(name)
    for index, expected in slopes(OP_CASES[name], sheet_of().probes).items():
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
