"""What is JAX's own: forms for its CPU compiler, what is compiled when, buffers, dtypes and threads."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")

from crosstrain.engines.contract import Setting  # noqa: E402
from crosstrain.engines.jax import engine as engine_module  # noqa: E402
from crosstrain.engines.jax import ops as ops_file  # noqa: E402
from crosstrain.engines.jax import windows  # noqa: E402
from crosstrain.engines.jax.engine import ENGINE, JaxNetwork  # noqa: E402
from crosstrain.engines.jax.ops import Scan, operations  # noqa: E402
from crosstrain.errors import CrosstrainError  # noqa: E402
from crosstrain.graph.ops import VOCABULARY  # noqa: E402
from tests.engines.networks import Case, convolutional, distance, perceptron  # noqa: E402

RANDOM = np.random.default_rng(0)


def built(case: Case, precision: str = "float32", **options: Any) -> JaxNetwork:
    return ENGINE.build(case.program, case.weights, Setting(precision=precision, options=options))


def assert_same(first: Callable[..., Any], second: Callable[..., Any], *arrays: np.ndarray) -> None:
    """Equal values, and equal gradients of a random combination of them."""
    with jax.enable_x64(True):
        expected, pull_expected = jax.vjp(first, *arrays)
        value, pull = jax.jit(lambda *a: jax.vjp(second, *a))(*arrays)
        assert distance(value, expected) < 1e-12
        probe = RANDOM.standard_normal(expected.shape)
        for gradient, right in zip(pull(probe), pull_expected(probe), strict=True):
            assert distance(gradient, right) < 1e-12


CONVOLUTIONS = {
    "plain": ((5, 9, 8, 3), (3, 2, 3, 4), (1, 1), ((1, 1), (0, 1)), (1, 1), 1),
    "strided, uneven padding": ((2, 9, 8, 3), (3, 3, 3, 4), (2, 3), ((0, 1), (1, 0)), (1, 1), 1),
    "dilated": ((2, 9, 8, 3), (3, 3, 3, 4), (1, 1), ((2, 2), (2, 2)), (2, 2), 1),
    "groups": ((2, 7, 7, 6), (3, 3, 2, 9), (2, 1), ((1, 1), (1, 1)), (1, 1), 3),
    "channelwise": ((2, 8, 7, 5), (3, 3, 1, 5), (2, 2), ((0, 1), (1, 1)), (1, 1), 5),
    "channelwise, two each": ((2, 8, 7, 5), (3, 2, 1, 10), (1, 2), ((1, 1), (0, 0)), (2, 1), 5),
    "channelwise, large window": ((2, 9, 9, 3), (6, 6, 1, 3), (1, 1), ((0, 0), (3, 2)), (1, 1), 3),
    "one axis": ((2, 11, 4), (3, 4, 6), (2,), ((2, 0),), (1,), 1),
    "three axes": ((2, 5, 6, 7, 2), (2, 3, 2, 2, 3), (1, 2, 1), ((1, 0), (1, 1), (0, 0)), (1, 1, 1), 1),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_cpu_convolution_is_the_native_one(name: str) -> None:
    shape, kernel, strides, padding, dilation, groups = CONVOLUTIONS[name]
    settings = {"strides": strides, "padding": padding, "dilation": dilation, "groups": groups}
    assert_same(
        lambda x, k: windows.native_conv(x, k, **settings),
        lambda x, k: windows.cpu_conv(x, k, **settings),
        RANDOM.standard_normal(shape),
        RANDOM.standard_normal(kernel),
    )


POOLINGS = {
    "side by side": ((3, 8, 6, 2), (2, 2), (2, 2), ((0, 0), (0, 0))),
    "with a rest": ((3, 9, 7, 2), (2, 3), (2, 3), ((0, 0), (0, 0))),
    "overlapping": ((3, 9, 8, 2), (3, 3), (2, 2), ((0, 1), (1, 1))),
    "with gaps": ((3, 9, 8, 2), (2, 2), (3, 3), ((0, 0), (0, 0))),
    "padded": ((3, 5, 5, 2), (2, 2), (2, 2), ((0, 1), (1, 0))),
    "the whole picture": ((3, 4, 5, 2), (4, 5), (4, 5), ((0, 0), (0, 0))),
    "large window": ((3, 9, 9, 2), (6, 6), (1, 1), ((0, 0), (2, 3))),
    "one axis": ((3, 9, 2), (3,), (3,), ((1, 1),)),
    "three axes": ((2, 4, 5, 6, 2), (2, 2, 2), (2, 2, 2), ((0, 0), (0, 1), (0, 0))),
}


@pytest.mark.parametrize("kind", ["max_pool", "average_pool"])
@pytest.mark.parametrize("name", POOLINGS)
def test_cpu_pooling_is_the_native_one(kind: str, name: str) -> None:
    shape, window, strides, padding = POOLINGS[name]
    settings = {"window": window, "strides": strides, "padding": padding}
    x = RANDOM.permutation(np.prod(shape)).reshape(shape).astype("float64")
    assert_same(
        lambda x: getattr(windows, f"native_{kind}")(x, **settings),
        lambda x: getattr(windows, f"cpu_{kind}")(x, **settings),
        x,
    )


@pytest.mark.parametrize("strides", [(2, 2), (1, 1), (3, 3)], ids=str)
def test_max_pool_gives_the_gradient_to_the_first_of_equals(strides: tuple[int, int]) -> None:
    """As XLA's own gradient does; after a ReLU whole windows are 0."""
    settings = {"window": (2, 2), "strides": strides, "padding": ((0, 0), (0, 0))}
    x = RANDOM.integers(0, 2, (4, 8, 8, 3)).astype("float64")
    assert_same(
        lambda x: windows.native_max_pool(x, **settings), lambda x: windows.cpu_max_pool(x, **settings), x
    )


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("scaled", [True, False], ids=["scaled", "plain"])
@pytest.mark.parametrize("own", [windows.cpu_batch_norm, windows.native_batch_norm], ids=["cpu", "native"])
def test_batch_norm_is_its_meaning(own: Callable[..., Any], axis: int, scaled: bool) -> None:
    x = RANDOM.standard_normal((4, 3, 5, 3)) * 2 + 7
    meaning = VOCABULARY["batch_norm"].meaning
    assert meaning is not None
    ops = operations(cpu_forms=False)
    settings = {"axis": axis, "momentum": 0.9, "epsilon": 1e-3}
    vectors = [RANDOM.standard_normal(3) for _ in range(2)] if scaled else []
    moving = (np.full(3, 0.5), np.full(3, 2.0))

    def first(form: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x, *scale: form(x, *(scale or (None, None)), *moving, **settings)[0]

    assert_same(first(lambda *a, **k: meaning(ops, *a, **k)), first(own), x, *vectors)
    with jax.enable_x64(True):
        scale = vectors or (None, None)
        expected = meaning(ops, x, *scale, *moving, **settings)[1:]
        actual = own(x, *scale, *moving, **settings)[1:]
    for value, right in zip(actual, expected, strict=True):
        assert distance(value, right) < 1e-12


@pytest.mark.parametrize("rows", [65536, 64 * 256, 1000, 7])
def test_sums_over_many_rows_are_exact_in_float32(rows: int) -> None:
    """A plain product with ones is wrong by 7e-6 here, enough to turn ReLUs and spoil whole gradients."""
    x = RANDOM.random((rows, 5), dtype=np.float32) + 1
    actual = np.asarray(jax.jit(windows.column_sums, compiler_options=dict(windows.COMPILER))(x), "float64")
    np.testing.assert_allclose(actual, x.astype("float64").sum(axis=0), rtol=5e-7)


# -- what is compiled ---------------------------------------------------------------------------------
def compiled_step(network: JaxNetwork, case: Case) -> Any:
    with network._mode():
        batch = network._prepare_inputs(network._training, case.batch)
        state = (network._weights, network._slots, network._moved, network._scaling, network._frozen)
        return network._train.lower(*state, batch, network._number(0.1), network._number(1))


@pytest.mark.parametrize(("compiler", "fenced"), [("auto", True), ("default", False)])
def test_fences_outlive_compilation_where_they_are_asked_for(compiler: str, fenced: bool) -> None:
    """A new XLA may rename the pass that removes them: then this fails, and only speed is lost."""
    case = convolutional()
    text = compiled_step(built(case, compiler=compiler), case).compile().as_text()
    assert ("opt-barrier" in text) == fenced


def test_settings_that_xla_does_not_know_are_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine_module, "COMPILER", {**windows.COMPILER, "xla_cpu_warp_speed": True})
    with caplog.at_level(logging.WARNING):
        network = built(perceptron())
    assert "xla_cpu_warp_speed" in caplog.text
    assert network._compiler == dict(windows.COMPILER)


def test_a_step_is_compiled_once_for_each_batch_length() -> None:
    case = perceptron()
    network = built(case)
    for rate in (0.1, 0.05, 0.0):
        for rows in (6, 4):
            network.train(case.rows(0, rows), rate)
    assert network._train._cache_size() == 2


def test_closed_options_do_not_change_the_result() -> None:
    """Also with XLA's own settings, under which fences fall and values may be computed twice, differently."""
    case = convolutional()
    losses = []
    for options in ({}, {"convolution": "native"}, {"compiler": "default"}, {"donate": False}):
        network = built(case, "float64", **options)
        losses.append([float(network.train(case.batch, 0.1)) for _ in range(3)])
    np.testing.assert_allclose(losses, [losses[0]] * len(losses), rtol=1e-10)


# -- buffers and dtypes -------------------------------------------------------------------------------
@pytest.mark.parametrize("donate", [True, False])
def test_old_weights_are_given_up_where_donated(donate: bool) -> None:
    case = convolutional()
    network = built(case, donate=donate)
    old = [*network._weights.values(), *network._moved.values()]
    network.train(case.batch, 0.1)
    network.wait()
    assert [value.is_deleted() for value in old] == [donate] * len(old)


def test_a_batch_may_be_overwritten_at_once() -> None:
    case = convolutional()
    batch = {name: np.array(value) for name, value in case.batch.items()}
    network = built(case)
    loss = network.train(batch, 0.1)
    batch["image"][:] = np.nan
    assert float(loss) == pytest.approx(case.loss(), rel=1e-5)


def test_float32_stays_float32_beside_float64() -> None:
    case = convolutional()
    wide, narrow = built(case, "float64"), built(case, "float32")
    with jax.enable_x64(True):  # also where the caller's JAX has 64-bit types
        wide.train(case.batch, 0.1)
        narrow.train(case.batch, 0.1)
        assert "f64" not in compiled_step(narrow, case).as_text()
    assert {value.dtype for value in wide.read().weights.values()} == {np.dtype("float64")}
    assert {value.dtype for value in narrow.read().weights.values()} == {np.dtype("float32")}


def test_bfloat16_products_are_an_open_option_and_state_keeps_its_precision() -> None:
    case = convolutional()
    network = built(case, arithmetic="bfloat16")
    assert ENGINE.describe().options["arithmetic"].division == "open"
    loss = float(network.train(case.batch, 0.1))
    assert loss != pytest.approx(case.loss(), rel=1e-5)
    assert loss == pytest.approx(case.loss(), rel=0.1)
    assert {value.dtype for value in network.read().weights.values()} == {np.dtype("float32")}


# -- threads and devices ------------------------------------------------------------------------------
THREADS = """
import os
from tests.engines.networks import perceptron
from crosstrain.engines.contract import Setting
from crosstrain.engines.jax import ENGINE
case = perceptron()
for threads in (1, 1, None):
    ENGINE.build(case.program, case.weights, Setting(threads=threads))
names = [open(f"/proc/self/task/{t}/comm").read().strip() for t in os.listdir("/proc/self/task")]
print(sum(name.startswith("tf_XLAEigen") for name in names))
try:
    ENGINE.build(case.program, case.weights, Setting(threads=2))
except ValueError as error:
    print(error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads thread names from /proc")
def test_threads_are_fixed_when_xla_starts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", THREADS], capture_output=True, text=True, check=True, timeout=120
    )
    count, sentence = done.stdout.strip().splitlines()
    assert int(count) == 1
    assert "already started" in sentence
    assert "2 threads" in sentence


def test_missing_weight_is_named() -> None:
    case = perceptron()
    weights = {name: value for name, value in case.weights.items() if name != "hidden/kernel"}
    with pytest.raises(CrosstrainError, match="hidden/kernel"):
        ENGINE.build(case.program, weights, Setting())


def test_gpu() -> None:
    if "cuda:0" not in ENGINE.describe().devices:
        pytest.skip("this machine has no GPU that JAX can use")
    case = convolutional()
    network = ENGINE.build(case.program, case.weights, Setting(device="cuda:0"))
    assert float(network.train(case.batch, 0.1)) == pytest.approx(case.loss(), rel=1e-4)


def test_products_stand_inside_a_loop_where_they_pay() -> None:
    """Of several gates, and more numbers than a core's cache holds; on a CPU alone."""
    on_a_cpu, elsewhere = Scan(cpu_forms=True), Scan()
    assert on_a_cpu.products_inside((100, 32, 128), 128, 4)
    assert not on_a_cpu.products_inside((20, 32, 128), 128, 4)
    assert not on_a_cpu.products_inside((400, 32, 128), 128, 1)
    assert not elsewhere.products_inside((100, 32, 128), 128, 4)


@pytest.mark.parametrize("op", ["lstm", "stepwise_lstm"])
def test_products_inside_a_loop_are_the_same_numbers(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    arrays = [random.standard_normal(shape) for shape in ((3, 5, 4), (4, 8), (2, 8), (8,))]
    x, *weights = arrays
    between = [np.arange(15).reshape(3, 5) % 4 > 0, None] if op == "stepwise_lstm" else []
    found = []
    for limit in (0, 2**30):
        monkeypatch.setattr(ops_file, "CACHED", limit)
        ops = operations(cpu_forms=True)
        how = {"activation": "tanh", "recurrent_activation": "sigmoid", "backwards": True}
        found.append(getattr(ops, op)(x, *between, *weights, None, None, **how))
    for inside, before in zip(*found, strict=True):
        assert distance(inside, before) < 1e-6
