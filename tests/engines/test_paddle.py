"""What is Paddle's own: images channels-first, gradients with forms of their own, products by processor."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crosstrain.conformance.cases import OP_CASES, STOPPED_OUTPUTS, OpCase
from crosstrain.engines.contract import Network, Setting
from crosstrain.errors import CrosstrainError
from crosstrain.graph.builder import Builder
from crosstrain.graph.graph import Graph
from crosstrain.graph.program import Program
from crosstrain.training.optimizers import Optimizer
from tests.engines.networks import CASES, Case, Net, cross_entropy, distance, perceptron, squared_error

paddle = pytest.importorskip("paddle")

from crosstrain.engines.paddle import images as paddle_images  # noqa: E402
from crosstrain.engines.paddle import products as paddle_products  # noqa: E402
from crosstrain.engines.paddle.engine import ENGINE  # noqa: E402
from crosstrain.engines.paddle.layout import LAY_OUT, channels_first, convolution_kernels  # noqa: E402

Pairs = tuple[tuple[int, int], tuple[int, int]]
SAME: Pairs = ((1, 1), (1, 1))


def built(case: Case, precision: str = "float64", **options: Any) -> Network:
    return ENGINE.build(case.program, case.weights, Setting(precision=precision, options=options))


def residual() -> Case:
    """A stem and a block whose shortcut halves the image and pads its channels, as in a ResNet."""
    net = Net("residual")
    x = net.feature("image", 8, 8, 3)
    x = net.op("relu", net.batch_norm("stem_norm", net.conv("stem", x, 4, 3, bias=False)))
    y = net.op("relu", net.batch_norm("norm1", net.conv("conv1", x, 6, 3, 2, ((0, 1), (0, 1)), bias=False)))
    y = net.batch_norm("norm2", net.conv("conv2", y, 6, 3, bias=False))
    every = {"starts": (None,) * 4, "stops": (None,) * 4, "strides": (1, 2, 2, 1)}
    x = net.op("pad", net.op("slice", x, **every), padding=((0, 0), (0, 0), (0, 0), (1, 1)))
    y = net.dense("logits", net.op("mean", net.op("relu", net.op("add", y, x)), axis=(1, 2)), 3)
    penalty = net.op(
        "multiply", net.constant(0.1, "float32"), net.op("sum", net.op("square", "@conv2/kernel"))
    )
    batch = {
        "image": net.random.standard_normal((5, 8, 8, 3)),
        "target/y": net.random.integers(0, 3, 5),
    }
    return net.case({"y": y}, cross_entropy, batch, (penalty,))


NETWORKS: dict[str, Callable[[], Case]] = {"residual": residual, **CASES}


# -- the layout -----------------------------------------------------------------------------------------
def counted(graph: Graph) -> Counter[str]:
    return Counter(node.op for node in channels_first(graph, convolution_kernels(graph)).nodes)


def test_a_residual_network_turns_its_image_once() -> None:
    case = residual()
    ops = counted(case.program.inference)
    assert ops[LAY_OUT] == 1, "the input"
    assert ops["image_conv"] == 3
    assert ops["conv"] == 0
    assert counted(case.program.training)[LAY_OUT] == 2, "the input, and the kernel that the penalty reads"


def test_what_has_no_channels_first_form_sees_channels_last() -> None:
    net = Net("mixed")
    y = net.conv("conv", net.feature("image", 4, 6, 3), 5, 3)
    outputs = {
        "image": y,
        "cumulated": net.op("cumsum", net.op("tanh", y), axis=1),
        "joined": net.op("concatenate", y, net.op("relu", y), axis=-1),
        "wide": net.op("add", y, net.drawn("row", 5)),
        "most": net.op("max", y, axis=(1, 2)),
    }
    batch = {"image": net.random.standard_normal((2, 4, 6, 3))}
    case = net.case(outputs, squared_error, batch)
    expected, _ = case.reference(case.program.inference)
    for name, value in built(case).predict(batch).items():
        assert distance(value, expected[name]) < 1e-12, name


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("optimizer", [Optimizer("sgd", momentum=0.9), Optimizer("adam", clipnorm=0.1)])
def test_either_layout_is_the_same_network(name: str, optimizer: Optimizer) -> None:
    case = NETWORKS[name]().with_optimizer(optimizer)
    first, last = built(case), built(case, layout="channels_last")
    for network in (first, last):
        for _ in range(3):
            network.train(case.batch, 0.05)
    left, right = first.read(), last.read()
    assert left.slots is not None
    assert right.slots is not None
    for key, weight in left.weights.items():
        assert distance(right.weights[key], weight) < 1e-10, key
    for key, slots in left.slots.items():
        for slot, value in slots.items():
            assert value.shape == right.slots[key][slot].shape
            assert distance(right.slots[key][slot], value) < 1e-8, f"{slot} of {key}"


# -- gradients with forms of their own -------------------------------------------------------------------
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(
    ("filters", "size", "stride", "padding"),
    [
        (16, 3, 1, SAME),
        (17, 3, 1, SAME),
        (64, 1, 1, ((0, 0), (0, 0))),
        (65, 3, 1, SAME),
        (8, 4, 1, ((1, 2), (2, 1))),
        (30, 4, 1, ((1, 2), (2, 1))),
        (8, 3, 2, ((0, 1), (1, 0))),
        (8, 3, 1, ((0, 0), (0, 0))),
    ],
)
def test_own_gradients_are_those_of_paddle(
    monkeypatch: pytest.MonkeyPatch, precision: str, filters: int, size: int, stride: int, padding: Pairs
) -> None:
    net = Net("convolution")
    x = net.op("multiply", net.feature("image", 9, 7, 3), net.add_weight("scale", np.ones((9, 7, 3)), True))
    y = net.op("mean", net.op("tanh", net.conv("conv", x, filters, size, stride, padding)), axis=(1, 2))
    batch = {"image": net.random.standard_normal((5, 9, 7, 3)), "target/y": np.zeros((5, filters))}
    case = net.case({"y": y}, squared_error, batch)
    monkeypatch.setattr(paddle_images, "COLUMNS", 20_000)  # several pieces, the last one shorter
    loss, own = built(case, precision).gradients(case.batch)
    monkeypatch.setattr(paddle_images, "FEW_FILTERS", 0)
    monkeypatch.setattr(paddle_images, "SOME_FILTERS", 0)
    native_loss, native = built(case, precision).gradients(case.batch)
    assert loss == pytest.approx(native_loss, rel=1e-6)
    for name, gradient in native.items():
        assert distance(own[name], gradient) < (1e-12 if precision == "float64" else 1e-5), name


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_max_pool_of_nothing_but_nan(precision: str) -> None:
    """Paddle's own gradient would write before the beginning of its memory."""
    net = Net("diverged")
    x = net.op("multiply", net.feature("image", 4, 4, 2), net.add_weight("w", np.ones((4, 4, 2)), True))
    y = net.op("max_pool", x, window=(2, 2), strides=(2, 2), padding=((0, 0), (0, 0)))
    case = net.case(
        {"y": y}, squared_error, {"image": np.full((1, 4, 4, 2), np.nan), "target/y": np.zeros((1, 2, 2, 2))}
    )
    network = built(case, precision)
    for _ in range(3):
        assert np.isnan(network.gradients(case.batch)[0])
    assert np.isnan(network.predict(case.batch)["y"]).all()


def test_whole_numbers_are_cut_and_picked_too() -> None:
    net = Net("whole")
    x = net.feature("image", 4, 4, 1, dtype="int32")
    every = {"starts": (None,) * 4, "stops": (None,) * 4, "strides": (1, 1, 2, 1)}
    picked = net.op("slice", x, **every)
    y = net.op("multiply", net.op("cast", picked, dtype="float32"), net.add_weight("w", np.ones(1), True))
    image = np.arange(16, dtype="int32").reshape(1, 4, 4, 1)
    case = net.case({"y": y}, squared_error, {"image": image, "target/y": np.zeros((1, 4, 2, 1))})
    np.testing.assert_array_equal(built(case).predict(case.batch)["y"], image[:, :, ::2])


# -- frozen inputs -----------------------------------------------------------------------------------------
SEVERAL = [n for n, c in OP_CASES.items() if sum(map(c.differentiable, range(len(c.inputs)))) > 1]


def applied(case: OpCase, trainable: set[int]) -> Case:
    """The op on weights of which some are trained; the loss is the sum of products with random numbers."""
    net = Net("one op")
    x = net.feature("x", 1)
    refs = [
        None if array is None else net.add_weight(str(index), array, index in trainable)
        for index, array in enumerate(case.inputs)
    ]
    total = net.op("mean", x)
    for index, ref in enumerate(net.emit(case.op, *refs, **case.attributes)):
        if index not in STOPPED_OUTPUTS.get(case.op, set()):
            shape = tuple(n or 1 for n in net.specs[ref].shape)
            probe = np.random.default_rng(index).standard_normal(shape)
            product = net.op("multiply", ref, net.add_weight(f"probe{index}", probe, False))
            total = net.op("add", total, net.op("sum", product))
    loss = Builder("loss", "loss/constant/")
    (end,) = loss.emit("linear", loss.add_input("output/total", net.specs[total]))
    program = Program(net.graph({"total": total}), loss.graph({"loss": end}), Optimizer())
    return Case(program, net.arrays, {"x": np.zeros((2, 1))})


@pytest.mark.parametrize("name", SEVERAL)
def test_gradient_beside_frozen_inputs(name: str) -> None:
    """What one input's gradient is does not depend on whether the others have one: some of Paddle's
    kernels give wrong ones."""
    op = OP_CASES[name]
    every = set(filter(op.differentiable, range(len(op.inputs))))
    _, expected = built(applied(op, every)).gradients({"x": np.zeros((2, 1))})
    for index in every:
        for precision, bound in (("float64", 1e-10), ("float32", 1e-4)):
            _, gradients = built(applied(op, {index}), precision).gradients({"x": np.zeros((2, 1))})
            assert distance(gradients[str(index)], expected[str(index)]) < bound, (
                f"input {index}, {precision}"
            )


# -- layers in one piece, in float32 ---------------------------------------------------------------------
def same_in_float32(case: Case) -> None:
    """Paddle's kernels in float32 against the vocabulary's meaning in float64: gradients, a step."""
    single, double = built(case, "float32"), built(case)
    loss, gradients = single.gradients(case.batch)
    expected_loss, expected = double.gradients(case.batch)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    for name, gradient in expected.items():
        assert distance(gradients[name], gradient) < 1e-4, name
    for network in (single, double):
        network.train(case.batch, 0.1)
    for name, weight in double.read().weights.items():
        assert distance(single.read().weights[name], weight) < 1e-4, name


def vector(net: Net, kind: str, name: str, n: int) -> str | None:
    """A scale or shift: trained, frozen or not there."""
    return None if kind == "none" else net.drawn(name, n, shift=1.0, trainable=kind == "trained")


KINDS = [
    ("trained", "trained"), ("trained", "none"), ("none", "trained"), ("trained", "frozen"),
    ("frozen", "trained"), ("frozen", "none"), ("none", "none"), ("frozen", "frozen"),
]  # fmt: skip


@pytest.mark.parametrize(("gamma", "beta"), KINDS)
@pytest.mark.parametrize("rank", [2, 3, 4])
def test_norms(rank: int, gamma: str, beta: str) -> None:
    """A BatchNorm in training and a frozen one, whose kernels want gradients of both vectors or of none."""
    net = Net("norms")
    spatial = (6, 5)[: rank - 2]
    x = net.feature("x", *spatial, 3)
    if spatial:
        kernel = net.drawn("kernel", *(1 for _ in spatial), 3, 4)
        ones = {"strides": (1,) * len(spatial), "dilation": (1,) * len(spatial)}
        x = net.op("conv", x, kernel, None, padding=((0, 0),) * len(spatial), groups=1, **ones)
    else:
        x = net.dense("before", x, 4)
    mean, variance = (
        net.drawn("m", 4, trainable=False),
        net.drawn("v", 4, scale=0.1, shift=1, trainable=False),
    )
    vectors = [vector(net, kind, f"{name}1", 4) for name, kind in (("gamma", gamma), ("beta", beta))]
    y, new_mean, new_variance = net.emit(
        "batch_norm", net.op("tanh", x), *vectors, mean, variance, axis=-1, momentum=0.9, epsilon=1e-3
    )
    net.updates |= {"m": new_mean, "v": new_variance}
    vectors = [vector(net, kind, f"{name}2", 4) for name, kind in (("gamma", gamma), ("beta", beta))]
    frozen = [net.drawn("m2", 4, trainable=False), net.drawn("v2", 4, scale=0.1, shift=1, trainable=False)]
    y = net.op("normalize", net.op("tanh", y), *vectors, *frozen, axis=-1, epsilon=1e-5)
    batch = {
        "x": net.random.standard_normal((20, *spatial, 3)),
        "target/y": net.random.standard_normal((20, *spatial, 4)),
    }
    same_in_float32(net.case({"y": y}, squared_error, batch))


@pytest.mark.parametrize(("gamma", "beta"), KINDS)
def test_layer_norms(gamma: str, beta: str) -> None:
    net = Net("layer norms")
    x = net.op("tanh", net.dense("before", net.feature("x", 4, 3), 5))
    y = net.op(
        "layer_norm",
        x,
        vector(net, gamma, "gamma", 5),
        vector(net, beta, "beta", 5),
        axes=(-1,),
        epsilon=1e-3,
    )
    batch = {"x": net.random.standard_normal((6, 4, 3)), "target/y": net.random.standard_normal((6, 4, 5))}
    same_in_float32(net.case({"y": y}, squared_error, batch))


@pytest.mark.parametrize("frozen", [("kernel",), ("recurrent", "bias"), ("kernel", "recurrent")])
@pytest.mark.parametrize(("op", "gates"), [("lstm", 4), ("gru", 3), ("simple_rnn", 1)])
def test_recurrent_layers_partly_frozen(op: str, gates: int, frozen: tuple[str, ...]) -> None:
    net = Net("recurrent")
    x = net.op("tanh", net.dense("before", net.feature("x", 5, 2), 3))
    shapes = {"kernel": (3, 4 * gates), "recurrent": (4, 4 * gates), "bias": (4 * gates,)}
    if op == "gru":
        shapes["bias"] = (2, 4 * gates)
    weights = [net.drawn(name, *shape, trainable=name not in frozen) for name, shape in shapes.items()]
    attributes: dict[str, Any] = {"activation": "tanh"}
    if gates > 1:
        attributes["recurrent_activation"] = "sigmoid"
    if op == "gru":
        attributes["reset_after"] = True
    y, *_ = net.emit(op, x, *weights, *[None] * (2 if op == "lstm" else 1), **attributes)
    batch = {"x": net.random.standard_normal((6, 5, 2)), "target/y": net.random.standard_normal((6, 5, 4))}
    same_in_float32(net.case({"y": y}, squared_error, batch))


# -- products by processor ----------------------------------------------------------------------------------
AVX2 = "fpu sse2 avx fma avx2"
AVX512 = f"{AVX2} avx512f avx512dq avx512cd avx512bw avx512vl"


@pytest.mark.parametrize(
    ("maker", "flags", "level"),
    [
        ("AuthenticAMD", AVX512, "7"),
        ("AuthenticAMD", AVX2, "5"),
        ("AuthenticAMD", "fpu sse2", None),
        ("GenuineIntel", AVX512, None),
    ],
)
def test_level_of_a_processor(maker: str, flags: str, level: str | None) -> None:
    text = f"processor\t: 0\nvendor_id\t: {maker}\nmodel name\t: X: 1\nflags\t\t: {flags}\n\nprocessor\t: 1\n"
    assert paddle_products.level(text) == level


def test_level_of_an_unknown_description() -> None:
    assert paddle_products.level("Processor : ARMv8\nFeatures : asimd\n") is None


def test_what_the_user_says_of_the_processor_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paddle_products.VARIABLE, "4")
    built(perceptron())
    assert os.environ[paddle_products.VARIABLE] == "4"


# -- the engine --------------------------------------------------------------------------------------------
def test_loads_in_silence() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import crosstrain.engines.paddle.engine"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_noise_is_keyed_by_seed_and_salt_alone() -> None:
    """A dropout that stands alone draws what it draws beside another one."""

    def dropped(salts: tuple[int, ...]) -> np.ndarray:
        net = Net("keyed")
        x = net.op("multiply", net.feature("x", 300), net.add_weight("scale", np.ones(300), True))
        outputs = {f"y{salt}": net.op("dropout", x, net.seed(), rate=0.5, salt=salt) for salt in salts}
        targets = {f"target/{name}": np.zeros((1, 300)) for name in outputs}
        case = net.case(
            outputs, squared_error, {"x": np.ones((1, 300)), "seed": np.int32(2**31 - 1), **targets}
        )
        return built(case).predict(case.batch, training=True)["y4"]

    np.testing.assert_array_equal(dropped((4,)), dropped((1, 4)))


def test_missing_input_is_reported_by_name() -> None:
    case = perceptron()
    with pytest.raises(CrosstrainError, match="target/y"):
        built(case).train({"x": case.batch["x"]}, 0.1)


def test_loss_is_a_number_on_the_device_without_a_graph_behind_it() -> None:
    case = perceptron()
    loss = built(case).train(case.batch, 0.1)
    assert isinstance(loss, paddle.Tensor)
    assert loss.stop_gradient
    assert loss.ndim == 0
