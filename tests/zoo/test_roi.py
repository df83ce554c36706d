"""RoI align against a slow, obvious one; its gradients on every engine against finite differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crosstrain.engines.contract import Setting
from crosstrain.engines.registry import engines
from crosstrain.graph.graph import Graph, Weights
from crosstrain.graph.keras_import import import_loss, import_model
from crosstrain.graph.program import Program
from crosstrain.graph.reference import run_numpy
from crosstrain.layers import RoIAlign
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss

SHAPE = (6, 9, 3)


def network(count: int, **arguments: Any) -> tuple[Graph, Weights]:
    """A factor for each channel, so that something has a gradient, and the features under ``count`` boxes."""
    pixels, boxes = keras.Input(SHAPE, name="pixels"), keras.Input((count, 4), name="boxes")
    scaled = keras.layers.DepthwiseConv2D(1, use_bias=False)(pixels)
    return import_model(keras.Model([pixels, boxes], RoIAlign(**arguments)(scaled, boxes)), None)


def slowly(x: np.ndarray, box: np.ndarray, size: tuple[int, int], stride: float, samples: int) -> np.ndarray:
    """torchvision's ``roi_align`` with ``aligned=True``, point by point: x (H, W, C), one box."""
    top, left, bottom, right = box / stride - 0.5
    result = np.zeros((*size, x.shape[2]))
    for row, column in np.ndindex(size):
        for i, j in np.ndindex(samples, samples):
            y = top + (bottom - top) * (row + (i + 0.5) / samples) / size[0]
            across = left + (right - left) * (column + (j + 0.5) / samples) / size[1]
            result[row, column] += bilinear(x, y, across) / samples**2
    return result


def bilinear(x: np.ndarray, y: float, across: float) -> np.ndarray:
    height, width, channels = x.shape
    if not (-1 <= y <= height and -1 <= across <= width):
        return np.zeros(channels)
    y, across = max(y, 0), max(across, 0)
    low, left = min(int(y), height - 1), min(int(across), width - 1)
    high, right = min(low + 1, height - 1), min(left + 1, width - 1)
    if low == height - 1:
        y = low
    if left == width - 1:
        across = left
    below, beside = y - low, across - left
    upper = (1 - beside) * x[low, left] + beside * x[low, right]
    lower = (1 - beside) * x[high, left] + beside * x[high, right]
    return np.asarray((1 - below) * upper + below * lower)


corner = st.floats(-30, 80, allow_nan=False)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(corner, corner, corner, corner), min_size=2, max_size=2),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.sampled_from([4.0, 8.0, 5.5]),
    st.integers(1, 3),
)
def test_the_features_are_those_of_a_slow_one(
    boxes: list[tuple[float, ...]], size: tuple[int, int], stride: float, samples: int
) -> None:
    graph, weights = network(2, size=size, stride=stride, samples=samples)
    random = np.random.default_rng(0)
    x, corners = random.normal(size=(1, *SHAPE)), np.array([boxes])
    factors = np.array([0.5, -1.0, 2.0])
    weights = {name: factors.reshape(value.shape) for name, value in weights.items()}
    outputs, _ = run_numpy(graph, weights, {"pixels": x, "boxes": corners})
    (found,) = outputs.values()
    expected = [slowly(x[0] * factors, box, size, stride, samples) for box in corners[0]]
    assert np.asarray(found)[0] == pytest.approx(np.stack(expected), rel=1e-9, abs=1e-9)


def test_a_box_of_exact_pixels_has_their_means() -> None:
    """Four pixels of the features, one sample in the middle of each cell: those very pixels."""
    graph, weights = network(1, size=(2, 2), stride=8, samples=1)
    x = np.random.default_rng(0).normal(size=(1, *SHAPE))
    weights = {name: np.ones(value.shape) for name, value in weights.items()}
    outputs, _ = run_numpy(graph, weights, {"pixels": x, "boxes": np.array([[[8.0, 16, 24, 32]]])})
    assert np.asarray(*outputs.values())[0, 0] == pytest.approx(x[0, 1:3, 2:4], rel=1e-12)


@pytest.mark.parametrize("engine", ["torch", "tensorflow", "jax"])
def test_engines_have_its_values_and_finite_differences_their_gradients(engine: str) -> None:
    pytest.importorskip(engine)
    graph, weights = network(3, size=(2, 3), stride=8)
    (output,) = graph.outputs
    loss, constants, _, _ = import_loss({output: Loss("mean_squared_error")}, graph, None)
    program = Program(graph, loss, Optimizer())
    all_weights = {k: np.asarray(v, "float64") for k, v in {**weights, **constants}.items()}
    built = engines()[engine].load().build(program, all_weights, Setting(precision="float64"))
    random = np.random.default_rng(1)
    boxes = np.array(
        [[[3, 5, 30, 40], [-9, 2, 60, 30], [7, 7, 7, 7]], [[0, 0, 48, 72], [1, 2, 3, 4], [40, 60, 90, 99]]]
    )
    batch = {"pixels": random.normal(size=(2, *SHAPE)), "boxes": boxes.astype("float64")}
    expected, _ = run_numpy(graph, all_weights, batch)
    assert built.predict(batch)[output] == pytest.approx(np.asarray(expected[output]), rel=1e-12, abs=1e-13)
    target = random.normal(size=(2, 3, 2, 3, 3))
    _, gradients = built.gradients({**batch, f"target/{output}": target})
    (name,) = gradients
    numeric = np.empty(gradients[name].shape)
    for index in np.ndindex(numeric.shape):
        ends = []
        for step in (1e-6, -1e-6):
            moved = {**all_weights, name: all_weights[name].copy()}
            moved[name][index] += step
            outputs, _ = run_numpy(graph, moved, batch)
            ends.append(float(np.mean((np.asarray(outputs[output]) - target) ** 2)))
        numeric[index] = (ends[0] - ends[1]) / 2e-6
    assert np.asarray(gradients[name]) == pytest.approx(numeric, rel=1e-6, abs=1e-9)


def test_the_layer_is_saved_and_loaded_and_says_what_it_takes(tmp_path: Path) -> None:
    pixels, boxes = keras.Input(SHAPE), keras.Input((2, 4))
    model = keras.Model([pixels, boxes], RoIAlign((3, 2), stride=4, samples=1)(pixels, boxes))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    values = [np.ones((1, *SHAPE), "float32"), np.array([[[0, 0, 9, 9], [1, 2, 3, 4]]], "float32")]
    assert np.array_equal(np.asarray(again(values)), np.asarray(model(values)))
    assert model.output_shape == (None, 2, 3, 2, 3)
    for wrong in ({"size": (0, 2)}, {"stride": 0}, {"samples": 0}):
        with pytest.raises(ValueError, match="positive"):
            RoIAlign(**wrong)
