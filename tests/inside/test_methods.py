"""The mathematics of looking inside, against Keras, finite differences, hand-computed cases, brute force."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph, Weights
from crosstrain.graph.reference import run_numpy
from crosstrain.inside.methods import backward
from crosstrain.inside.methods.anatomy import Anatomy, anatomy
from crosstrain.inside.methods.examples import activity, most_exciting
from crosstrain.inside.methods.occlusion import occlusion, probabilities
from tests.inside.networks import imported, signs

torch = pytest.importorskip("torch")

from crosstrain.engines.torch.inspector import Inspector  # noqa: E402

Built = tuple[keras.Model, Graph, Weights, Inspector, Anatomy]
SEED = 3
"""Whose weights see something for every class."""
ROOT = Path(__file__).parents[2]
SINGLE: dict[str, float] = {"rtol": 1e-5, "atol": 1e-5}
"""How near Keras's numbers are: on NumPy it convolves in float32."""
CLOSE: dict[str, float] = {"rel": 1e-5, "abs": 1e-6}
PICTURE = np.random.default_rng(1).uniform(0, 1, (1, 8, 8, 3))


def built(model: keras.Model, seed: int = 0) -> Built:
    graph, weights = imported(model, seed)
    return model, graph, weights, Inspector(graph, weights), anatomy(graph)


@pytest.fixture(scope="module")
def network() -> Built:
    return built(signs(), SEED)


def scores(graph: Graph, weights: Weights, inside: Anatomy, pictures: np.ndarray) -> np.ndarray:
    """The class scores by NumPy's meaning of the graph."""
    scored = replace(graph.phase(training=False), outputs={"score": inside.score}).pruned()
    return run_numpy(scored, weights, {inside.input: pictures})[0]["score"]


# -- what there is ------------------------------------------------------------------------------------
def test_anatomy(network: Built) -> None:
    _, graph, _, _, inside = network
    assert [layer.name for layer in inside.layers if layer.makes_maps] == ["conv1", "conv2"]
    assert inside.layer(None).name == "conv2"
    assert inside.layer("pool1").shape == (4, 4, 5)
    assert (inside.shape, inside.classes, inside.probabilities) == ((8, 8, 3), 4, True)
    assert inside.features == inside.layer("hidden").reference
    assert inside.score != inside.output == next(iter(graph.outputs.values()))
    with pytest.raises(CrosstrainError, match="no layer 'conv9'; there are conv1, pool1, conv2"):
        inside.layer("conv9")


def test_logits_are_their_own_scores() -> None:
    *_, inside = built(signs(last=None))
    assert (inside.score, inside.probabilities) == (inside.output, False)


def test_the_last_maps_are_not_a_pooling_s() -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(2, 3, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.MaxPooling2D(2, name="pool"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )
    assert built(model)[-1].layer(None).name == "relu"


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (
            keras.Sequential([keras.Input((8, 8, 4)), layers.Flatten(), layers.Dense(2)]),
            "takes 8×8×4, not pict",
        ),
        (keras.Sequential([keras.Input((9,)), layers.Dense(2)]), "takes 9, not pictures"),
        (keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3)]), "no output with a score"),
        (
            keras.Sequential([keras.Input((None, None, 3)), layers.GlobalMaxPooling2D(), layers.Dense(2)]),
            "pictures of any size",
        ),
    ],
    ids=["channels", "numbers", "no scores", "any size"],
)
def test_networks_that_cannot_be_looked_into(model: keras.Model, sentence: str) -> None:
    graph, _ = imported(model)
    with pytest.raises(CrosstrainError, match=sentence):
        anatomy(graph)


# -- filters and values -------------------------------------------------------------------------------
def test_first_filters_are_the_weights(network: Built) -> None:
    model, _, _, machine, inside = network
    assert inside.kernel is not None
    kernel = machine.values({inside.input: PICTURE}, [inside.kernel])[inside.kernel]
    np.testing.assert_array_equal(kernel, np.asarray(model.get_layer("conv1").kernel))


@pytest.mark.parametrize("name", ["conv1", "pool1", "conv2", "hidden"])
def test_values_are_keras_s(network: Built, name: str) -> None:
    model, _, _, machine, inside = network
    reference = inside.layer(name).reference
    part = keras.Model(model.inputs, model.get_layer(name).output)
    expected = np.asarray(part(PICTURE))
    np.testing.assert_allclose(
        machine.values({inside.input: PICTURE}, [reference])[reference], expected, **SINGLE
    )


# -- saliency -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_saliency_is_the_finite_difference_gradient(activation: str) -> None:
    _, graph, weights, machine, inside = built(signs(activation=activation))
    gradient = backward.class_gradient(machine, inside, PICTURE, 2)
    step = 1e-6
    nudges = np.eye(PICTURE.size).reshape(-1, *PICTURE.shape[1:]) * step
    ends = [scores(graph, weights, inside, PICTURE + sign * nudges)[:, 2] for sign in (1, -1)]
    numeric = ((ends[0] - ends[1]) / (2 * step)).reshape(gradient.shape)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(backward.saliency(gradient), np.abs(gradient).max(axis=-1))


# -- guided backpropagation and deconvnets, by hand ---------------------------------------------------
def hand(kernels: list[Any], *, pool: bool = False) -> tuple[Inspector, Anatomy]:
    """1×1 convolutions with ReLU on one row of pixels, then the sum of all: gradients are known by heart."""
    parts: list[Any] = [keras.Input((1, 4, 1), dtype="float64")]
    for number, kernel in enumerate(kernels):
        units = len(kernel[0])
        parts.append(
            layers.Conv2D(units, 1, activation="relu", use_bias=False, name=f"c{number}", dtype="float64")
        )
        if pool and number == 0:
            parts.append(layers.MaxPooling2D((1, 2), name="pool", dtype="float64"))
    parts += [layers.Flatten(dtype="float64"), layers.Dense(1, use_bias=False, name="sum", dtype="float64")]
    model = keras.Sequential(parts)
    graph, weights = imported(model)
    for number, kernel in enumerate(kernels):
        name = next(n for n in weights if n.endswith(f"c{number}/kernel"))
        weights[name] = np.array(kernel, float)[None, None]
    return Inspector(graph, weights), anatomy(graph)


def down(
    machine: Inspector, inside: Anatomy, row: list[float], seed: Any, layer: str, rule: str
) -> list[float]:
    pixels, reference = f"%{inside.input}", inside.layer(layer).reference
    picture = np.array(row).reshape(1, 1, 4, 1)
    return (
        machine.gradients({inside.input: picture}, {reference: np.array(seed, float)}, [pixels], rule)[pixels]
        .ravel()
        .tolist()
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # One unit with the weight 2 on pixels 1, -1, 3, -2: its inputs are 2, -2, 6, -4; seeds 1, 1, -1, -1.
        ("gradient", [2, 0, -2, 0]),  # where the input was positive
        ("deconvnet", [2, 2, 0, 0]),  # where the gradient is positive
        ("guided", [2, 0, 0, 0]),  # where both are
    ],
)
def test_rules_of_a_rectifier_by_hand(rule: str, expected: list[float]) -> None:
    machine, inside = hand([[[2.0]]])
    seed = np.array([1, 1, -1, -1.0]).reshape(1, 1, 4, 1)
    assert down(machine, inside, [1, -1, 3, -2], seed, "c0", rule) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # c0 has units x and -x, c1 is relu(c0[0] - 3 c0[1]): 1, 0, 2, 0 for pixels 1, -1, 2, -3.
        ("gradient", [1, 0, 1, 0]),
        ("deconvnet", [1, 1, 1, 1]),  # unit -x gets -3, which its rectifier takes away
        ("guided", [1, 0, 1, 0]),
    ],
)
def test_two_rectifiers_by_hand(rule: str, expected: list[float]) -> None:
    machine, inside = hand([[[1.0, -1.0]], [[1.0], [-3.0]]])
    assert down(machine, inside, [1, -1, 2, -3], np.ones((1, 1, 4, 1)), "c1", rule) == expected


def test_switches_put_values_where_the_maximum_was() -> None:
    machine, inside = hand([[[1.0]], [[1.0]]], pool=True)
    seed = np.array([5.0, 7.0]).reshape(1, 1, 2, 1)
    assert down(machine, inside, [1, 4, 3, 2], seed, "pool", "deconvnet") == [0, 5, 7, 0]


def test_the_deconvnet_of_an_identity_restores_the_picture() -> None:
    """A convolution that copies each channel, padded, and a rectifier: what goes up comes down."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3), dtype="float64"),
            layers.Conv2D(3, 3, padding="same", activation="relu", name="copy", dtype="float64"),
            layers.Flatten(dtype="float64"),
            layers.Dense(2, dtype="float64"),
        ]
    )
    graph, weights = imported(model)
    kernel = next(name for name in weights if name.endswith("copy/kernel"))
    weights[kernel] = np.zeros((3, 3, 3, 3))
    weights[kernel][1, 1] = np.eye(3)
    weights[kernel.replace("kernel", "bias")] = np.zeros(3)
    machine, inside = Inspector(graph, weights), anatomy(graph)
    layer = inside.layer("copy")
    kept = machine.values({inside.input: PICTURE}, [layer.reference])[layer.reference][0]
    np.testing.assert_allclose(backward.projection(machine, inside, PICTURE, layer, kept), PICTURE[0])


def test_a_projection_of_one_unit_stays_in_what_it_sees(network: Built) -> None:
    """conv1 sees 3×3 pixels around its place, and a convolution's way back is its transposed filters."""
    model, _, _, machine, inside = network
    layer = inside.layer("conv1")
    values = machine.values({inside.input: PICTURE}, [layer.reference])[layer.reference][0]
    unit = int(backward.strongest(values, 1)[0])
    kept = backward.alone(values, unit)
    (place,) = np.argwhere(kept[..., unit])
    value = kept[(*place, unit)]
    assert value == values[..., unit].max() == kept.sum()
    expected = np.zeros((10, 10, 3))
    y, x = place
    expected[y : y + 3, x : x + 3] = value * np.asarray(model.get_layer("conv1").kernel)[..., unit]
    projected = backward.projection(machine, inside, PICTURE, layer, kept)
    np.testing.assert_allclose(projected, expected[1:-1, 1:-1], atol=1e-12)


# -- Grad-CAM -----------------------------------------------------------------------------------------
def test_grad_cam_is_its_definition_in_keras(network: Built, tmp_path: Path) -> None:
    """Keras's maps, scores and gradients, on PyTorch: here its backend is NumPy, without any.
    It takes the picture in float32."""
    *_, machine, inside = network
    given, out = tmp_path / "given.npz", tmp_path / "out.npy"
    np.savez(given, picture=PICTURE, seed=SEED)
    subprocess.run(
        [sys.executable, "-m", "tests.inside.keras_grad_cam", given, out],
        check=True, cwd=ROOT, env={**os.environ, "KERAS_BACKEND": "torch"},
    )  # fmt: skip
    expected = np.load(out)
    layer = inside.layer("conv2")
    seen = [backward.grad_cam(machine, inside, PICTURE, target, layer) for target in range(4)]
    np.testing.assert_allclose(seen, expected, rtol=1e-6)
    assert expected.shape == (4, 2, 2)
    assert expected.max() > 1


# -- occlusion ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("square", [2, 3, 8])
def test_occlusion_is_brute_force(network: Built, square: int) -> None:
    model, _, _, machine, inside = network
    result = occlusion(machine, inside, PICTURE, 3, square)
    whole = float(np.asarray(model(PICTURE))[0, 3])
    assert result.probability == pytest.approx(whole, **CLOSE)
    falls: dict[tuple[int, int], list[float]] = {}
    places = sorted({*range(0, 8 - square + 1, max(1, square // 2)), 8 - square})
    for i, top in enumerate(places):
        for j, left in enumerate(places):
            covered = PICTURE.copy()
            covered[0, top : top + square, left : left + square] = PICTURE[0].mean(axis=(0, 1))
            probability = float(np.asarray(model(covered))[0, 3])
            assert result.covered[i, j] == pytest.approx(probability, **CLOSE)
            for y in range(top, top + square):
                for x in range(left, left + square):
                    falls.setdefault((y, x), []).append(whole - probability)
    expected = np.array([[np.mean(falls[y, x]) for x in range(8)] for y in range(8)])
    np.testing.assert_allclose(result.loss, expected, **SINGLE)


@pytest.mark.parametrize("last", ["softmax", None])
def test_probabilities_are_a_softmax(last: str | None) -> None:
    _, graph, weights, machine, inside = built(signs(last=last))
    pictures = np.random.default_rng(3).uniform(0, 1, (3, 8, 8, 3))
    raw = scores(graph, weights, inside, pictures)
    expected = np.asarray(keras.ops.softmax(raw))
    np.testing.assert_allclose(probabilities(machine, inside, pictures), expected, rtol=1e-8)


# -- examples -----------------------------------------------------------------------------------------
def test_exciting_examples_and_features_are_those_of_keras(network: Built) -> None:
    model, _, _, machine, inside = network
    pictures = np.random.default_rng(4).uniform(0, 1, (150, 8, 8, 3))
    positions = np.arange(0, 150, 2)
    read = activity(machine, inside, pictures, positions, inside.layer("conv2"))
    maps = np.asarray(keras.Model(model.inputs, model.get_layer("conv2").output)(pictures[positions]))
    np.testing.assert_allclose(read.peaks, maps.max(axis=(1, 2)), **SINGLE)
    hidden = np.asarray(keras.Model(model.inputs, model.get_layer("hidden").output)(pictures[positions]))
    assert read.features is not None
    np.testing.assert_allclose(read.features, hidden, **SINGLE)
    best, strengths = most_exciting(read.peaks, np.array([2, 0]), 3)
    for row, unit in enumerate([2, 0]):
        expected = sorted(range(len(positions)), key=lambda i: -read.peaks[i, unit])[:3]
        assert best[row].tolist() == expected
        np.testing.assert_array_equal(strengths[row], read.peaks[expected, unit])


def test_a_rule_that_there_is_not(network: Built) -> None:
    *_, machine, inside = network
    with pytest.raises(CrosstrainError, match="no rule 'upward'; there are gradient, guided, deconvnet"):
        backward.class_gradient(machine, inside, PICTURE, 0, "upward")
