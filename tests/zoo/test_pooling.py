"""Pooling that remembers places and its inverse, against PyTorch's, on every engine, where values tie too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from crosstrain.engines.contract import Setting
from crosstrain.engines.registry import engines
from crosstrain.graph.graph import Graph, Weights
from crosstrain.graph.keras_import import import_loss, import_model
from crosstrain.graph.program import Program
from crosstrain.graph.reference import run_numpy
from crosstrain.training.optimizers import Optimizer
from crosstrain.training.recipe import Loss
from crosstrain.zoo.segmentation.pooling import MaxPoolingWithPlaces, Unpooling

SHAPES = [(6, 8, 3), (7, 8, 2), (6, 9, 1), (5, 5, 4), (2, 2, 1)]


def there_and_back(shape: tuple[int, ...]) -> tuple[Graph, Weights]:
    """Pooled, scaled channel by channel, and put back; and the places."""
    inputs = keras.Input(shape)
    pooled, places = MaxPoolingWithPlaces()(inputs)
    scaled = keras.layers.DepthwiseConv2D(1, use_bias=False)(pooled)
    return import_model(keras.Model(inputs, [Unpooling()(scaled, places), places]), None)


def values(shape: tuple[int, ...], *, ties: bool) -> np.ndarray:
    random = np.random.default_rng(0)
    x = random.normal(size=(2, *shape))
    return np.asarray(np.round(np.maximum(x, 0) * 2) / 2) if ties else x


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_pytorch_s(shape: tuple[int, ...], ties: bool) -> None:
    torch = pytest.importorskip("torch")
    graph, weights = there_and_back(shape)
    weights = {name: np.asarray(value, "float64") for name, value in weights.items()}
    x = values(shape, ties=ties)
    outputs, _ = run_numpy(graph, weights, {next(iter(graph.inputs)): x})
    unpooled, places = (np.asarray(value) for value in outputs.values())

    (kernel,) = weights.values()
    pixels = torch.from_numpy(x).permute(0, 3, 1, 2).requires_grad_()
    pooled, index = torch.nn.functional.max_pool2d(pixels, 2, return_indices=True)
    scaled = pooled * torch.from_numpy(kernel.reshape(1, -1, 1, 1))
    expected = torch.nn.functional.max_unpool2d(scaled, index, 2, output_size=pixels.shape[2:])
    assert unpooled == pytest.approx(expected.permute(0, 2, 3, 1).detach().numpy(), rel=1e-14)
    assert set(np.unique(places)) <= {0.0, 1.0}
    assert places.sum() == pooled.numel()
    # Of equal values the first counts, row by row: PyTorch's indices on the CPU.
    flat = np.zeros((*pixels.shape[:2], shape[0] * shape[1]))
    np.put_along_axis(flat, index.flatten(2).numpy(), 1, axis=2)
    assert np.array_equal(places, flat.reshape(pixels.shape).transpose(0, 2, 3, 1))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("engine", ["torch", "tensorflow", "jax"])
def test_engines_agree_to_the_last_bit_and_finite_differences_with_their_gradients(
    engine: str, ties: bool
) -> None:
    pytest.importorskip(engine)
    graph, weights = there_and_back((7, 8, 3))
    loss, constants, _, _ = import_loss({next(iter(graph.outputs)): Loss("mean_squared_error")}, graph, None)
    program = Program(graph, loss, Optimizer())
    all_weights = {k: np.asarray(v, "float64") for k, v in {**weights, **constants}.items()}
    network = engines()[engine].load().build(program, all_weights, Setting(precision="float64"))
    x = values((7, 8, 3), ties=ties)
    (feature,) = graph.inputs
    expected, _ = run_numpy(graph, all_weights, {feature: x})
    for name, value in network.predict({feature: x}).items():
        assert np.array_equal(value, np.asarray(expected[name]))
    target = np.random.default_rng(1).normal(size=(2, 7, 8, 3))
    batch: dict[str, Any] = {feature: x, f"target/{next(iter(graph.outputs))}": target}
    value, gradients = network.gradients(batch)
    (name,) = gradients
    numeric = np.empty(gradients[name].shape)
    for index in np.ndindex(numeric.shape):
        ends = []
        for step in (1e-6, -1e-6):
            moved = {**all_weights, name: all_weights[name].copy()}
            moved[name][index] += step
            outputs, _ = run_numpy(graph, moved, {feature: x})
            ends.append(float(np.mean((np.asarray(next(iter(outputs.values()))) - target) ** 2)))
        numeric[index] = (ends[0] - ends[1]) / 2e-6
    assert np.asarray(gradients[name]) == pytest.approx(numeric, rel=1e-6, abs=1e-9)
    assert np.isfinite(value)


def test_the_layers_are_saved_and_loaded(tmp_path: Path) -> None:
    inputs = keras.Input((6, 7, 2))
    pooled, places = MaxPoolingWithPlaces()(inputs)
    model = keras.Model(inputs, Unpooling()(pooled, places))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = values((6, 7, 2), ties=False).astype("float32")
    assert np.array_equal(np.asarray(again(x)), np.asarray(model(x)))
    assert model.output_shape == (None, 6, 7, 2)
