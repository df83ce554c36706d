"""What is PyTorch's own: fusing, layouts, options, and the memory that arrays share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crosstrain.engines.contract import Network, Setting, State
from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph
from crosstrain.training.optimizers import Optimizer
from tests.engines.networks import (
    CASES,
    Case,
    Net,
    cross_entropy,
    distance,
    perceptron,
    recurrent,
    squared_error,
)

torch = pytest.importorskip("torch")

from crosstrain.engines.torch import engine as engine_file  # noqa: E402
from crosstrain.engines.torch import weights as weights_file  # noqa: E402
from crosstrain.engines.torch.engine import ENGINE  # noqa: E402
from crosstrain.engines.torch.fusion import fused  # noqa: E402
from crosstrain.engines.torch.gates import reset_first  # noqa: E402
from crosstrain.engines.torch.weights import Piece, pieces, runs  # noqa: E402

VALID = ((0, 0), (0, 0))


def built(case: Case, precision: str = "float64", device: str = "cpu", **options: Any) -> Network:
    return ENGINE.build(case.program, case.weights, Setting(device, precision, options=options))


def residual(outputs: Callable[[dict[str, str]], dict[str, str]] = lambda refs: {"y": refs["y"]}) -> Case:
    """Convolution, BatchNorm and ReLU, a residual block, ReLU before a pooling, dense; all that is fused."""
    net = Net("residual")
    refs = {"x": net.feature("image", 8, 8, 3)}
    refs["stem"] = net.op("relu", net.batch_norm("stem_norm", net.conv("stem", refs["x"], 4, 3, bias=False)))
    branch = net.op("relu", net.batch_norm("norm1", net.conv("conv1", refs["stem"], 4, 3, bias=False)))
    refs["norm2"] = net.batch_norm("norm2", net.conv("conv2", branch, 4, 3, bias=False))
    refs["sum"] = net.op("add", refs["norm2"], refs["stem"])
    refs["joined"] = net.op("relu", refs["sum"])
    refs["positive"] = net.op("relu", net.conv("conv3", refs["joined"], 5, 3))
    refs["pooled"] = net.op("max_pool", refs["positive"], window=(2, 2), strides=(2, 2), padding=VALID)
    refs["y"] = net.dense("logits", net.op("mean", refs["pooled"], axis=(1, 2)), 3)
    batch = {"image": net.random.standard_normal((4, 8, 8, 3)), "target/y": np.array([0, 2, 1, 1])}
    case = net.case({"y": refs["y"]}, cross_entropy, batch)
    network = net.graph(outputs(refs), net.updates)
    return Case(type(case.program)(network, case.program.loss, Optimizer()), case.weights, case.batch)


def members(graph: Graph) -> list[list[str]]:
    """The ops of each chain; one that overwrites its input is marked."""
    chains = [node.attributes["steps"] for node in graph.nodes if node.op == "chain"]
    return [[op + "!" * overwrites for op, _, overwrites, _ in steps] for steps in chains]


# -- fusing ---------------------------------------------------------------------------------------------
def test_chains() -> None:
    assert members(fused(residual().program.training)) == [
        ["conv", "batch_norm", "relu!"],
        ["conv", "batch_norm", "relu!", "conv", "batch_norm", "add!", "relu!", "conv", "max_pool", "relu!"],
    ]


def test_chains_in_inference() -> None:
    chains = members(fused(residual().program.inference))
    assert chains[0] == ["conv", "normalize", "relu!"]


def test_a_value_that_is_asked_for_ends_its_chain() -> None:
    case = residual(lambda refs: {k: refs[k] for k in ("y", "norm2", "sum", "positive")})
    graph = fused(case.program.network.phase(training=True))
    assert members(graph) == [
        ["conv", "batch_norm", "relu!"],
        ["conv", "batch_norm", "relu!", "conv", "batch_norm"],
        ["conv", "relu!"],
    ]
    assert [node.op for node in graph.nodes if node.op != "chain"] == [
        "add", "relu", "max_pool", "mean", "dense",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["residual", *CASES])
def test_fused_is_the_same_number_for_number(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    case = (residual if name == "residual" else CASES[name])()
    lean = built(case, "float32")
    monkeypatch.setattr(engine_file, "fused", lambda graph, attend: graph)
    plain = built(case, "float32")
    for training in (False, True):
        left, right = lean.predict(case.batch, training), plain.predict(case.batch, training)
        for key, value in left.items():
            np.testing.assert_array_equal(value, right[key])
    assert lean.gradients(case.batch)[0] == plain.gradients(case.batch)[0]
    for key, gradient in lean.gradients(case.batch)[1].items():
        np.testing.assert_array_equal(gradient, plain.gradients(case.batch)[1][key], err_msg=key)
    for network in (lean, plain):
        for _ in range(3):
            network.train(case.batch, 0.1)
    for key, weight in lean.read().weights.items():
        np.testing.assert_array_equal(weight, plain.read().weights[key], err_msg=key)


def test_batch_norm_applied_twice() -> None:
    """The second application reads the statistics that the first one moved."""
    net = Net("shared")
    x = net.feature("x", 4, 4, 2)
    mean = net.drawn("mean", 2, trainable=False)
    variance = net.drawn("variance", 2, scale=0.1, shift=1.0, trainable=False)
    attributes = {"axis": -1, "momentum": 0.9, "epsilon": 1e-3}
    y, mean1, variance1 = net.emit("batch_norm", x, None, None, mean, variance, **attributes)
    y = net.op("relu", net.conv("conv", y, 2, 3))
    y, mean2, variance2 = net.emit("batch_norm", y, None, None, mean1, variance1, **attributes)
    net.updates = {"mean": mean2, "variance": variance2}
    batch = {"x": net.random.standard_normal((3, 4, 4, 2)), "target/y": np.zeros((3, 4, 4, 2))}
    case = net.case({"y": net.op("relu", y)}, squared_error, batch)
    network = built(case)
    network.train(case.batch, 0.0)
    _, updates = case.reference(case.program.training)
    for name, value in updates.items():
        assert distance(network.read().weights[name], value) < 1e-12


def test_series_are_images_too() -> None:
    net = Net("series")
    x = net.feature("x", 9, 2)
    kernel = net.drawn("kernel", 3, 2, 4)
    y = net.op("conv", x, kernel, None, strides=(1,), padding=((2, 0),), dilation=(1,), groups=1)
    y = net.op(
        "max_pool", net.op("relu", net.batch_norm("n", y)), window=(2,), strides=(2,), padding=((0, 0),)
    )
    batch = {"x": net.random.standard_normal((3, 9, 2)), "target/y": np.zeros((3, 4, 4))}
    case = net.case({"y": y}, squared_error, batch)
    assert members(fused(case.program.training)) == [["conv", "batch_norm", "max_pool", "relu!"]]
    expected, _ = case.reference(case.program.network.phase(training=True))
    assert distance(built(case).predict(batch, training=True)["y"], expected["y"]) < 1e-12


# -- layouts --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("channels_last", "memory_format"),
    [(True, torch.channels_last), (False, torch.contiguous_format)],
    ids=["channels_last", "channels_first"],
)
def test_kernels_lie_as_convolutions_read_them(channels_last: bool, memory_format: Any) -> None:
    graph = residual().program.training
    layout = pieces(graph, channels_last)
    joint = torch.zeros(graph.parameters)
    kernel = layout["conv1/kernel"].view(joint)
    assert tuple(kernel.shape) == graph.weights["conv1/kernel"].shape
    assert kernel.permute(3, 2, 0, 1).is_contiguous(memory_format=memory_format)
    sizes = sorted((p.start, p.start + p.size) for p in layout.values())
    assert [begin for begin, _ in sizes[1:]] == [end for _, end in sizes[:-1]], "parts overlap or leave gaps"


def test_recurrent_weights_lie_as_cudnn_reads_them() -> None:
    """(gates · units, inputs), one behind the other: what is left of a copy is a plain one."""
    graph = recurrent().program.training
    layout, joint = pieces(graph, True), torch.zeros(graph.parameters)
    kernel, state, bias = (layout[f"lstm/{name}"].view(joint) for name in ("kernel", "recurrent", "bias"))
    for matrix in (kernel, state):
        assert matrix.t().is_contiguous()
        assert matrix.t().shape == (16, matrix.shape[0])
    for before, after in ((kernel, state), (state, bias)):
        assert after.storage_offset() == before.storage_offset() + before.numel()


@pytest.mark.parametrize(
    "optimizer",
    [
        Optimizer("sgd", momentum=0.9, nesterov=True, weight_decay=0.1),
        Optimizer("sgd", momentum=0.9, global_clipnorm=0.05, l2=0.1),
        Optimizer("adam", amsgrad=True),
        Optimizer("adamw", weight_decay=0.2, clipvalue=0.01),
    ],
    ids=lambda optimizer: optimizer.name,
)
@pytest.mark.parametrize("large", [1, 20])
def test_weights_that_step_by_themselves_do_the_same_work(
    large: int, optimizer: Optimizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = recurrent().with_optimizer(optimizer)
    networks = [built(case)]
    monkeypatch.setattr(weights_file, "LARGE", large)
    networks.append(built(case))
    for network in networks:
        for _ in range(3):
            network.train(case.batch, 0.01)
    together, apart = (network.read() for network in networks)
    for name, weight in together.weights.items():
        assert distance(apart.weights[name], weight) < 1e-14, name
        for slot, value in (together.slots or {})[name].items():
            assert distance((apart.slots or {})[name][slot], value) < 1e-14, (name, slot)


def test_large_weights_are_alone_and_small_neighbours_together() -> None:
    sizes = [Piece((n,), (0,), 0) for n in (1, 2, 9, 3, 3, 10, 11, 1)]
    assert [[p.size for p in run] for run in runs(sizes, 9)] == [[1, 2], [9], [3, 3], [10], [11], [1]]


def test_channels_first_is_the_same_network() -> None:
    case = residual()
    left, right = built(case), built(case, layout="channels_first")
    for network in (left, right):
        network.train(case.batch, 0.1)
    for name, weight in left.read().weights.items():
        assert distance(right.read().weights[name], weight) < 1e-12


# -- options --------------------------------------------------------------------------------------------
@pytest.mark.filterwarnings("ignore")  # Inductor's own
@pytest.mark.parametrize(
    "name",
    [pytest.param("convolutional", marks=pytest.mark.slow("Inductor compiles it for minutes")), "recurrent"],
)
def test_compiled(name: str) -> None:
    case = CASES[name]()
    plain, compiled = built(case), built(case, compile="default")
    for rows in (6, 4):
        batch = case.rows(0, rows)
        loss, gradients = plain.gradients(batch)
        other_loss, other = compiled.gradients(batch)
        assert other_loss == pytest.approx(loss, rel=1e-12)
        for key, gradient in gradients.items():
            assert distance(other[key], gradient) < 1e-10, key
        assert distance(compiled.predict(batch)["y"], plain.predict(batch)["y"]) < 1e-12
    for network in (plain, compiled):
        network.train(case.batch, 0.1)
    for key, weight in plain.read().weights.items():
        assert distance(compiled.read().weights[key], weight) < 1e-10


def test_bfloat16_is_close_and_open() -> None:
    case = residual()
    assert ENGINE.describe().options["arithmetic"].division == "open"
    value = built(case, "float32", arithmetic="bfloat16").predict(case.batch)["y"]
    error = distance(value, built(case, "float32").predict(case.batch)["y"])
    assert value.dtype == np.float32
    assert 1e-5 < error < 0.05, "bfloat16 has 8 bits of mantissa"


def test_settings_of_the_process() -> None:
    built(perceptron(), deterministic=True, flush_denormals=True)
    assert torch.are_deterministic_algorithms_enabled()
    built(perceptron())
    assert not torch.are_deterministic_algorithms_enabled()
    before = torch.get_num_threads()
    ENGINE.build(perceptron().program, perceptron().weights, Setting(threads=1))
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


def test_tiny_numbers_stay_by_default() -> None:
    """Numbers below the normal ones are taken as they are, unless the open option flushes them."""
    net = Net("tiny")
    y = net.op("multiply", net.feature("x", 8), net.drawn("w", 8, scale=0.0, shift=0.5))
    case = net.case({"y": y}, squared_error, {"x": np.full((1, 8), 1e-39), "target/y": np.zeros((1, 8))})
    assert (built(case, "float32").predict(case.batch)["y"] > 0).all()
    assert (built(case, "float32", flush_denormals=True).predict(case.batch)["y"] == 0).all()
    built(case)


# -- arrays ---------------------------------------------------------------------------------------------
def test_features_are_not_copied_on_a_cpu() -> None:
    network = built(perceptron(), "float32")
    x = np.zeros((6, 4), "float32")
    tensor = network._to_device(x, "float32")  # type: ignore[attr-defined]
    assert tensor.data_ptr() == x.ctypes.data


def test_loss_is_a_number_on_the_device_without_a_graph_behind_it() -> None:
    case = perceptron()
    loss = built(case).train(case.batch, 0.1)
    assert isinstance(loss, torch.Tensor)
    assert not loss.requires_grad
    assert loss.ndim == 0


def test_missing_input_and_weights_are_reported_by_name() -> None:
    case = perceptron()
    with pytest.raises(CrosstrainError, match="target/y"):
        built(case).train({"x": case.batch["x"]}, 0.1)
    with pytest.raises(CrosstrainError, match="hidden/bias"):
        built(case).load(State({k: v for k, v in case.weights.items() if k != "hidden/bias"}))
    with pytest.raises(CrosstrainError, match=r"hidden/bias.*\(7,\)"):
        built(case).load(State({**case.weights, "hidden/bias": np.zeros(7)}))


# -- GPU ------------------------------------------------------------------------------------------------
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.filterwarnings("ignore:RNN module weights")
def test_cuda_is_the_same_network(name: str, layout: str) -> None:
    case = CASES[name]().with_optimizer(Optimizer("sgd", momentum=0.9))
    cpu, gpu = built(case), built(case, device="cuda:0", layout=layout)
    for network in (cpu, gpu):
        for _ in range(3):
            network.train(case.batch, 0.05)
        network.wait()
    for key, weight in cpu.read().weights.items():
        assert distance(gpu.read().weights[key], weight) < 1e-10, key
    for training in (False, True):
        expected = cpu.predict(case.batch, training)
        for key, value in gpu.predict(case.batch, training).items():
            assert distance(value, expected[key]) < 1e-10


def test_only_a_gru_of_pytorch_s_own_kind_has_its_gates_exchanged() -> None:
    """One with another activation is not, nor is one whose kernel something else reads or shares."""
    net = Net("gates")
    x = net.feature("series", 5, 3)

    def weights(name: str) -> list[str]:
        return [net.drawn(f"{name}/{part}", *shape) for part, shape in
                (("kernel", (3, 9)), ("recurrent", (3, 9)), ("bias", (2, 9)))]  # fmt: skip

    def gru(parts: list[str], **how: Any) -> str:
        how = {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True, **how}
        return net.emit("gru", x, *parts, None, **how)[1]

    own, other, read, shared = (weights(name) for name in ("own", "other", "read", "shared"))
    outputs = {
        "own": gru(own), "again": gru(own, backwards=True), "other": gru(other, activation="relu"),
        "read": gru(read), "penalty": net.op("square", read[0]),
        "shared": gru([shared[0], *weights("fourth")[1:]]), "sharing": gru(shared, activation="relu"),
    }  # fmt: skip
    assert reset_first(net.graph(outputs)) == {"own/kernel", "own/recurrent", "own/bias"}


def test_exchanged_gates_stay_inside() -> None:
    """Weights come out as Keras has them, and a state that comes in goes on."""
    case = recurrent().with_optimizer(Optimizer("adam"))
    network, again = built(case), built(case)
    assert "gru/kernel" in reset_first(case.program.training)
    assert np.array_equal(network.read().weights["gru/kernel"], case.weights["gru/kernel"])
    network.train(case.batch, 0.01)
    again.load(network.read())
    for one in (network, again):
        one.train(case.batch, 0.01)
    first, second = network.read(), again.read()
    for name, weight in first.weights.items():
        assert np.array_equal(second.weights[name], weight), name
        for slot, value in (first.slots or {})[name].items():
            assert np.array_equal((second.slots or {})[name][slot], value), (name, slot)
