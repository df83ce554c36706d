"""The layers that Keras lacks compute what the papers write."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from crosstrain.graph.graph import Graph, Weights
from crosstrain.graph.keras_import import import_model
from crosstrain.graph.reference import run_numpy
from crosstrain.zoo.layers import ClassToken, LayerScale, LocalResponseNormalization, scaled

X = np.random.default_rng(3).normal(size=(2, 3, 4, 9)) * 20


def alone(layer: keras.layers.Layer, shape: tuple[int, ...]) -> tuple[Graph, Weights]:
    inputs = keras.Input(shape)
    return import_model(keras.Model(inputs, layer(inputs)), None)


def run(layer: keras.layers.Layer, x: np.ndarray) -> np.ndarray:
    graph, weights = alone(layer, x.shape[1:])
    outputs, _ = run_numpy(graph, weights, {next(iter(graph.inputs)): x})
    return np.asarray(next(iter(outputs.values())))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9, 20])
def test_response_normalisation_sums_over_neighbouring_channels(size: int) -> None:
    """Krizhevsky et al. 2012, section 3.3, channel by channel."""
    expected = np.empty_like(X)
    before = (size - 1) // 2
    for channel in range(X.shape[-1]):
        near = X[..., max(0, channel - before) : channel - before + size]
        expected[..., channel] = X[..., channel] / (2 + 1e-4 * (near**2).sum(-1)) ** 0.75
    assert run(LocalResponseNormalization(size), X) == pytest.approx(expected, rel=1e-12)


def test_response_normalisation_is_pytorch_s() -> None:
    torch = pytest.importorskip("torch")
    expected = torch.nn.functional.local_response_norm(
        torch.from_numpy(X).permute(0, 3, 1, 2), 5, alpha=1e-4 * 5, beta=0.75, k=2.0
    )
    found = run(LocalResponseNormalization(), X)
    assert found == pytest.approx(expected.permute(0, 2, 3, 1).numpy(), rel=1e-12)


def test_layer_scale_multiplies_each_channel() -> None:
    assert run(LayerScale(0.25), X) == pytest.approx(0.25 * X)


def test_class_token_stands_before_the_patches() -> None:
    graph, weights = alone(ClassToken(), (4, 9))
    random = np.random.default_rng(0)
    weights = {name: random.normal(size=array.shape) for name, array in weights.items()}
    token, positions = (next(v for k, v in weights.items() if k.endswith(n)) for n in ("token", "positions"))
    x = random.normal(size=(3, 4, 9))
    outputs, _ = run_numpy(graph, weights, {next(iter(graph.inputs)): x})
    expected = np.concatenate([np.broadcast_to(token, (3, 1, 9)), x], axis=1) + positions
    assert np.asarray(next(iter(outputs.values()))) == pytest.approx(expected)


@pytest.mark.parametrize(
    "layer", [LocalResponseNormalization(3, 1.0, 0.1, 0.5), LayerScale(0.5), ClassToken()]
)
def test_layers_are_saved_and_loaded(layer: keras.layers.Layer, tmp_path: Path) -> None:
    inputs = keras.Input((4, 9))
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = X[0].astype("float32")
    assert np.asarray(again(x)) == pytest.approx(np.asarray(model(x)))


@pytest.mark.parametrize(
    ("channels", "width", "multiple", "expected"),
    [
        (96, 1.0, 2, 96),
        (96, 0.25, 1, 24),
        (3, 0.01, 1, 1),
        (96, 0.01, 2, 2),
        (10, 0.5, 4, 4),
        (64, 2.0, 1, 128),
    ],
)
def test_scaled_channels(channels: int, width: float, multiple: int, expected: int) -> None:
    assert scaled(channels, width, multiple) == expected
