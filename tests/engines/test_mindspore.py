"""What is MindSpore's own: compiled against eager, weights given back untouched, sources that go, threads."""

from __future__ import annotations

import gc
import importlib.util
import linecache
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

if importlib.util.find_spec("mindspore") is None:  # the engine must import it first, with its settings
    pytest.skip("this Python has no MindSpore", allow_module_level=True)

from crosstrain.engines.contract import Setting
from crosstrain.engines.mindspore.engine import ENGINE, MindSporeNetwork
from crosstrain.training.optimizers import Optimizer
from tests.engines.networks import (
    CASES,
    Case,
    Net,
    convolutional,
    distance,
    perceptron,
    squared_error,
)
from tests.engines.test_ops import sheet


def built(case: Case, precision: str = "float64", compile: bool = True) -> MindSporeNetwork:
    return ENGINE.build(
        case.program, case.weights, Setting(precision=precision, options={"compile": compile})
    )


@pytest.mark.parametrize("name", ["perceptron", "convolutional", "branched"])
def test_eager_and_compiled_do_the_same(name: str) -> None:
    case = CASES[name]().with_optimizer(Optimizer("adam"))
    compiled, eager = built(case), built(case, compile=False)
    for training in (False, True):
        values = eager.predict(case.batch, training=training)
        for key, value in compiled.predict(case.batch, training=training).items():
            assert distance(value, values[key]) < 1e-12
    for _ in range(2):
        assert float(compiled.train(case.batch, 0.1)) == pytest.approx(
            float(eager.train(case.batch, 0.1)), rel=1e-12
        )
    weights = eager.read().weights
    for key, value in compiled.read().weights.items():
        assert distance(value, weights[key]) < 1e-10, key


def test_an_output_that_is_a_weight_keeps_its_float64() -> None:
    """Compiled code gives a parameter that it returns untouched in the precision of float32."""
    net = Net("direct")
    weight = net.drawn("weight", 3, 4)
    outputs = {"sum": net.op("add", net.feature("x", 4), net.op("sum", weight, axis=0)), "weight": weight}
    graph = net.graph(outputs)
    case = net.case({"sum": outputs["sum"]}, squared_error, {"x": np.ones((2, 4))})
    program = type(case.program)(graph, case.program.loss, case.program.optimizer)
    network = ENGINE.build(program, case.weights, Setting(precision="float64"))
    values = network.predict(case.batch)
    assert list(values) == ["sum", "weight"]
    np.testing.assert_array_equal(values["weight"], case.weights["weight"])


def test_kernels_lie_as_the_device_reads_them() -> None:
    case = convolutional()
    network = built(case, "float32")
    stored = network._weights["first/kernel"].parameter
    assert stored.shape == (4, 3, 3, 3)
    np.testing.assert_array_equal(
        stored.asnumpy(), case.weights["first/kernel"].transpose(3, 2, 0, 1).astype("float32")
    )


def test_sources_go_with_their_network() -> None:
    ours = lambda: {
        k for k in (*sys.modules, *linecache.cache) if "crosstrain mindspore" in k.replace("_", " ")
    }
    before = ours()
    network = built(perceptron())
    network.gradients(perceptron().batch)
    assert len(ours() - before) == 2
    del network
    gc.collect()
    assert ours() <= before


def test_threads_are_taken_once() -> None:
    code = """
from crosstrain.engines.contract import Setting
from crosstrain.engines.mindspore import ENGINE
from tests.engines.networks import perceptron
case = perceptron()
ENGINE.build(case.program, case.weights, Setting(threads=1))
ENGINE.build(case.program, case.weights, Setting(threads=1))
try:
    ENGINE.build(case.program, case.weights, Setting(threads=2))
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "1 threads and cannot take 2 threads" in done.stdout


def test_einsum_of_three_and_of_sums() -> None:
    net = Net("products")
    a, b, c = net.drawn("a", 3, 4), net.drawn("b", 4, 5, 2), net.drawn("c", 5, 3)
    equations = {"three": "ij,jkl,ki->il", "trace": "ij,jkl,ki->", "outer": "ij,jkl,kn->ni"}
    outputs = {key: net.op("einsum", a, b, c, equation=e) for key, e in equations.items()}
    x = net.feature("x", 1)
    outputs["x"] = net.op("add", x, x)
    case = net.case({"x": outputs["x"]}, squared_error, {"x": np.ones((2, 1))})
    program = type(case.program)(net.graph(outputs), case.program.loss, case.program.optimizer)
    values = ENGINE.build(program, case.weights, Setting(precision="float64")).predict(case.batch)
    weights = [case.weights[k] for k in "abc"]
    for key, equation in equations.items():
        assert distance(values[key], np.einsum(equation, *weights)) < 1e-12, key


def test_gradients_repeat() -> None:
    """PadV3's gradient in compiled code is right at the first call and wrong from then on."""
    net = Net("padded")
    x = net.op("multiply", net.feature("x", 5, 4, 2), net.drawn("w", 5, 4, 2))
    pads = ((0, 0), (0, 1), (2, 1), (0, 0))
    parts = [net.op("pad", x, padding=pads, mode="constant", value=v) for v in (0.0, 1.5)]
    y = net.op("max_pool", net.op("multiply", *parts), window=(2, 2), strides=(1, 1), padding=pads[1:3])
    batch = {"x": np.ones((3, 5, 4, 2)), "target/y": np.zeros((3, *net.specs[y].shape[1:]))}
    case = net.case({"y": y}, squared_error, batch)
    network = built(case)
    _, first = network.gradients(case.batch)
    for _ in range(3):
        np.testing.assert_array_equal(network.gradients(case.batch)[1]["w"], first["w"])


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("pads", [0, 1])
def test_max_pool_has_the_gradient_of_float64(spatial: int, pads: int, compile: bool) -> None:
    """MaxPool's own gradient compares float64 in float32, and gives it in the precision of float32."""
    net = Net("pooled")
    shape = (5,) * spatial + (2,)
    cells = net.random.integers(0, 3, shape) * 1e-12 + 1.0  # some equal, some apart by less than float32 sees
    x = net.op("multiply", net.feature("x", *shape), net.add_weight("w", cells, True))
    padding = ((pads, 0),) * spatial
    y = net.op("max_pool", x, window=(3,) * spatial, strides=(2,) * spatial, padding=padding)
    target = net.random.standard_normal((1, *net.specs[y].shape[1:]))
    case = net.case({"y": y}, squared_error, {"x": np.ones((1, *shape)), "target/y": target})
    case = replace(case, weights={"w": cells})

    padded = np.pad(cells, (*padding, (0, 0)), constant_values=-np.inf)
    expected = np.zeros(padded.shape)
    for at in np.ndindex(target.shape[1:]):
        under = (*(slice(2 * i, 2 * i + 3) for i in at[:-1]), at[-1])
        first = np.unravel_index(padded[under].argmax(), padded[under].shape)
        expected[under][first] += 2 * (padded[under].max() - target[(0, *at)]) / target.size
    inside = (slice(pads, None),) * spatial
    network = built(case, compile=compile)
    for _ in range(2):
        assert distance(network.gradients(case.batch)[1]["w"], expected[inside]) < 1e-14


def test_a_gradient_that_is_a_weight_keeps_its_float64() -> None:
    """The gradient of sum(w v) is v itself: compiled code would give it in the precision of float32."""
    whole = sheet("linear")
    network = ENGINE.build(whole.program, whole.weights, Setting(precision="float64"))
    gradient = network.gradients({"x": np.zeros((2, 1))})[1]["linear/0"]
    np.testing.assert_array_equal(gradient, whole.probes["linear/0"])
