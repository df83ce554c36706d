"""The layers that Keras lacks compute what the papers write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scipy.spatial.distance import cdist

import crosstrain
from crosstrain.environments.environments import default
from crosstrain.graph.graph import Graph, Weights
from crosstrain.graph.keras_import import import_model
from crosstrain.graph.reference import run_numpy
from crosstrain.layers import JordanCell, LocalResponseNormalization, RadialBasis, WinnerTakesAll
from crosstrain.zoo.layers import ClassToken, LayerScale, scaled

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


def drawn(layer: keras.layers.Layer, shape: tuple[int, ...]) -> tuple[Graph, Weights, dict[str, np.ndarray]]:
    """The layer's graph with random weights; these also by their last names."""
    graph, weights = alone(layer, shape)
    random = np.random.default_rng(0)
    weights = {name: random.normal(size=array.shape) for name, array in weights.items()}
    return graph, weights, {name.rsplit("/", 1)[-1]: array for name, array in weights.items()}


def outputs_of(graph: Graph, weights: Weights, x: np.ndarray) -> np.ndarray:
    outputs, _ = run_numpy(graph, weights, {next(iter(graph.inputs)): x})
    return np.asarray(next(iter(outputs.values())))


@pytest.mark.parametrize(
    ("basis", "function"),
    [
        ("gaussian", lambda r: np.exp(-(r**2) / 2)),
        ("multiquadric", lambda r: np.sqrt(1 + r**2)),
        ("inverse_multiquadric", lambda r: 1 / np.sqrt(1 + r**2)),
    ],
)
@pytest.mark.parametrize("shape", [(7,), (3, 7)])
def test_radial_units_answer_to_their_distance(basis: str, function: Any, shape: tuple[int, ...]) -> None:
    """Against SciPy's distances."""
    graph, weights, named = drawn(RadialBasis(5, basis), shape)
    x = np.random.default_rng(1).normal(size=(6, *shape))
    distances = cdist(x.reshape(-1, 7), named["centres"]) / np.abs(named["widths"])
    expected = function(distances).reshape(6, *shape[:-1], 5)
    assert outputs_of(graph, weights, x) == pytest.approx(expected, rel=1e-10)


def test_radial_units_are_those_of_the_classical_network() -> None:
    """Centres and widths that k-means placed, given to the layer."""
    from crosstrain.classic import RadialBasisNetworkRegressor

    x = np.random.default_rng(2).normal(size=(50, 3))
    fitted = RadialBasisNetworkRegressor(8, random_state=0).fit(x, x[:, 0])
    layer = RadialBasis(8)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layer(inputs))
    layer.set_weights([fitted.centres_, fitted.widths_])
    assert np.asarray(model(x.astype("float32"))) == pytest.approx(fitted.hidden(x), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("size", [None, 1, 2, 3, 6])
@pytest.mark.parametrize("shape", [(6,), (4, 6)])
def test_one_unit_of_each_group_passes(size: int | None, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(3).integers(-2, 3, (5, *shape)).astype(float)  # has ties
    passed = run(WinnerTakesAll(size), x)
    groups, ours = (a.reshape(-1, size or 6) for a in (x, passed))
    for group, own in zip(groups, ours, strict=True):
        expected = np.zeros_like(group)
        expected[group.argmax()] = group.max()
        assert (own == expected).all()


def test_jordan_s_cell_hears_its_last_answers() -> None:
    """Step by step, as the paper has it."""
    graph, weights, w = drawn(keras.layers.RNN(JordanCell(6, 3, 0.4), return_sequences=True), (5, 2))
    x = np.random.default_rng(4).normal(size=(4, 5, 2))
    context, expected = np.zeros((4, 3)), []
    for step in range(5):
        hidden = np.tanh(x[:, step] @ w["kernel"] + context @ w["context_kernel"] + w["bias"])
        expected.append(hidden @ w["output_kernel"] + w["output_bias"])
        context = 0.4 * context + 1 / (1 + np.exp(-expected[-1]))
    assert outputs_of(graph, weights, x) == pytest.approx(np.stack(expected, 1), rel=1e-10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RadialBasis(0), "RadialBasis: units must be a positive whole number, not 0"),
        (lambda: RadialBasis(3, "square"), "basis must be one of gaussian, multiquadric, inverse"),
        (lambda: RadialBasis(3, width=-1.0), "width must be positive, not -1.0"),
        (lambda: WinnerTakesAll(0), "size must be a positive whole number or None, not 0"),
        (lambda: WinnerTakesAll(4)(keras.Input((6,))), "6 units cannot be parted into groups of 4"),
        (lambda: JordanCell(3, 0), "outputs must be a positive whole number, not 0"),
        (lambda: JordanCell(3, 2, 1.5), "memory must be from 0 to 1, not 1.5"),
    ],
)
def test_settings_out_of_range_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def competing(input_shape: tuple[int, ...] = (6,), classes: int = 3) -> keras.Model:
    """A network of each new layer."""
    inputs = keras.Input(input_shape)
    near = RadialBasis(6, "inverse_multiquadric")(inputs)
    winners = WinnerTakesAll(2)(keras.layers.Dense(8)(near))
    return keras.Model(inputs, keras.layers.Dense(classes, name="logits")(winners), name="competing")


def test_the_layers_are_proved_on_pytorch(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    proof = crosstrain.prove(competing(), engines=["torch"], progress=False)
    assert [c.status for c in proof] == ["proved", "proved"], [c.reason for c in proof]


@pytest.mark.slow("every installed engine, in processes of their own")
def test_the_layers_are_proved_on_every_engine() -> None:
    proof = crosstrain.prove(competing(), engines=list(default()), progress=False)
    assert proof.proved, [c.reason for c in proof if c.status != "proved"]


@pytest.mark.parametrize(
    "layer",
    [
        LocalResponseNormalization(3, 1.0, 0.1, 0.5),
        LayerScale(0.5),
        ClassToken(),
        RadialBasis(3, "multiquadric", 2.0, keras.initializers.RandomNormal(0.0, 2.0)),
        WinnerTakesAll(3),
        keras.layers.RNN(JordanCell(3, 2, 0.25)),
    ],
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
