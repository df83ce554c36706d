"""The layers of a network as a table and its graph as a drawing."""

from __future__ import annotations

import itertools
from pathlib import Path
from xml.etree import ElementTree

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstrain import zoo
from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import import import_model
from crosstrain.graph.keras_initial import numpy_initial
from crosstrain.reporting.network.description import NetworkDescription
from crosstrain.reporting.network.folding import Folded
from crosstrain.reporting.network.layout import Layout, layout
from crosstrain.reporting.terminal.catalogue import layers_table
from crosstrain.reporting.terminal.grid import console

SVG = "{http://www.w3.org/2000/svg}"


def described(name: str) -> NetworkDescription:
    with numpy_initial(drawn=False):
        graph, _ = import_model(zoo.build(name), None)
    return NetworkDescription.of(name, None, graph)


def of_model(outputs: object, inputs: object) -> NetworkDescription:
    return NetworkDescription.of("own", None, import_model(keras.Model(inputs, outputs), None)[0])


def titles(folded: Folded) -> list[str]:
    return [box.title for box in folded.boxes]


# -- layers -----------------------------------------------------------------------------------------
def test_layers_are_called_by_what_they_do() -> None:
    layers = {layer.name: layer for layer in described("alexnet:tiny").outline.layers}
    assert layers["conv1"].title == "Conv 11×11, 6, stride 4 · ReLU"
    assert layers["norm1"].title == "Response norm"
    assert layers["pool1"].title == "Max pool 3×3, stride 2"
    assert layers["conv2"].title == "Conv 5×5, 16, 2 groups · ReLU"
    assert layers["fc6"].title == "Dense 256 · ReLU"
    assert layers["fc6_dropout"].title == "Dropout"
    assert layers["logits"].output == (5,)
    assert layers["conv1"].parameters == 11 * 11 * 3 * 6 + 6
    assert layers["conv1"].macs == 15 * 15 * 11 * 11 * 3 * 6


@pytest.mark.parametrize("name", ["resnet18:tiny", "googlenet:tiny", "vit-tiny:tiny", "mobilenet-v2:tiny"])
def test_sums_are_the_network_s_before_and_after_folding(name: str) -> None:
    network = described(name)
    for parts in (network.outline.layers, network.folded.boxes):
        assert sum(part.parameters for part in parts) == network.outline.parameters
        assert sum(part.macs for part in parts) == network.outline.macs


def test_attention_is_one_layer() -> None:
    layers = {layer.name: layer.title for layer in described("vit-tiny:tiny").outline.layers}
    assert layers["block1_attention"] == "Attention"
    assert layers["block1_norm1"] == "LayerNorm"


def test_a_model_inside_a_model_is_shown_by_its_layers() -> None:
    inner = zoo.build("resnet20")
    inputs = keras.Input((32, 32, 3))
    names = [layer.name for layer in of_model(inner(inputs), inputs).outline.layers]
    assert "resnet20/stem_conv" in names


# -- folding ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "counts"), [("resnet50", [2, 3, 5, 2]), ("resnet34", [3, 3, 5, 2])])
def test_equal_blocks_are_drawn_once(name: str, counts: list[int]) -> None:
    """Each stage is a block that changes the shape, and repeats of one that does not."""
    folded = described(name).folded
    assert [frame.count for frame in folded.frames] == counts
    assert len(folded.boxes) < 45


def test_depth_costs_no_boxes() -> None:
    assert titles(described("resnet56").folded) == titles(described("resnet20").folded)


def test_blocks_of_several_parts_are_found() -> None:
    (frame,) = described("vit-tiny").folded.frames
    assert frame.count == 12


def test_what_is_not_equal_is_not_folded() -> None:
    inputs = x = keras.Input((8, 8, 2))
    for size in (3, 3, 5, 3):
        x = keras.layers.Conv2D(2, size, padding="same")(x)
    folded = of_model(x, inputs).folded
    assert titles(folded) == ["Input", "Conv 3×3, 2", "Conv 5×5, 2", "Conv 3×3, 2"]
    assert [(frame.first, frame.stop, frame.count) for frame in folded.frames] == [(1, 2, 2)]


def test_a_block_with_an_output_of_its_own_is_not_folded() -> None:
    inputs = x = keras.Input((8, 8, 2))
    outputs = []
    for _ in range(4):
        x = keras.layers.Conv2D(2, 3, padding="same")(x)
        outputs.append(x)
    head = keras.layers.Dense(3)(keras.layers.Flatten()(outputs[1]))
    folded = of_model([x, head], inputs).folded
    (frame,) = folded.frames
    assert (frame.count, folded.boxes[frame.first].title) == (2, "Conv 3×3, 2")
    assert sorted(titles(folded)) == sorted(["Input", *["Conv 3×3, 2"] * 3, "Flatten", "Dense 3"])
    assert [folded.boxes[place].title for place in folded.outputs.values()] == ["Conv 3×3, 2", "Dense 3"]


def test_blocks_that_are_joined_differently_are_not_equal() -> None:
    """Two convolutions in a row, then two beside each other."""
    inputs = keras.Input((8, 8, 2))
    conv = lambda: keras.layers.Conv2D(2, 3, padding="same")
    x = keras.layers.Add()([conv()(conv()(inputs)), inputs])
    x = keras.layers.Add()([conv()(x), conv()(x)])
    assert of_model(x, inputs).folded.frames == ()


# -- layout -----------------------------------------------------------------------------------------
def random_graphs() -> st.SearchStrategy[list[list[int]]]:
    def sources(count: int) -> st.SearchStrategy[list[list[int]]]:
        return st.tuples(
            *(st.lists(st.integers(0, n - 1), min_size=1, max_size=3, unique=True) for n in range(1, count))
        ).map(lambda inputs: [[], *inputs])

    return st.integers(2, 14).flatmap(sources)


def overlaps(places: Layout, widths: list[float]) -> bool:
    boxes = sorted(zip(places.ranks, places.across, widths, strict=True))
    return any(
        a[0] == b[0] and a[1] + a[2] / 2 > b[1] - b[2] / 2 - 1e-6 for a, b in itertools.pairwise(boxes)
    )


@settings(max_examples=60)
@given(random_graphs())
def test_boxes_stand_below_their_inputs_and_apart(inputs: list[list[int]]) -> None:
    widths = [40.0 + 10 * (i % 4) for i in range(len(inputs))]
    places = layout(inputs, widths)
    assert not overlaps(places, widths)
    for box, sources in enumerate(inputs):
        for source in sources:
            assert places.ranks[source] < places.ranks[box]
            assert len(places.bends[source, box]) == places.ranks[box] - places.ranks[source] - 1
    assert min(x - w / 2 for x, w in zip(places.across, widths, strict=True)) >= -1e-9


def test_a_chain_is_straight() -> None:
    places = layout([[], [0], [1], [2]], [50.0, 80.0, 20.0, 50.0])
    assert np.ptp(places.across) == pytest.approx(0.0, abs=1e-6)


def test_branches_do_not_cross_without_need() -> None:
    """Four branches of two boxes, written down in another order at each level."""
    inputs = [[], [0], [0], [0], [0], [3], [1], [4], [2], [5, 6, 7, 8]]
    places = layout(inputs, [50.0] * len(inputs))
    pairs = [(places.across[inputs[box][0]], places.across[box]) for box in (5, 6, 7, 8)]
    assert [lower for _, lower in sorted(pairs)] == sorted(lower for _, lower in pairs)


# -- pictures ---------------------------------------------------------------------------------------
def test_the_drawing_has_every_box_frame_and_output(tmp_path: Path) -> None:
    network = described("googlenet:tiny")
    network.draw(tmp_path / "network.svg")
    root = ElementTree.parse(tmp_path / "network.svg").getroot()
    groups = root.findall(f"{SVG}g")
    assert len(groups) == len(network.folded.boxes)
    words = " ".join(text.text or "" for text in root.iter(f"{SVG}text"))
    for name in ("logits: 5", "auxiliary1: 5", "auxiliary2: 5", "Conv 7×7, 4, stride 2"):
        assert name in words
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for box in root.iter(f"{SVG}rect"):
        x, y = float(box.attrib.get("x", 0)), float(box.attrib.get("y", 0))
        assert 0 <= x <= x + float(box.attrib["width"]) <= width
        assert 0 <= y <= y + float(box.attrib["height"]) <= height


def test_the_png_shows_boxes(tmp_path: Path) -> None:
    import cv2

    described("lenet5").draw(tmp_path / "network.png")
    picture = cv2.imread(str(tmp_path / "network.png"))
    assert picture is not None
    assert min(picture.shape[:2]) > 200
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("network.pdf", "ends in .svg or .png"), ("nowhere/network.svg", "existing folder"), (".", "ends in")],
)
def test_wrong_files_are_refused(name: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match=sentence):
        described("perceptron").draw(tmp_path / name)


def test_the_table_fits_a_terminal() -> None:
    out = console()
    with out.capture() as captured:
        out.print(layers_table(described("resnet50").folded))
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 100
    assert sum(line.startswith("×5 ") for line in lines) == 4, "three convolutions and an addition"
