"""What is TensorFlow's own: kernels put together from others, fused BatchNorm, options and threads."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

tf = pytest.importorskip("tensorflow")

from crosstrain.engines.contract import Setting  # noqa: E402
from crosstrain.engines.tensorflow import engine as engine_file  # noqa: E402
from crosstrain.engines.tensorflow.engine import ENGINE, Block, blocks  # noqa: E402
from crosstrain.engines.tensorflow.ops import operations  # noqa: E402
from crosstrain.engines.tensorflow.sequences import by_time  # noqa: E402
from crosstrain.graph.graph import Graph  # noqa: E402
from crosstrain.graph.reference import run_numpy  # noqa: E402
from crosstrain.training.optimizers import Optimizer  # noqa: E402
from tests.engines.networks import REFERENCE, Net, convolutional, cross_entropy, distance  # noqa: E402

Arrays = list[np.ndarray]
LIMITS = {"float32": 2e-5, "float64": 1e-11}


def value_and_gradients(ops: Any, op: str, arrays: Arrays, direction: np.ndarray, **how: Any) -> Arrays:
    """An op's first output, and the gradients of its inner product with ``direction``."""

    @tf.function(autograph=False)
    def run(*inputs: Any) -> Any:
        y = getattr(ops, op)(*inputs, **how)
        y = y[0] if isinstance(y, tuple) else y
        return [y, *tf.gradients(tf.reduce_sum(y * tf.cast(direction, y.dtype)), inputs)]

    return [value.numpy() for value in run(*map(tf.constant, arrays))]


def check_against_numpy(op: str, arrays: Arrays, **how: Any) -> None:
    """Values against the op's meaning, gradients against finite differences along a random direction."""
    generator = np.random.default_rng(1)
    reference = partial(getattr(REFERENCE, op), **how)
    expected = reference(*arrays)
    probe = generator.standard_normal(expected.shape)
    moves = [generator.standard_normal(a.shape) for a in arrays]
    ahead, behind = (
        np.sum(probe * reference(*[a + h * m for a, m in zip(arrays, moves, strict=True)]))
        for h in (1e-5, -1e-5)
    )
    slope = (ahead - behind) / 2e-5
    for precision, limit in LIMITS.items():
        actual = value_and_gradients(
            operations(precision), op, [a.astype(precision) for a in arrays], probe, **how
        )
        assert actual[0].dtype == precision
        assert distance(actual[0], expected) < limit
        pairs = list(zip(actual[1:], moves, strict=True))
        scale = sum(np.linalg.norm(g) * np.linalg.norm(m) for g, m in pairs)
        assert abs(sum(np.sum(g * m) for g, m in pairs) - slope) < max(limit, 1e-8) * max(scale, 1.0)


@st.composite
def windows(draw: Callable[..., Any]) -> dict[str, Any]:
    """Lengths, window, strides, dilation and pads of one to three axes that fit together."""
    rank = draw(st.integers(1, 3))
    per_axis = lambda low, high: tuple(draw(st.integers(low, high)) for _ in range(rank))
    size, dilation = per_axis(1, 3), draw(st.sampled_from([(1,) * rank, (2,) * rank, per_axis(1, 2)]))
    extent = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    # A window always covers at least one cell that is not padding.
    padding = tuple((draw(st.integers(0, e - 1)), draw(st.integers(0, e - 1))) for e in extent)
    lengths = tuple(e + draw(st.integers(0, 3)) for e in extent)
    return {
        "lengths": lengths, "size": size, "strides": per_axis(1, 3), "dilation": dilation, "padding": padding
    }  # fmt: skip


ENDS_EARLY = {
    "lengths": (1, 3, 2), "size": (1, 1, 2), "strides": (1, 3, 1), "dilation": (1, 1, 1),
    "padding": ((0, 0), (0, 0), (0, 1)),
}  # fmt: skip
"""Of TensorFlow's SAME along the last axis; along the second the only window ends before the picture does."""


@example(ENDS_EARLY, 1, True)
@example(ENDS_EARLY, 2, False)
@settings(max_examples=25, deadline=None)
@given(windows(), st.sampled_from([1, 2, 4]), st.booleans())
def test_convolutions(w: dict[str, Any], groups: int, depthwise: bool) -> None:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((2, *w["lengths"], 4))
    how = {"strides": w["strides"], "padding": w["padding"], "dilation": w["dilation"]}
    bias = generator.standard_normal(8)
    if depthwise:
        kernel = generator.standard_normal((*w["size"], 4, 2))
        expected = REFERENCE.depthwise_conv(x, kernel, bias, **how)
        for precision, limit in LIMITS.items():
            arrays = [tf.constant(a, precision) for a in (x, kernel, bias)]
            assert distance(operations(precision).depthwise_conv(*arrays, **how).numpy(), expected) < limit
    kernel = generator.standard_normal((*w["size"], 4 // groups, 8))
    check_against_numpy("conv", [x, kernel, bias], **how, groups=groups)


@pytest.mark.parametrize(
    ("lengths", "size", "strides"),
    [((1, 2, 2), (1, 1, 2), (1, 1, 3)), ((1, 5, 3), (1, 3, 2), (2, 1, 2)), ((2, 3, 4), (2, 1, 3), (2, 1, 2))],
)
def test_volumes_of_one_channel(lengths: Any, size: Any, strides: Any) -> None:
    """TensorFlow's own convolution is wrong there, in float32."""
    generator = np.random.default_rng(0)
    x, kernel = generator.standard_normal((2, *lengths, 1)), generator.standard_normal((*size, 1, 2))
    check_against_numpy(
        "conv", [x, kernel], strides=strides, padding=((0, 0),) * 3, dilation=(1, 1, 1), groups=1
    )


@settings(max_examples=20, deadline=None)
@given(windows(), st.data())
def test_transposed_convolutions(w: dict[str, Any], data: Any) -> None:
    lengths = [
        (n - 1) * s + (k - 1) * d + 1
        for n, s, k, d in zip(w["lengths"], w["strides"], w["size"], w["dilation"], strict=True)
    ]
    crop = tuple(
        (
            data.draw(st.integers(-2, min(before, n // 2))),
            data.draw(st.integers(-2, min(after, (n - 1) // 2))),
        )
        for n, (before, after) in zip(lengths, w["padding"], strict=True)
    )
    generator = np.random.default_rng(0)
    x, bias = generator.standard_normal((2, *w["lengths"], 3)), generator.standard_normal(5)
    kernel = generator.standard_normal((*w["size"], 5, 3))
    check_against_numpy(
        "conv_transpose", [x, kernel, bias], strides=w["strides"], crop=crop, dilation=w["dilation"]
    )


@settings(max_examples=20, deadline=None)
@given(windows(), st.sampled_from(["max_pool", "average_pool"]))
def test_poolings(w: dict[str, Any], op: str) -> None:
    padding = tuple((min(b, k - 1), min(a, k - 1)) for (b, a), k in zip(w["padding"], w["size"], strict=True))
    x = np.random.default_rng(0).standard_normal((2, *w["lengths"], 3))
    check_against_numpy(op, [x], window=w["size"], strides=w["strides"], padding=padding)


# -- BatchNorm ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(1, 3), (7, 3), (2, 5, 3), (4, 3, 2, 3), (2, 3, 2, 2, 3)], ids=str)
@pytest.mark.parametrize("scaled", [True, False], ids=["scaled", "plain"])
@pytest.mark.parametrize("jit", [False, True], ids=["kernel", "XLA"])
def test_fused_batch_norm_is_the_composite(shape: tuple[int, ...], scaled: bool, jit: bool) -> None:
    """Same output and gradients, and the biased variance: with 1 example too, where TensorFlow's is 0 / 0."""
    generator = np.random.default_rng(0)
    mean, variance = generator.standard_normal(3).astype("f"), generator.uniform(1, 2, 3).astype("f")
    arrays = [generator.standard_normal(shape).astype("f"), *generator.standard_normal((2, 3)).astype("f")]
    probe = generator.standard_normal(shape).astype("f")

    def run(ops: Any) -> Any:
        def function(x: Any, gamma: Any, beta: Any) -> Any:
            scale = (gamma, beta) if scaled else (None, None)
            y, *moved = ops.batch_norm(x, *scale, mean, variance, axis=-1, momentum=0.9, epsilon=1e-3)
            wanted = [x, gamma, beta] if scaled else [x]
            return [y, *moved, *tf.gradients(tf.reduce_sum(y * probe), wanted)]

        return tf.function(function, autograph=False, jit_compile=jit)(*map(tf.constant, arrays))

    actual, expected = run(operations("float32")), run(operations("float32", fused=False))
    for value, wanted in zip(actual, expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=2e-5)


def test_fused_batch_norm_keeps_a_small_epsilon() -> None:
    """TensorFlow's own wrapper raises it to 1.001e-5."""
    x = np.full((4, 2, 2, 1), 1.0, "f") + 1e-3 * np.arange(16, dtype="f").reshape(4, 2, 2, 1)
    inputs = list(map(tf.constant, (x, *np.array([[1], [0], [0], [1]], "f"))))
    for epsilon in (1e-3, 1e-5, 1e-7):
        y, *_ = operations("float32").batch_norm(*inputs, axis=-1, momentum=0.9, epsilon=epsilon)
        expected = (x - x.mean(dtype="d")) / np.sqrt(x.var(dtype="d") + epsilon)
        assert distance(y.numpy(), expected) < 1e-3


def test_inference_passes_through_the_fused_kernel_too() -> None:
    case = convolutional()
    outputs = [
        ENGINE.build(case.program, case.weights, Setting(options={"fused_batch_norm": fused})).predict(
            case.batch
        )
        for fused in (True, False)
    ]
    assert distance(outputs[0]["y"], outputs[1]["y"]) < 1e-5


# -- the network ----------------------------------------------------------------------------------------
def trained(options: dict[str, Any], steps: int = 3) -> dict[str, np.ndarray]:
    case = convolutional().with_optimizer(Optimizer("sgd", momentum=0.9))
    network = ENGINE.build(case.program, case.weights, Setting(options=options))
    for _ in range(steps):
        network.train(case.batch, 0.05)
    return dict(network.read().weights)


@pytest.mark.parametrize(
    "options",
    [{"jit_compile": True}, {"compile_update": True}, {"fused_batch_norm": False}, {"grappler": False}],
    ids=str,
)
def test_closed_options_do_the_same_work(options: dict[str, Any]) -> None:
    expected = trained({})
    for name, value in trained(options).items():
        assert distance(value, expected[name]) < 1e-4, name


def test_bfloat16_is_another_arithmetic() -> None:
    """Near, but not the same: that is why it is an open option."""
    assert ENGINE.describe().options["arithmetic"].division == "open"
    actual, expected = trained({"arithmetic": "bfloat16"}), trained({})
    distances = [distance(value, expected[name]) for name, value in actual.items()]
    assert 1e-5 < max(distances) < 0.2


def test_bfloat16_wants_float32() -> None:
    case = convolutional()
    with pytest.raises(ValueError, match="only at the precision 'float32'"):
        ENGINE.build(
            case.program, case.weights, Setting(precision="float64", options={"arithmetic": "bfloat16"})
        )


def looked_up(*, twice: bool, sequences: bool) -> Graph:
    """An embedding and a SimpleRNN behind it; ``twice``: something else reads the embedding, too."""
    net = Net("words")
    rows = net.op("take", net.drawn("table", 7, 4), net.feature("words", 5, dtype="int32"), axis=0)
    kernels = net.drawn("kernel", 4, 3), net.drawn("recurrent", 3, 3)
    steps, last = net.emit("simple_rnn", rows, *kernels, None, None, activation="tanh")
    outputs = {"last": last}
    outputs |= {"steps": steps} if sequences else {}
    outputs |= {"mean": net.op("mean", rows, axis=1)} if twice else {}
    return net.graph(outputs)


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("twice", [False, True])
def test_recurrent_layers_read_rows_by_time_and_keep_what_is_read(twice: bool, sequences: bool) -> None:
    graph = looked_up(twice=twice, sequences=sequences)
    written = by_time(graph)
    ops = [node.op for node in written.nodes if node.op != "mean"]
    assert ops == (["take", "simple_rnn"] if twice else ["transpose", "take", "transpose", "simple_rnn"])
    (layer,) = (node for node in written.nodes if node.op == "simple_rnn")
    assert layer.attributes.get("sequences", True) is sequences
    random = np.random.default_rng(0)
    weights = {name: random.standard_normal(spec.shape) for name, spec in graph.weights.items()}
    words = {"words": random.integers(0, 7, (2, 5), dtype=np.int32)}
    (before, _), (after, _) = (run_numpy(each, weights, words) for each in (graph, written))
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert np.array_equal(after[name], value), name


@pytest.mark.parametrize(
    ("there", "back", "turns"),
    [((1, 0, 2), (1, 0, 2), 1), ((2, 0, 1), (1, 2, 0), 1), ((2, 0, 1), (2, 0, 1), 4)],
)
def test_turning_back_is_no_operation(there: tuple[int, ...], back: tuple[int, ...], turns: int) -> None:
    ops = operations("float64")

    @tf.function(input_signature=[tf.TensorSpec((None, 4, 3), tf.float64)], autograph=False)
    def twice(x: Any) -> Any:
        y = ops.transpose(ops.transpose(x, axes=there), axes=back)
        return y, tf.gradients(tf.reduce_sum(y * y), x)[0]

    x = np.random.default_rng(0).standard_normal((2, 4, 3))
    y, gradient = (value.numpy() for value in twice(x))
    expected = x.transpose(there).transpose(back)
    assert np.array_equal(y, expected)
    assert np.array_equal(gradient, 2 * x)
    made = [op.type for op in twice.get_concrete_function().graph.get_operations()]
    assert made.count("Transpose") == turns  # the way back of a gradient is turned as often


@pytest.mark.parametrize(("optimizer", "traced"), [("sgd", "penalized"), ("adam", "apply")])
def test_one_trace_serves_all_batch_sizes(
    optimizer: str, traced: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A last, shorter batch must not stop the clock for a new trace; of a step in place or by the rule."""
    traces = []
    real = getattr(engine_file, traced)
    monkeypatch.setattr(engine_file, traced, lambda *inputs: traces.append(1) or real(*inputs))
    case = convolutional().with_optimizer(Optimizer(optimizer))
    network = ENGINE.build(case.program, case.weights, Setting())
    for stop in (6, 4, 1):
        network.train(case.rows(0, stop), 0.1)
    assert len(traces) == 1


@pytest.mark.parametrize("limit", [-1, 40, 1 << 20], ids=["none joined", "some", "all"])
def test_joined_weights_do_the_same_work(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever weights lie in one variable; nadam has a slot that is one number for them all."""
    monkeypatch.setattr(engine_file, "JOINED_SIZE", limit)
    case = convolutional().with_optimizer(Optimizer("nadam"))
    network = ENGINE.build(case.program, case.weights, Setting(precision="float64"))
    network.train(case.batch, 0.01)
    state = network.read()
    again = ENGINE.build(case.program, case.weights, Setting(precision="float64"))
    again.load(state)
    for one in (network, again):
        one.train(case.batch, 0.01)
    monkeypatch.setattr(engine_file, "JOINED_SIZE", -1)
    apart = ENGINE.build(case.program, case.weights, Setting(precision="float64"))
    for _ in range(2):
        apart.train(case.batch, 0.01)
    for name, value in apart.read().weights.items():
        assert distance(network.read().weights[name], value) < 1e-12, name
        assert distance(again.read().weights[name], value) < 1e-12, name


def test_blocks_join_small_weights_and_give_them_back() -> None:
    shapes = {"a": (2, 3), "b": (), "c": (4, 5), "d": (3,)}
    joined = blocks(shapes, 6)
    assert [tuple(block.shapes) for block in joined] == [("a", "b", "d"), ("c",)]
    parts = {
        name: tf.constant(np.random.default_rng(0).standard_normal(shape)) for name, shape in shapes.items()
    }
    for block in joined:
        whole = block.whole(parts)
        assert whole.shape == block.shape
        for name, value in block.parts(whole).items():
            np.testing.assert_array_equal(value, parts[name])
    assert blocks(shapes, -1) == tuple(Block({name: shape}) for name, shape in shapes.items())


def test_an_embedding_moves_only_the_rows_that_were_read() -> None:
    net = Net("embedding")
    table = net.drawn("table", 5, 3)
    y = net.op("mean", net.op("take", table, net.feature("words", 2, dtype="int32"), axis=0), axis=1)
    batch = {"words": np.array([[0, 3], [3, 3]], "int32"), "target/y": np.array([0, 2])}
    case = net.case({"y": y}, cross_entropy, batch)
    _, gradients = ENGINE.build(case.program, case.weights, Setting()).gradients(case.batch)
    assert (np.abs(gradients["table"]).sum(1) > 0).tolist() == [True, False, False, True, False]


def test_a_missing_or_misshapen_weight_is_named() -> None:
    case = convolutional()
    with pytest.raises(ValueError, match="weights lack 'first/kernel'"):
        ENGINE.build(case.program, {k: v for k, v in case.weights.items() if k != "first/kernel"}, Setting())
    wrong = {**case.weights, "first/kernel": np.zeros((3, 3))}
    with pytest.raises(ValueError, match=r"'first/kernel' has the shape \(3, 3\)"):
        ENGINE.build(case.program, wrong, Setting())


# -- the process ----------------------------------------------------------------------------------------
FRESH = """
import sys
from crosstrain.engines.contract import Setting
from crosstrain.engines.tensorflow import ENGINE
from crosstrain.training.optimizers import Optimizer
from tests.engines.networks import perceptron
import tensorflow as tf

case = perceptron().with_optimizer(Optimizer("adam"))
ENGINE.build(case.program, case.weights, Setting(threads=1)).train(case.batch, 0.1)
threading = tf.config.threading
print(threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads())
ENGINE.build(case.program, case.weights, Setting(threads=1))
try:
    ENGINE.build(case.program, case.weights, Setting(threads=2))
except ValueError as error:
    print(error)
print("keras" in sys.modules)
"""


def test_threads_are_set_before_the_start_or_refused() -> None:
    """In a process of its own; and neither Keras is imported, nor is anything printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TF_")}
    run = subprocess.run(
        [sys.executable, "-c", FRESH],
        capture_output=True,
        text=True,
        env=environment,
        timeout=240,
        check=True,
    )
    threads, refusal, keras = run.stdout.splitlines()
    assert threads == "1 1"
    assert "already started in this process and cannot take 2 threads" in refusal
    assert keras == "False"
