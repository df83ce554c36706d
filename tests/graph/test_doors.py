"""Networks as people write them come in: layers that hold an embedding, random layers, sizes that the data
fixes, losses that fit; and what cannot come in says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops

from crosstrain.errors import CrosstrainError
from crosstrain.graph.graph import Graph, Node, TensorSpec
from crosstrain.graph.keras_import import import_loss, import_model
from crosstrain.graph.keras_import.causes import cause
from crosstrain.graph.keras_initial import DRAWS, numpy_initial
from crosstrain.graph.reference import run_numpy
from crosstrain.proof.holding.noise import without_noise
from crosstrain.runs.definition import define

WORDS = '''
import keras
from keras import layers as kl, ops


class Words(kl.Layer):
    """An embedding of words and one of places, made in the layer."""

    def __init__(self):
        super().__init__()
        self.words, self.places = kl.Embedding(30, 8), kl.Embedding(12, 8)

    def call(self, x):
        return self.words(x) * self.places(ops.arange(ops.shape(x)[1]))


def build():
    x = keras.Input((12,), dtype="int32")
    return keras.Model(x, kl.Dense(3)(kl.GlobalMaxPooling1D()(Words()(x))))


class Broken(kl.Layer):
    def call(self, x):
        wanted = {}
        return wanted["missing"] + x


def broken():
    x = keras.Input((4,))
    return keras.Model(x, Broken()(x))


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.last = kl.Dense(4), kl.Dense(2)

    def call(self, x):
        return self.last(ops.tanh(self.first(x)))


def subclassed():
    return Net()


class Blocks(kl.Layer):
    def call(self, x):
        n, h, w, c = ops.shape(x)
        y = ops.transpose(ops.reshape(x, (n, h, w, 2, c // 2)), (0, 1, 3, 2, 4))
        return ops.reshape(y, (n, 2 * h, w, c // 2))


def any_size():
    x = keras.Input((None, None, 4))
    return keras.Model(x, Blocks()(x))
'''


@pytest.fixture
def own(tmp_path: Path) -> str:
    path = tmp_path / "own.py"
    path.write_text(WORDS)
    return str(path)


def test_a_layer_that_holds_an_embedding(own: str, tmp_path: Path) -> None:
    definition = define(f"{own}:build", folder=tmp_path / "network")
    graph, weights = Graph.load(tmp_path / "network" / "network.json")
    assert definition.data["outputs"] == {"dense": [3]}
    assert sum(w.size for w in weights.values()) == 30 * 8 + 12 * 8 + 8 * 3 + 3
    assert [n.op for n in graph.nodes].count("take") == 2


def test_an_error_tells_its_cause_and_place(own: str, tmp_path: Path) -> None:
    with pytest.raises(CrosstrainError, match=r"KeyError: 'missing' \(own.py, line \d+\)"):
        define(f"{own}:broken", folder=tmp_path / "network")


def test_shapes_from_the_data(own: str, tmp_path: Path) -> None:
    sub = define(f"{own}:subclassed", folder=tmp_path / "sub", input_shapes={"": (5,)})
    assert sub.data["outputs"] == {"output": [2]}
    sized = define(f"{own}:any_size", folder=tmp_path / "any", input_shapes={"": (3, 5, 4)})
    assert sized.data["outputs"] == {"blocks": [6, 5, 2]}
    with pytest.raises(CrosstrainError, match="more than one length open; name the data"):
        define(f"{own}:any_size", folder=tmp_path / "open")


def test_cause_of_a_wrapped_error() -> None:
    around = "Exception encountered when calling Mine.call().\n\n{}\n\nArguments received by Mine"
    inner = ValueError(around.format("\x1b[1mwrong\n  length\x1b[0m"))
    assert cause(inner) == "ValueError: wrong length"
    assert cause(RuntimeError()) == "RuntimeError"


class Watched(kl.Layer):
    """Keeps a metric of what passes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = keras.metrics.Mean(name="seen")

    def call(self, x: Any) -> Any:
        self.seen.update_state(ops.mean(x))
        return 2.0 * x


def test_a_metric_that_a_layer_keeps_is_left_out() -> None:
    model = keras.Sequential([keras.Input((3,)), Watched()])
    graph, weights = import_model(model)
    assert weights == {}
    x = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(runs(graph, x, 0, training=True), 2 * x)
    model.layers[0].seen.update_state([4.0])  # works again
    assert float(model.layers[0].seen.result()) == 4.0


def test_initial_weights_are_numpys() -> None:
    """Whatever the backend, a seed gives what NumPy's generator draws from it."""
    with numpy_initial():
        drawn = np.asarray(keras.initializers.RandomUniform(-1.0, 2.0, seed=7)((3, 4)))
    wanted = np.random.default_rng(np.array([7, 0], "uint32")).uniform(-1.0, 2.0, (3, 4))
    assert np.array_equal(drawn, wanted.astype("float32"))


@pytest.mark.parametrize(("mean", "deviation"), [(np.nan, 1.0), (0.0, np.nan), (np.inf, 1.0)])
def test_initial_weights_of_what_is_no_number_end(mean: float, deviation: float) -> None:
    drawn = DRAWS["truncated_normal"](np.random.default_rng(0), (3, 4), mean, deviation)
    assert drawn.shape == (3, 4)
    assert not np.isfinite(drawn).any()


# -- randomness -----------------------------------------------------------------------------------
class Jitter(kl.Layer):
    """Draws by itself, in several ways."""

    def call(self, x: Any) -> Any:
        shift = keras.random.uniform((ops.shape(x)[0], 1), 2.0, 4.0)
        noise = keras.random.normal(ops.shape(x), mean=0.5, stddev=0.1)
        return x + shift + noise + ops.cast(keras.random.randint((ops.shape(x)[0], 1), 0, 8), "float32")

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


PICTURES = [
    kl.RandomFlip("vertical", name="vertical"),
    kl.RandomRotation(0.2),
    kl.RandomZoom((0.1, 0.4)),
    kl.RandomTranslation(0.2, 0.3, fill_mode="constant"),
    kl.RandomContrast(0.5, value_range=(0, 1)),
    kl.RandomBrightness(0.4, value_range=(0, 1)),
]


def runs(graph: Graph, x: np.ndarray, seed: int, training: bool) -> np.ndarray:
    noisy = {"seed": np.asarray(seed)} if "seed" in graph.phase(training).inputs else {}
    name = next(k for k in graph.inputs if k != "seed")
    (y,) = run_numpy(graph, {}, {name: x, **noisy}, training=training)[0].values()
    return y


@pytest.mark.parametrize("layer", PICTURES, ids=lambda layer: layer.name)
def test_augmentation_is_for_training(layer: Any) -> None:
    graph, _ = import_model(keras.Sequential([keras.Input((6, 5, 3)), layer]))
    x = np.random.default_rng(0).random((8, 6, 5, 3))
    assert np.array_equal(runs(graph, x, 1, training=False), x)
    first, second = (runs(graph, x, seed, training=True) for seed in (1, 2))
    assert not np.array_equal(first, second)
    assert first.min() >= -1e-9
    assert first.max() <= 1 + 1e-9
    calm, changed = without_noise(graph)
    assert np.array_equal(runs(calm, x, 1, training=True), x)
    assert any(layer.name in name for name in changed)


def test_what_a_layer_draws_itself() -> None:
    graph, _ = import_model(keras.Sequential([keras.Input((50,)), Jitter()]))
    x = np.zeros((40, 50))
    assert np.allclose(runs(graph, x, 1, training=False), 3.0 + 0.5 + 4.0)
    drawn = runs(graph, x, 1, training=True)
    assert 6.0 < drawn.mean() < 8.0  # 3 of the shift, 0.5 of the noise, 3.5 of the whole numbers
    assert 0.05 < drawn.std(axis=1).mean() < 0.15
    assert np.allclose(runs(without_noise(graph)[0], x, 1, training=True), 7.5)


def test_recurrent_dropout_keeps_one_draw_for_all_steps() -> None:
    """A state of ones, handed on unchanged, shows what each unit was multiplied by."""
    layer = kl.SimpleRNN(64, recurrent_dropout=0.5, activation="linear", return_sequences=True,
                         recurrent_initializer="identity")  # fmt: skip
    graph, weights = import_model(keras.Sequential([keras.Input((3, 2)), layer]))
    weights = {k: np.zeros_like(v) if "recurrent" not in k else v for k, v in weights.items()}
    bias = next(k for k in weights if k.endswith("bias"))
    weights[bias] = np.ones_like(weights[bias])
    name = next(k for k in graph.inputs if k != "seed")
    inputs = {name: np.zeros((1, 3, 2)), "seed": np.asarray(0)}
    (y,) = run_numpy(graph, weights, inputs, training=True)[0].values()
    mask = y[0, 1] > 1
    assert 10 < mask.sum() < 54
    assert np.allclose(y[0, 1], np.where(mask, 3.0, 1.0))  # 1 + 1 / (1 - 0.5)
    assert np.allclose(y[0, 2], np.where(mask, 7.0, 1.0))
    assert [n.op for n in graph.phase(training=False).nodes] == ["simple_rnn"]


# -- losses ---------------------------------------------------------------------------------------
def ending(op: str, shape: tuple[int | None, ...], heads: int = 1) -> Graph:
    spec = TensorSpec(shape)
    nodes = tuple(
        Node(f"h{i}", op, ("%x",), {"axis": -1} if op == "softmax" else {}, (spec,)) for i in range(heads)
    )
    return Graph("any", {"x": spec}, {f"h{i}": f"%h{i}" for i in range(heads)}, nodes)


def target(shape: list[int], dtype: str, binary: bool = False, classes: int | None = None) -> dict[str, Any]:
    return {"": {"shape": shape, "dtype": dtype, "classes": classes, "binary": binary}}


@pytest.mark.parametrize(
    ("targets", "loss"),
    [
        (target([4], "float32", binary=True), "binary_crossentropy"),
        (target([4], "int64"), "binary_crossentropy"),
        (target([4], "float32"), "mean_squared_error"),
    ],
)
def test_sigmoid_outputs(targets: dict[str, Any], loss: str) -> None:
    _, _, chosen, _ = import_loss(None, ending("sigmoid", (None, 4)), targets)
    assert chosen["h0"].name == loss


def test_heads_that_learn_one_target() -> None:
    graph = ending("softmax", (None, 4), heads=3)
    _, _, chosen, targets = import_loss(None, graph, target([], "int64", classes=4))
    assert list(chosen) == list(targets) == ["h0", "h1", "h2"]
    assert {loss.name for loss in chosen.values()} == {"sparse_categorical_crossentropy"}


def test_an_output_for_the_whole_batch() -> None:
    with pytest.raises(CrosstrainError, match="one number for the whole batch"):
        import_loss(None, ending("mean", ()), None)
