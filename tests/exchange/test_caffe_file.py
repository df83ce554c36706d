"""The export format ``caffe``, as OpenCV's DNN module reads it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from crosstrain.errors import CrosstrainError
from crosstrain.exchange.caffe import file as caffe_file
from crosstrain.exchange.caffe.file import NET, WEIGHTS
from crosstrain.exchange.caffe.pictures import even, pooled
from crosstrain.exchange.caffe.proto import MESSAGES, net_parameter
from crosstrain.exchange.formats import format_row
from crosstrain.graph.builder import Builder
from crosstrain.graph.evaluate import UnsupportedOp
from crosstrain.graph.graph import TensorSpec
from tests.exchange import foreign_formats as formats
from tests.exchange.networks import Sample, op_samples, sampled

NETWORKS = ("mlp", "lenet5", "resnet20", "resnet20-b", "perceptron", "convolutional", "two-headed")


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_the_same_in_caffe(name: str, tmp_path: Path) -> None:
    sample = formats.built(name)
    path = formats.written("caffe", sample, tmp_path)
    assert {p.name for p in path.iterdir()} == {NET, WEIGHTS}
    assert max(formats.differences("caffe", sample, path).values()) < 1e-5


# -- ops ----------------------------------------------------------------------------------------
WRITTEN = (
    "negative", "exp", "expm1", "tanh", "sigmoid", "softplus", "square", "silu", "softsign", "log_sigmoid",
    "tanh_shrink", "abs", "relu", "relu6", "selu", "celu", "hard_sigmoid", "hard_silu", "hard_tanh", "log",
    "log1p", "sqrt", "rsqrt", "reciprocal", "divide", "clip", "clip_above", "leaky_relu", "elu", "elu_alpha",
    "gelu_tanh", "soft_shrink", "squareplus", "glu", "softmax_far", "conv", "conv_even", "conv_uneven",
    "conv_dilated", "conv_groups", "depthwise_conv", "conv_transpose", "max_pool", "average_pool", "dense",
    "upsample_nearest", "batch_norm", "normalize",
)  # fmt: skip


def test_every_op_is_the_same_or_refused_by_name(tmp_path: Path) -> None:
    """Of the ops of the vocabulary those of ``WRITTEN`` are written; none is written wrongly."""
    done, wrong, refused = set(), {}, {}
    for name, sample in op_samples(weights_in=True):
        folder = tmp_path / name
        folder.mkdir()
        try:
            path = formats.written("caffe", sample, folder)
        except UnsupportedOp as error:
            refused[name] = str(error)
            continue
        outputs = format_row("caffe").opened(path, formats.source(sample))(sample.single())
        apart = max(formats.distance(outputs[k], v) for k, v in sample.expected.items())
        if not apart < 2e-5:
            wrong[name] = apart
        done.add(name)
    assert not wrong
    assert set(WRITTEN) <= done
    assert all("Caffe" in sentence for sentence in refused.values())


def one_op(
    op: str, *inputs: tuple[int, ...], weights: dict[str, np.ndarray] | None = None, **attributes: Any
) -> Sample:
    """An op on inputs of the given shapes (without the batch), then on weights."""
    random = np.random.default_rng(5)
    builder, feed, references = Builder("one"), {}, []
    for i, shape in enumerate(inputs):
        references.append(builder.add_input(f"i{i}", TensorSpec((None, *shape))))
        feed[f"i{i}"] = random.standard_normal((3, *shape))
    references += [builder.add_weight(name, array, True) for name, array in (weights or {}).items()]
    results = builder.emit(op, *references, name="node", **attributes)
    return sampled(builder.graph({f"o{i}": ref for i, ref in enumerate(results)}), builder.arrays, feed)


def check(sample: Sample, folder: Path) -> None:
    apart = formats.differences("caffe", sample, formats.written("caffe", sample, folder))
    assert max(apart.values()) < 1e-5


@pytest.mark.parametrize("op", ["max_pool", "average_pool"])
def test_poolings_of_all_kinds_of_edges(op: str, tmp_path: Path) -> None:
    """Rounded down though Caffe rounds up, padded unevenly, with means that leave the padding out."""
    count = 0
    for length, size, stride, before, after in itertools.product(
        (6, 7, 9), (2, 3), (1, 2, 4), (0, 1), (0, 1)
    ):
        count += 1
        folder = tmp_path / str(count)
        folder.mkdir()
        sample = one_op(
            op, (length, 8, 2), window=(size, 2), strides=(stride, 2), padding=((before, after), (0, 0))
        )
        check(sample, folder)
    assert count == 72


@pytest.mark.parametrize("dilation", [1, 2])
def test_convolutions_with_uneven_padding(dilation: int, tmp_path: Path) -> None:
    kernel = np.random.default_rng(0).standard_normal((3, 2, 2, 3))
    for index, (length, stride, pads) in enumerate(
        itertools.product((7, 8, 9), (1, 2), ((0, 0), (0, 2), (2, 0), (1, 3), (2, 2)))
    ):
        folder = tmp_path / str(index)
        folder.mkdir()
        sample = one_op(
            "conv", (length, 6, 2), weights={"k": kernel}, strides=(stride, 1), padding=(pads, (0, 0)),
            dilation=(dilation, 1),
        )  # fmt: skip
        check(sample, folder)


def test_padding_alike_costs_no_zeros_where_it_need_not() -> None:
    assert even(8, 3, 1, 1, (1, 1), 8) == (1, 0, 0)
    assert even(32, 3, 2, 1, (0, 1), 16) == (1, 1, 0)
    assert even(9, 3, 2, 1, (1, 0), 4) == (1, 0, 1)
    assert even(8, 3, 2, 1, (1, 0), 4) == (1, 0, 0)


def test_caffe_rounds_poolings_up() -> None:
    assert [pooled(n, 3, 2, 0) for n in (6, 7, 8)] == [3, 3, 4]
    assert pooled(112, 3, 2, 1) == 57
    assert pooled(3, 2, 2, 1) == 2  # a last window that lay in the padding alone is none


SHAPED = {
    "padded channels": one_op("pad", (4, 5, 2), padding=((0, 0), (1, 0), (0, 2), (1, 2))),
    "every second": one_op(
        "slice", (7, 5, 3), starts=(None, None, 1, None), stops=(None,) * 4, strides=(1, 2, 2, 1)
    ),
    "some channels": one_op(
        "slice", (3, 3, 5), starts=(None, None, None, 1), stops=(None, None, None, 4), strides=(1, 1, 1, 2)
    ),
    "part of a vector": one_op("slice", (7,), starts=(None, 2), stops=(None, 5), strides=(1, 1)),
    "split pictures": one_op("split", (4, 4, 6), sizes=(2, 1, 3), axis=-1),
    "split rows": one_op("split", (5, 4, 2), sizes=(2, 3), axis=1),
    "joined columns": one_op("concatenate", (4, 3, 2), (4, 5, 2), axis=2),
    "joined vectors": one_op("concatenate", (4,), (5,), axis=-1),
    "one number for each channel": one_op("multiply", (4, 3, 2), (1, 1, 2)),
    "difference": one_op("subtract", (4, 3, 2), (4, 3, 2)),
    "quotient": one_op("divide", (3,), (3,)),
    "smaller": one_op("minimum", (4, 3, 2), (4, 3, 2)),
    "global mean": one_op("mean", (4, 3, 5), axis=(1, 2)),
    "global maximum": one_op("max", (4, 3, 5), axis=(1, 2), keepdims=True),
    "global sum": one_op("sum", (4, 3, 5), axis=(1, 2)),
    "dense on pictures": one_op(
        "dense", (4, 3, 5), weights={"k": np.ones((5, 2)), "b": np.array([1.0, 2.0])}
    ),
    "from a vector": one_op("reshape", (6,), shape=(-1, 1, 1, 6)),
    "passed on": one_op("linear", (6,)),
}


@pytest.mark.parametrize("name", SHAPED)
def test_shapes(name: str, tmp_path: Path) -> None:
    check(SHAPED[name], tmp_path)


def test_a_flattened_picture_in_front_of_more_than_a_dense_layer(tmp_path: Path) -> None:
    """Its order is Caffe's through an activation, constants, statistics and a concatenation."""
    random = np.random.default_rng(2)
    builder = Builder("flat")
    image = builder.add_input("image", TensorSpec((None, 3, 4, 2)))
    numbers = builder.add_input("numbers", TensorSpec((None, 5)))
    weight = lambda name, *shape: builder.add_weight(name, random.random(shape), True)
    (x,) = builder.emit("reshape", image, name="flat", shape=(-1, 24))
    (x,) = builder.emit("tanh", x, name="tanh")
    (x,) = builder.emit("multiply", x, weight("scale", 24), name="scaled")
    statistics = [weight(n, 24) for n in ("gamma", "beta", "mean", "variance")]
    (x,) = builder.emit("normalize", x, *statistics, name="norm", axis=-1, epsilon=1e-3)
    (x,) = builder.emit("concatenate", numbers, x, name="both", axis=-1)
    (x,) = builder.emit("dense", x, weight("kernel", 29, 4), weight("bias", 4), name="out")
    feed = {"image": random.standard_normal((3, 3, 4, 2)), "numbers": random.standard_normal((3, 5))}
    check(sampled(builder.graph({"out": x}), builder.arrays, feed), tmp_path)


# -- refusals -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("sample", "sentence"),
    [
        (one_op("gelu", (4,), approximate=False), "Caffe does not support the op 'erf'"),
        (one_op("argmax", (4,), axis=-1), "Caffe does not support the op 'argmax'"),
        (one_op("relu", (5, 4)), r"Caffe takes vectors and pictures of a fixed size, .* 'i0' is \(N, 5, 4\)"),
        (one_op("reshape", (2, 2, 3), shape=(-1, 12)), "puts a flattened picture in the order of"),
        (one_op("reshape", (12,), shape=(-1, 2, 2, 3)), "Caffe has pictures channels first"),
        (one_op("add", (4, 4, 2), (1, 4, 2)), "Caffe's Eltwise joins values of one shape"),
        (one_op("pad", (4, 4, 2), padding=((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect"), "with zeros"),
    ],
)  # fmt: skip
def test_what_caffe_lacks_is_refused_in_a_sentence(sample: Sample, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOp, match=sentence) as error:
        formats.written("caffe", sample, tmp_path)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_an_opencv_that_reads_no_caffe_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = formats.built("perceptron")
    path = formats.written("caffe", sample, tmp_path)
    monkeypatch.setattr(cv2, "__version__", "5.0.0")
    with pytest.raises(CrosstrainError, match=r"OpenCV 5\.0\.0 no longer reads Caffe's files"):
        caffe_file.opened(path, formats.source(sample))


# -- files --------------------------------------------------------------------------------------
def test_the_net_is_text_without_weights_and_the_model_has_them(tmp_path: Path) -> None:
    sample = formats.built("lenet5")
    path = formats.written("caffe", sample, tmp_path)
    model = net_parameter().FromString((path / WEIGHTS).read_bytes())
    size = sum(len(blob.data) for layer in model.layer for blob in layer.blobs)
    assert size == sum(array.size for array in sample.weights.values())
    text = (path / NET).read_text()
    assert "blobs" not in text
    assert [layer.type for layer in model.layer][-1] == "InnerProduct"
    assert model.layer[-1].name == "output"


def test_messages_refer_to_each_other() -> None:
    used = {kind.split()[-1] for fields in MESSAGES.values() for _, kind in fields.values()}
    assert set(MESSAGES) - used == {"NetParameter"}
    numbers = [[number for number, _ in fields.values()] for fields in MESSAGES.values()]
    assert all(len(set(each)) == len(each) for each in numbers)


def test_changed_weights_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(path: Path) -> None:
        model = net_parameter().FromString((path / WEIGHTS).read_bytes())
        layer = next(layer for layer in model.layer if layer.type == "Convolution")
        layer.blobs[0].data[0] += 1
        (path / WEIGHTS).write_bytes(model.SerializeToString())

    formats.refused_when_spoilt("caffe", "opencv", spoil, tmp_path, monkeypatch)
