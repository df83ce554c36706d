"""Caffe's and Caffe2's files read: each layer against OpenCV's own reading, and refusals by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.caffe.file import NET, WEIGHTS
from crosstrain.exchange.caffe.proto import net_def, net_parameter
from crosstrain.exchange.caffe.reading import caffe2, file
from crosstrain.exchange.onnx.reading.importer import Imported
from crosstrain.graph.reference import run_numpy
from tests.exchange import foreign_formats as formats

RNG = np.random.default_rng(0)
INPUT = (
    'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 7 } } }\n'
)


def layer(kind: str, more: str = "", bottom: str = "data", top: str = "y", name: str = "the_layer") -> str:
    bottoms = " ".join(f'bottom: "{b}"' for b in bottom.split())
    return f'layer {{ name: "{name}" type: "{kind}" {bottoms} top: "{top}" {more} }}\n'


def drawn(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [RNG.normal(size=shape).astype("float32") for shape in shapes]


def statistics() -> list[np.ndarray]:
    """Sums and the factor that they are divided by."""
    return [*drawn((3,)), RNG.uniform(1, 3, 3).astype("float32"), np.array([2.5], "float32")]


SMALL = "kernel_size: 3"
CASES: dict[str, tuple[str, list[np.ndarray]]] = {
    "convolution": (
        layer("Convolution", "convolution_param { num_output: 4 kernel_size: 3 pad: 1 stride: 2 }"),
        drawn((4, 3, 3, 3), (4,)),
    ),
    "apart": (
        layer("Convolution", "convolution_param { num_output: 4 kernel_h: 3 kernel_w: 2 stride_h: 2 "
              "stride_w: 1 pad_h: 1 pad_w: 0 bias_term: false }"),
        drawn((4, 3, 3, 2)),
    ),
    "grouped": (
        layer("Convolution", "convolution_param { num_output: 6 kernel_size: 3 group: 3 }"),
        drawn((6, 1, 3, 3), (6,)),
    ),
    "dilated": (
        layer("Convolution", "convolution_param { num_output: 2 kernel_size: 3 dilation: 2 pad: 1 }"),
        drawn((2, 3, 3, 3), (2,)),
    ),
    "deconvolution": (
        layer("Deconvolution", "convolution_param { num_output: 4 kernel_size: 4 stride: 2 pad: 1 }"),
        drawn((3, 4, 4, 4), (4,)),
    ),
    "max_rounded_up": (layer("Pooling", "pooling_param { kernel_size: 2 stride: 2 }"), []),
    "max_padded": (layer("Pooling", "pooling_param { kernel_size: 3 stride: 2 pad: 1 }"), []),
    "average_padded": (layer("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }"), []),
    "average_rounded_up": (layer("Pooling", "pooling_param { pool: AVE kernel_size: 2 stride: 2 }"), []),
    "global": (layer("Pooling", "pooling_param { pool: AVE global_pooling: true }"), []),
    "normalised": (layer("LRN", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 }"), []),
    "batch_norm": (layer("BatchNorm", "batch_norm_param { eps: 0.001 }"), statistics()),
    "scale": (layer("Scale", "scale_param { bias_term: true }"), drawn((3,), (3,))),
    "inner_product": (
        layer("InnerProduct", "inner_product_param { num_output: 5 }"), drawn((5, 189), (5,)),
    ),
    "relu": (layer("ReLU", "relu_param { negative_slope: 0.2 }"), []),
    "prelu": (layer("PReLU"), drawn((3,))),
    "elu": (layer("ELU", "elu_param { alpha: 0.7 }"), []),
    "sigmoid": (layer("Sigmoid"), []),
    "tanh": (layer("TanH"), []),
    "abs": (layer("AbsVal"), []),
    "power": (layer("Power", "power_param { scale: 0.5 shift: 9 power: 2 }"), []),
    "softmax": (layer("Softmax"), []),
    "flatten": (layer("Flatten"), []),
    "joined": (
        layer("ReLU", top="a", name="one") + layer("TanH", top="b", name="two")
        + layer("Concat", bottom="a b"), [],
    ),
    "sum": (
        layer("ReLU", top="a", name="one")
        + layer("Eltwise", "eltwise_param { operation: SUM coeff: 2 coeff: -1 }", "a data"), [],
    ),
    "product": (
        layer("ReLU", top="a", name="one") + layer("Eltwise", "eltwise_param { operation: PROD }", "a data"),
        [],
    ),
    "largest": (
        layer("TanH", top="a", name="one") + layer("Eltwise", "eltwise_param { operation: MAX }", "a data"),
        [],
    ),
    "in_place": (
        layer("Convolution", "convolution_param { num_output: 4 kernel_size: 3 }")
        + layer("ReLU", bottom="y", top="y", name="relu") + layer("Dropout", bottom="y", top="y", name="drop")
        + layer("Pooling", "pooling_param { kernel_size: 2 stride: 2 }", "y", "z", "pool"),
        drawn((4, 3, 3, 3), (4,)),
    ),
}  # fmt: skip


def stored(folder: Path, text: str, blobs: Sequence[np.ndarray], name: str = "the_layer") -> Path:
    """A prototxt, and a caffemodel whose layer ``name`` has ``blobs``."""
    net = net_parameter()()
    _fill(net.layer.add(name=name, type="Any"), blobs)
    (folder / "net.prototxt").write_text(text)
    (folder / "net.caffemodel").write_bytes(net.SerializeToString())
    return folder / "net.prototxt"


def _fill(layer: Any, blobs: Sequence[np.ndarray]) -> None:
    for array in blobs:
        blob = layer.blobs.add()
        blob.shape.dim.extend(array.shape)
        blob.data.extend(array.reshape(-1).tolist())


def outputs_here(read: Imported, x: np.ndarray) -> dict[str, np.ndarray]:
    """What the graph says in float64, with channels first."""
    (name,) = (n for n in read.graph.inputs if n in ("data", "picture"))
    outputs, _ = run_numpy(read.graph, read.weights, {name: np.moveaxis(x, 1, -1)})
    return {key: np.moveaxis(v, -1, 1) if v.ndim > 2 else v for key, v in outputs.items()}


def difference(path: Path, shape: tuple[int, ...] = (2, 3, 9, 7)) -> float:
    """The norm-wise distance of a network's only output from OpenCV's."""
    x = RNG.normal(size=shape).astype("float32")
    net = cv2.dnn.readNetFromCaffe(str(path), str(path.with_suffix(".caffemodel")))
    net.setInput(x)
    theirs = net.forward()
    ((_, ours),) = outputs_here(file.read(path), x).items()
    assert ours.size == theirs.size
    return float(np.linalg.norm(ours.reshape(-1) - theirs.reshape(-1)) / np.linalg.norm(theirs))


@pytest.mark.parametrize("name", CASES)
def test_a_layer_is_as_opencv_reads_it(name: str, tmp_path: Path) -> None:
    text, blobs = CASES[name]
    assert difference(stored(tmp_path, INPUT + text, blobs)) < 1e-6


def test_the_constant_of_lrn_is_caffes(tmp_path: Path) -> None:
    """By the formula of Caffe's documentation: OpenCV passes over ``k``."""
    text = layer("LRN", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 k: 2 }")
    x = RNG.normal(size=(2, 3, 9, 7))
    ours = outputs_here(file.read(stored(tmp_path, INPUT + text, [])), x)["y"]
    squares = np.pad(x**2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    total = squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]
    np.testing.assert_allclose(ours, x / (2 + 0.5 / 3 * total) ** 0.75, rtol=1e-6)


def test_batch_norm_and_scale_are_one_layer(tmp_path: Path) -> None:
    net = net_parameter()()
    _fill(net.layer.add(name="norm"), statistics())
    _fill(net.layer.add(name="scale"), drawn((3,), (3,)))
    text = layer("BatchNorm", name="norm") + layer(
        "Scale", "scale_param { bias_term: true }", "y", "y", "scale"
    )
    path = stored(tmp_path, INPUT + text, [])
    path.with_suffix(".caffemodel").write_bytes(net.SerializeToString())
    assert difference(path) < 1e-6
    read = file.read(path)
    assert [node.op for node in read.graph.nodes if node.op != "transpose"] == ["batch_norm"]
    assert set(read.weights) == {f"norm/{r}" for r in ("gamma", "beta", "moving_mean", "moving_variance")}


def test_files_of_before_2015_are_read(tmp_path: Path) -> None:
    """As AlexNet, GoogLeNet and VGG were published: ``layers``, ``input_dim``, blobs of four axes."""
    text = 'name: "old"\ninput: "data"\ninput_dim: 2\ninput_dim: 3\ninput_dim: 9\ninput_dim: 7\n'
    rows = (
        (
            "CONVOLUTION",
            "conv1",
            "data",
            "conv1",
            "convolution_param { num_output: 4 kernel_size: 3 group: 1 }",
        ),
        ("RELU", "relu1", "conv1", "conv1", ""),
        ("LRN", "norm1", "conv1", "norm1", "lrn_param { local_size: 5 alpha: 0.1 beta: 0.75 }"),
        ("POOLING", "pool1", "norm1", "pool1", "pooling_param { pool: MAX kernel_size: 3 stride: 2 }"),
        ("INNER_PRODUCT", "fc", "pool1", "fc", "inner_product_param { num_output: 5 }"),
        ("DROPOUT", "drop", "fc", "fc", "dropout_param { dropout_ratio: 0.5 }"),
        ("SOFTMAX", "prob", "fc", "prob", ""),
    )
    for kind, name, bottom, top, more in rows:
        text += (
            f'layers {{ type: {kind} name: "{name}" bottom: "{bottom}" top: "{top}" {more} blobs_lr: 1 }}\n'
        )
    net = net_parameter()()
    for name, arrays in (
        ("conv1", drawn((4, 3, 3, 3), (1, 1, 1, 4))),
        ("fc", drawn((1, 1, 5, 24), (1, 1, 1, 5))),
    ):
        old = net.layers.add(name=name)
        for array in arrays:
            n, c, h, w = array.shape
            old.blobs.add(num=n, channels=c, height=h, width=w).data.extend(array.reshape(-1).tolist())
    (tmp_path / "net.prototxt").write_text(text)
    (tmp_path / "net.caffemodel").write_bytes(net.SerializeToString())
    assert difference(tmp_path / "net.prototxt") < 1e-6


@pytest.mark.parametrize("name", ["lenet5", "resnet20", "two-headed"])
def test_what_is_written_comes_back(name: str, tmp_path: Path) -> None:
    sample = formats.built(name)
    folder = formats.written("caffe", sample, tmp_path)
    assert {NET, WEIGHTS} <= {p.name for p in folder.iterdir()}
    read = file.read(folder / NET)
    again, _ = run_numpy(read.graph, read.weights, sample.inputs)
    for key, value in sample.expected.items():
        assert np.linalg.norm(again[key] - value) < 1e-6 * np.linalg.norm(value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (INPUT + layer("Crop"), r"the Caffe layer Crop \('the_layer'\) cannot be read: crosstrain has no"),
        (INPUT + layer("Data"), "only its data set knows its shape; take the network's deploy file"),
        (INPUT + layer("SoftmaxWithLoss"), "it belongs to training"),
        (INPUT + layer("ReLU", bottom="nowhere"), "it reads 'nowhere', which no layer before it makes"),
        (INPUT + layer("PReLU"), "it has no slopes in the .caffemodel"),
        (INPUT + layer("LRN", "lrn_param { norm_region: WITHIN_CHANNEL }"), "normalises within channels"),
        (INPUT + layer("Pooling", "pooling_param { kernel_size: 1 stride: 2 }"), "strides longer than"),
        ('input: "data"\n' + layer("ReLU"), "does not say the shape of its input 'data'"),
        ("layer { name: }", "net.prototxt is not a network of Caffe's"),
        ("", "it has no layers"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_a_sentence(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match=why):
        file.read(stored(tmp_path, text, []))


def test_weights_that_are_missing_or_damaged_are_refused(tmp_path: Path) -> None:
    path = stored(tmp_path, INPUT + layer("ReLU"), drawn((2,)))
    weights = path.with_suffix(".caffemodel")
    for damage in (b"\xff\xff\xff", b""):
        weights.write_bytes(damage)
        with pytest.raises(CrosstrainError, match=r"is not a \.caffemodel file"):
            file.read(path)
    weights.unlink()
    with pytest.raises(CrosstrainError, match=r"no \.caffemodel files beside"):
        file.read(path)


# -- Caffe2 -----------------------------------------------------------------------------------------
def operator(net: Any, kind: str, inputs: str, output: str, **arguments: Any) -> None:
    op = net.op.add(type=kind, input=inputs.split(), output=[output])
    for name, value in arguments.items():
        argument = op.arg.add(name=name)
        if isinstance(value, float):
            argument.f = value
        elif isinstance(value, int):
            argument.i = value
        elif isinstance(value, str):
            argument.s = value.encode()
        elif isinstance(value[0], float):
            argument.floats.extend(value)
        else:
            argument.ints.extend(value)


def alexnet_like(folder: Path, legacy: int = 0) -> tuple[Path, dict[str, np.ndarray]]:
    """A network of Caffe2's with the layers of AlexNet and its own arrays."""
    arrays = dict(zip(("w1", "b1", "w2", "b2"), drawn((4, 3, 3, 3), (4,), (5, 48), (5,)), strict=True))
    net, fills = net_def()(name="small"), net_def()()
    operator(net, "Conv", "data w1 b1", "conv", kernel=3, pad=1, order="NCHW")
    operator(net, "Relu", "conv", "conv")
    operator(net, "LRN", "conv", "norm", size=3, alpha=0.5, beta=0.75, bias=1.0)
    operator(net, "AveragePool", "norm", "pool", kernel=3, stride=2, legacy_pad=legacy)
    operator(net, "FC", "pool w2 b2", "fc")
    operator(net, "Softmax", "fc", "prob")
    net.external_input.extend(["data", *arrays])
    net.external_output.append("prob")
    for name, array in arrays.items():
        operator(
            fills, "GivenTensorFill", "", name, shape=list(array.shape), values=array.reshape(-1).tolist()
        )
    (folder / "predict_net.pb").write_bytes(net.SerializeToString())
    (folder / "init_net.pb").write_bytes(fills.SerializeToString())
    return folder / "predict_net.pb", arrays


def test_a_network_of_caffe2_is_what_its_operators_mean(tmp_path: Path) -> None:
    """Held to Caffe's file of the same layers as OpenCV reads it, which has windows rounded down here too."""
    path, arrays = alexnet_like(tmp_path)
    text = INPUT + layer(
        "Convolution", "convolution_param { num_output: 4 kernel_size: 3 pad: 1 }", top="c", name="c"
    )
    text += layer("ReLU", bottom="c", top="c", name="r")
    text += layer("LRN", "lrn_param { local_size: 3 alpha: 0.5 beta: 0.75 }", "c", "n", "n")
    text += layer("Pooling", "pooling_param { pool: AVE kernel_size: 3 stride: 2 }", "n", "p", "p")
    text += layer("InnerProduct", "inner_product_param { num_output: 5 }", "p", "f", "f")
    text += layer("Softmax", bottom="f", top="prob", name="s")
    net = net_parameter()()
    _fill(net.layer.add(name="c"), [arrays["w1"], arrays["b1"]])
    _fill(net.layer.add(name="f"), [arrays["w2"], arrays["b2"]])
    (tmp_path / "net.prototxt").write_text(text)
    (tmp_path / "net.caffemodel").write_bytes(net.SerializeToString())
    x = RNG.normal(size=(2, 3, 9, 7)).astype("float32")
    theirs = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel"))
    theirs.setInput(x)
    ours = outputs_here(caffe2.read(path, {"": (9, 7, 3)}), x)["prob"]
    np.testing.assert_allclose(ours, theirs.forward(), rtol=1e-5, atol=1e-6)


def test_what_cannot_be_read_of_caffe2_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path, _ = alexnet_like(tmp_path)
    with pytest.raises(
        CrosstrainError, match=r"shape of the input 'data'; give it, for example --input-shape"
    ):
        caffe2.read(path)
    net = net_def()()
    net.ParseFromString(path.read_bytes())
    net.op[1].type = "TopK"
    path.write_bytes(net.SerializeToString())
    with pytest.raises(CrosstrainError, match=r"the Caffe2 operator TopK \('conv'\) cannot be read"):
        caffe2.read(path, {"": (9, 7, 3)})
    with pytest.raises(CrosstrainError, match="no network of Caffe2's, whose files end in"):
        caffe2.read(tmp_path / "net.pb")
