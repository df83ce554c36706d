"""The catalogue's networks are the published ones."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest

from crosstrain import zoo
from crosstrain.detection.heads import HEADS
from crosstrain.errors import CrosstrainError
from crosstrain.graph.cost import cost
from crosstrain.graph.graph import Graph
from crosstrain.graph.keras_import import import_model
from crosstrain.graph.keras_initial import numpy_initial
from crosstrain.reporting.network.outline import Outline, outline
from crosstrain.zoo.catalogue.applications import APPLICATIONS
from crosstrain.zoo.catalogue.networks import NETWORKS
from crosstrain.zoo.catalogue.regions import REGIONS
from crosstrain.zoo.catalogue.sequences import SEQUENCES

LARGE = (
    "resnet1202", "densenet", "inception", "nasnet", "efficientnet", "xception", "resnet152", "resnet101",
    "resnet110", "vgg13", "vgg16", "vgg19", "alexnet-one-tower", "fast-rcnn", "faster-rcnn",
)  # fmt: skip
"""Beginnings of the names of networks that take longer to define than all others together."""


def large(name: str) -> bool:
    return name.startswith(LARGE) and not name.endswith("-small")


def cases(rows: Any) -> list[Any]:
    slow = pytest.mark.slow("hundreds of layers or of megabytes: minutes in all")
    return [pytest.param(row, id=row.name, marks=slow if large(row.name) else ()) for row in rows]


ROWS = cases((*NETWORKS, *REGIONS, *SEQUENCES, *APPLICATIONS))
STEPS: dict[str, Callable[[tuple[int, ...]], tuple[int, ...]]] = {
    "gpt-nano": lambda shape: shape,
    "rnn-lm": lambda shape: shape,
    "crnn-ctc": lambda shape: (shape[1] // 4 - 1,),
}
"""The steps of networks that answer at each, by the input's shape."""


def graph_of(name: str, *arguments: Any) -> Graph:
    """The graph of a network whose weights are all 0."""
    with numpy_initial(drawn=False):
        return import_model(zoo.build(name, *arguments), None)[0]


def pixels(row: zoo.NetworkRow, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Height and width of the output, where there is a class for each pixel."""
    return tuple(shape[:2]) if row.task == "image-segmentation" else ()


def steps_of(row: zoo.NetworkRow, graph: Graph, shape: tuple[int, ...]) -> tuple[int | None, ...]:
    """The axes of the output between examples and classes."""
    if row.inputs:  # an answer for each word
        return tuple(graph.inputs[row.inputs[1]].shape[1:])
    return STEPS[row.name](shape) if row.name in STEPS else pixels(row, shape)


def check_outputs(row: zoo.NetworkRow, graph: Graph, shape: tuple[int, ...], classes: int) -> None:
    """A score for each class, of pixels or steps where the network answers for those; of a detector's outputs
    those that give detections are of so many classes."""
    shapes = {name: graph.spec(ref).shape for name, ref in graph.outputs.items()}
    if row.task == "object-detection":
        assert set(shapes) <= set(HEADS)
        read = {name: HEADS[name] for name in shapes if HEADS[name].candidates}
        assert {head.classes(shapes[name][-1] or 0, {}) for name, head in read.items()} == {classes}
        return
    steps = steps_of(row, graph, shape)
    assert set(shapes.values()) == {(None, *steps, classes)}


@pytest.mark.parametrize("row", ROWS)
def test_parameters_and_multiply_accumulates(row: zoo.NetworkRow) -> None:
    graph = graph_of(row.name)
    assert (graph.parameters, cost(graph).macs) == (row.parameters, row.macs)
    assert graph.name == row.name
    names = [name for name in graph.inputs if name != "seed"]
    assert graph.inputs[names[0]].shape == (None, *row.input_shape)
    check_outputs(row, graph, row.input_shape, row.classes)


PUBLISHED = {
    "perceptron": 7_850, "alexnet": 60_965_224, "alexnet-one-tower": 61_100_840, "vgg11": 132_863_336,
    "vgg13": 133_047_848, "vgg16": 138_357_544, "vgg19": 143_667_240, "nin": 966_986,
    "googlenet:auxiliary=false": 6_998_552, "resnet18": 11_689_512, "resnet34": 21_797_672,
    "resnet50": 25_557_032, "resnet101": 44_549_160, "resnet152": 60_192_808, "vit-tiny": 5_717_416,
    "mlp-mixer": 18_528_264,
}  # fmt: skip
"""Parameters as Caffe, torchvision and timm count them (the perceptron: LeCun et al. 1998)."""


@pytest.mark.parametrize("name", [name for name in PUBLISHED if ":" not in name])
def test_the_catalogue_has_the_reference_s_parameters(name: str) -> None:
    """What rows say is held to the networks by the test above."""
    assert zoo.network_row(name).parameters == PUBLISHED[name]


def test_googlenet_without_its_auxiliary_classifiers() -> None:
    graph = graph_of("googlenet:auxiliary=false")
    assert list(graph.outputs) == ["logits"]
    assert graph.parameters == PUBLISHED["googlenet:auxiliary=false"]
    assert cost(graph).macs == 1_582_671_872


@pytest.mark.parametrize("row", [p.values[0] for p in ROWS], ids=lambda row: row.name)
def test_published_figures_agree_or_are_explained(row: zoo.NetworkRow) -> None:
    for published, counted in ((row.published_parameters, row.parameters), (row.published_macs, row.macs)):
        if published:
            low, high = rounding(published)
            assert low <= counted <= high or row.note, (
                f"{row.name}: {published} published, {counted:,} counted"
            )


def rounding(text: str) -> tuple[float, float]:
    """The numbers that are rounded to what is written: ``0.27 M`` is from 265,000 to 275,000."""
    found = re.fullmatch(r"([\d,]+)(?:\.(\d+))?(?: ([MG]))?", text)
    assert found, text
    unit = {None: 1, "M": 10**6, "G": 10**9}[found[3]]
    value = float(text.split()[0].replace(",", "")) * unit
    half = 0.5 * unit / 10 ** len(found[2] or "")
    return value - half, value + half


@pytest.mark.parametrize("row", ROWS)
def test_input_shape_and_classes_are_arguments(row: zoo.NetworkRow) -> None:
    own = zoo.variant(f"{row.name}:tiny").input_shape  # type: ignore[union-attr]
    shape = (own[0] + 16, own[1] + 16, 1) if len(own) == 3 else tuple(length + 3 for length in own)
    graph = graph_of(f"{row.name}:tiny", shape, 7)
    assert graph.inputs[next(iter(graph.inputs))].shape == (None, *shape)
    check_outputs(row, graph, shape, 7)


@pytest.mark.parametrize(
    "row",
    [row for row in SEQUENCES if row.name not in ("seq2seq", *STEPS) and not row.inputs],
    ids=lambda row: row.name,
)
def test_networks_for_sequences_read_series_tokens_and_pictures(row: zoo.NetworkRow) -> None:
    with numpy_initial(drawn=False):
        text = import_model(zoo.build(f"{row.name}:tiny", (9,), 3, vocabulary=50), None)[0]
        others = [import_model(zoo.build(f"{row.name}:tiny", s, 3), None)[0] for s in ((9,), (8, 8, 1))]
    assert text.inputs[next(iter(text.inputs))].dtype == "int32"
    assert any(spec.shape[0] == 50 for spec in text.weights.values())
    for graph in (text, *others):
        assert {graph.spec(ref).shape for ref in graph.outputs.values()} == {(None, 3)}


def test_a_backbone_is_a_word() -> None:
    graphs = [graph_of(f"faster-rcnn-small:tiny:stride=16:backbone={word}") for word in ("small", "resnet18")]
    assert graphs[0].parameters != graphs[1].parameters
    for text, sentence in (
        ("backbone=vgg99", "there is no backbone 'vgg99'; there are small, vgg16, resnet18, resnet50"),
        ("stride=5", "the stride of a backbone is 4, 8, 16, not 5"),
        ("backbones=small", "has no argument 'backbones'"),
    ):
        with pytest.raises(CrosstrainError, match=sentence):
            zoo.build(f"faster-rcnn-small:tiny:{text}")


def test_a_network_for_pictures_takes_no_tokens() -> None:
    with pytest.raises(CrosstrainError, match="lenet5 takes no tokens of text; one that does is lstm"):
        zoo.build("lenet5", (9,), 3, vocabulary=50)


def test_a_captioner_has_an_lstm_or_a_gru() -> None:
    cells = {"lstm": ("LSTM", 2), "gru": ("GRU", 1)}
    for cell, (layer, states) in cells.items():
        with numpy_initial(drawn=False):
            model = zoo.build(f"captioner:tiny:cell={cell}")
        assert type(model.get_layer("decoder")).__name__ == layer
        assert len({"hidden", "cell"} & {each.name for each in model.layers}) == states
    with pytest.raises(ValueError, match="cell is lstm or gru, not 'rnn'"):
        zoo.build("captioner:tiny:cell=rnn")


@pytest.mark.parametrize("row", ROWS)
def test_the_tiny_variant_is_the_same_network_made_small(row: zoo.NetworkRow) -> None:
    graph = graph_of(f"{row.name}:tiny")
    assert graph.parameters < 1_000_000
    assert graph.parameters < row.parameters / 5
    assert graph.name == f"{row.name}-tiny"


@pytest.mark.parametrize("name", ["resnet20", "resnet32", "resnet44", "resnet56", "resnet20-preact"])
def test_residual_networks_have_6n_plus_2_layers_with_weights(name: str) -> None:
    """He et al. 2015, section 4.2; projections (option B) are not counted."""
    with numpy_initial(drawn=False):
        layers = zoo.build(name).layers
    weighted = [layer for layer in layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)]
    assert len(weighted) == int(name.removeprefix("resnet").removesuffix("-preact"))


# -- shapes by example ------------------------------------------------------------------------------
def shapes(described: Outline) -> dict[str, tuple[int | None, ...]]:
    return {layer.name: layer.output for layer in described.layers}


def test_the_stem_of_a_resnet_takes_224_to_56() -> None:
    """He et al. 2015, table 1: 112 after the convolution, 56 after the pooling, 7 at the end."""
    found = shapes(outline(graph_of("resnet18")))
    assert found["stem_conv"] == (112, 112, 64)
    assert found["stem_pool"] == (56, 56, 64)
    assert [found[f"stage{n}_block2_add"] for n in (1, 2, 3, 4)] == [
        (56, 56, 64), (28, 28, 128), (14, 14, 256), (7, 7, 512),
    ]  # fmt: skip


def test_the_maps_of_alexnet() -> None:
    """Krizhevsky et al. 2012, section 3.5 and figure 2."""
    found = shapes(outline(graph_of("alexnet")))
    assert [found[f"conv{n}"] for n in (1, 2, 3, 4, 5)] == [
        (55, 55, 96), (27, 27, 256), (13, 13, 384), (13, 13, 384), (13, 13, 256),
    ]  # fmt: skip


def test_the_maps_of_zfnet() -> None:
    """Zeiler and Fergus 2014, figure 3: 110, 55, 26, 13 and 6 pixels."""
    found = shapes(outline(graph_of("zfnet")))
    assert [found[name][0] for name in ("conv1", "pool1", "conv2", "pool2", "conv5", "pool5")] == [
        110, 55, 26, 13, 13, 6,
    ]  # fmt: skip


def test_the_inception_modules_of_googlenet() -> None:
    """Szegedy et al. 2014, table 1: the output of each module."""
    found = shapes(outline(graph_of("googlenet")))
    sizes = {
        "3a": (28, 256), "3b": (28, 480), "4a": (14, 512), "4b": (14, 512), "4c": (14, 512), "4d": (14, 528),
        "4e": (14, 832), "5a": (7, 832), "5b": (7, 1024),
    }  # fmt: skip
    assert {n: found[f"inception{n}_concat"] for n in sizes} == {n: (s, s, c) for n, (s, c) in sizes.items()}
    assert found["auxiliary1_pool"] == (4, 4, 512)
    assert found["auxiliary2_pool"] == (4, 4, 528)


def test_a_1x1_convolution_is_a_bottleneck() -> None:
    """Lin et al. 2013: 100×100×60 becomes 100×100×20, by 60·20 weights and 20 biases."""
    inputs = keras.Input((100, 100, 60))
    graph, _ = import_model(keras.Model(inputs, keras.layers.Conv2D(20, 1)(inputs)), None)
    assert graph.spec(next(iter(graph.outputs.values()))).shape == (None, 100, 100, 20)
    assert graph.parameters == 60 * 20 + 20


def test_two_3x3_convolutions_see_5x5() -> None:
    """Simonyan and Zisserman 2014, section 2.3."""
    inputs = keras.Input((9, 9, 1))
    ones = {"use_bias": False, "padding": "same", "kernel_initializer": "ones"}
    y = keras.layers.Conv2D(1, 3, **ones)(keras.layers.Conv2D(1, 3, **ones)(inputs))
    model = keras.Model(inputs, y)
    spot = np.zeros((1, 9, 9, 1), "float32")
    spot[0, 4, 4, 0] = 1.0
    rows, columns = np.nonzero(np.asarray(model(spot))[0, :, :, 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 6, 2, 6)


# -- names and arguments ------------------------------------------------------------------------------
def test_units_of_idsia() -> None:
    """300 in the paper, 230 and 200 in later comparisons."""
    sizes = [graph_of(f"idsia:units={units}").parameters for units in (300, 230, 200)]
    assert sizes == [1_793_943 - (300 - units) * (4 * 4 * 250 + 1 + 43) for units in (300, 230, 200)]


def test_width_scales_every_layer() -> None:
    assert graph_of("vgg11:width=0.125:dropout=0", (32, 32, 3), 10).parameters == 445_626


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("resnet99", r"no network 'resnet99'.*did you mean"),
        ("zzz", r"no network 'zzz'.*crosstrain networks"),
        ("vgg16:height=3", r"vgg16 has no argument 'height'; it has width, dropout"),
        ("perceptron:width=2", "perceptron has no argument 'width'; it has none"),
        ("vgg16:width=broad", "width is a number, not 'broad'"),
        ("vgg16:width=0", "width must not be 0"),
        ("vgg16:width=nan", "width must not be nan"),
        ("idsia:units=2.5", "units is a whole number, not '2.5'"),
        ("googlenet:auxiliary=maybe", "auxiliary is true or false, not 'maybe'"),
        ("idsia:units", "write an argument as idsia:NAME=VALUE, or idsia:tiny"),
        ("idsia:units=1:units=2", "gives units twice"),
    ],
)
def test_wrong_names_and_arguments_are_refused(name: str, sentence: str) -> None:
    with pytest.raises(CrosstrainError, match=sentence):
        zoo.build(name)


def test_listing_imports_no_framework() -> None:
    code = (
        "import sys, crosstrain.zoo as z; z.networks(); "
        "sys.exit(bool({'keras', 'torch', 'tensorflow', 'jax'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


GRAPHS = {
    "mlp": "b8a2b97a50f2614714f28d951f106718b781cb3776ddca6b99b35b9936755d6f",
    "lenet5": "65796ed7da8e83a8d7694cf292c765dec9b2039a8cfc7481487b96ced886ea61",
    "idsia": "f3eaea86e424da904134f6fd500a6c0eee6ce74e574305dc439072abf44e9dcb",
    "resnet20": "467295796e785cc1908db1b24d8cd72d8acc603f3c4d063bb8287dfc11532aee",
    "resnet20-b": "404c7148d4575e370a16641e82d5bf16dba8c9c47d3fb61848db57ae373d5f0e",
    "resnet32": "e7c253ceeb6ff279e9a423a979014e64d5fd378a10eb075cc92af639171c09fd",
    "resnet32-b": "192c8d8ccc737a215347be14af68a0271226eb1066bc95a7af3534f5bb4f903b",
}
"""Hashes of graphs on which results and certificates are published."""


@pytest.fixture
def fresh_names() -> Iterator[None]:
    """Layers without names of their own are numbered from the start, as where a network is defined."""
    keras.backend.clear_session()
    yield
    keras.backend.clear_session()


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.usefixtures("fresh_names")
def test_networks_of_stored_results_stay_what_they_were(name: str) -> None:
    assert graph_of(name).hash == GRAPHS[name]


def test_trainable_parameters_are_keras_s() -> None:
    with numpy_initial(drawn=False):
        model = zoo.build("resnet20-preact")
    assert sum(math.prod(w.shape) for w in model.trainable_weights) == zoo.network_row(model.name).parameters
