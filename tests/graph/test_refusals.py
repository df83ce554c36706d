"""What the importer does not support is refused in a sentence that names layer and operation, and an import
leaves Keras and the model as they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops

from crosstrain.errors import CrosstrainError
from crosstrain.graph.keras_import import import_model, weight_names
from crosstrain.graph.reference import run_numpy


class Calling(kl.Layer):
    """A layer whose call is ``function``."""

    def __init__(self, function: Callable[[Any], Any], **settings: Any) -> None:
        super().__init__(**settings)
        self.function = function
        self.scale = self.add_weight(shape=(), name="scale")

    def call(self, x: Any) -> Any:
        return self.function(x)

    def compute_output_spec(self, x: Any) -> Any:
        return keras.KerasTensor(x.shape, x.dtype)


class Assigning(kl.Layer):
    """Assigns what is trained."""

    def build(self, shape: Any) -> None:
        self.w = self.add_weight(shape=(), name="w")

    def call(self, x: Any) -> Any:
        self.w.assign(self.w * 0.9)
        return x * self.w

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


class Stepping(keras.Sequential):
    """Trains by steps of its own."""

    def train_step(self, data: Any) -> Any:
        return {}


class Losing(keras.Sequential):
    """Has a loss of its own."""

    def compute_loss(self, *_: Any, **__: Any) -> Any:
        return 0.0


def of_text() -> keras.Model:
    x = keras.Input((3,), dtype="string", name="words")
    return keras.Model(x, x)


def model_of(*layers: Any, shape: tuple[int | None, ...] = (6, 4)) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *layers])


REFUSED: list[tuple[str, Callable[[], Any], str]] = [
    ("stateful", lambda: keras.Sequential([keras.Input(batch_shape=(2, 6, 4)), kl.LSTM(3, stateful=True)]),
     "stateful=False and longer sequences"),
    ("own steps", lambda: Stepping([keras.Input((4,)), kl.Dense(3)]), "a train_step of its own.*one by one"),
    ("own loss", lambda: Losing([keras.Input((4,)), kl.Dense(3)]), "a compute_loss of its own.*add_loss"),
    ("text", of_text, "'words' takes text.*TextVectorization.*on the data"),
    ("recurrent activation", lambda: model_of(kl.LSTM(3, activation="mish")), "activation 'mish'"),
    ("unknown size", lambda: model_of(kl.Conv1D(3, 3, 2, padding="same"), shape=(None, 4)),
     "'same' with stride 2.*unknown length"),
    ("half precision", lambda: model_of(kl.Dense(3, dtype="mixed_float16")), "float16"),
    ("random", lambda: model_of(Calling(lambda x: x + keras.random.gamma((6, 4), 2.0))), "draws random"),
    ("random crop", lambda: model_of(kl.RandomCrop(3, 2), shape=(6, 4, 3)), "whole in inference; crop when"),
    ("spectral", lambda: model_of(kl.SpectralNormalization(kl.Dense(3))), "largest singular value"),
    ("unknown op", lambda: model_of(Calling(lambda x: ops.cholesky(x), name="mine")),
     r"'mine' \(Calling\) uses keras.ops Cholesky"),
    ("numpy", lambda: model_of(Calling(lambda x: np.sum(x))), "cannot be traced"),
    ("python branch", lambda: model_of(Calling(lambda x: x if ops.sum(x) > 0 else -x)), "cannot be traced"),
    ("assigned weight", lambda: model_of(Assigning()), "assigns the trainable weight"),
    ("constraint", lambda: model_of(kl.Dense(3, kernel_constraint="non_neg")), "has a constraint"),
    ("batch moved", lambda: model_of(kl.Lambda(lambda x: ops.reshape(x, (6, -1, 4)))),
     "batch has to stay the first axis"),
    ("renorm", lambda: model_of(kl.BatchNormalization(renorm=True)), "use renorm=False"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(build: Callable[[], Any], says: str) -> None:
    model = build()
    before = [type(v) for v in model.variables]
    with pytest.raises(CrosstrainError, match=says):
        import_model(model)
    assert [type(v) for v in model.variables] == before
    assert ops.shape(keras.KerasTensor((None, 3))) == (None, 3)  # nothing is patched any more


def test_noise_that_never_ends() -> None:
    inputs = keras.Input((4,))

    class Always(kl.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.noise = kl.Dropout(0.5)

        def call(self, x: Any) -> Any:
            return self.noise(x, training=True)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    with pytest.raises(CrosstrainError, match="always called with training=True"):
        import_model(keras.Model(inputs, Always()(inputs)))


def test_a_subclass_of_a_native_layer_is_traced() -> None:
    """Its own ``convolution_op`` counts, not the native convolution."""

    class Standardized(kl.Conv2D):
        def convolution_op(self, inputs: Any, kernel: Any) -> Any:
            return super().convolution_op(inputs, kernel - ops.mean(kernel, axis=(0, 1, 2), keepdims=True))

    graph, _ = import_model(model_of(Standardized(3, 2), shape=(6, 6, 4)))
    assert [n.op for n in graph.nodes][:3] == ["mean", "subtract", "conv"]


def test_importing_twice_gives_the_same_graph() -> None:
    model = model_of(
        kl.Dense(3, activation="relu", kernel_regularizer="l2"), kl.Dropout(0.3), kl.BatchNormalization()
    )
    before = len(model.layers[0]._inbound_nodes)
    first, second = import_model(model)[0], import_model(model)[0]
    assert first.hash == second.hash
    assert len(model.layers[0]._inbound_nodes) == before


def test_penalties() -> None:
    model = model_of(
        kl.Dense(3, kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2), activity_regularizer="l2"),
        shape=(4,),
    )
    graph, weights = import_model(model)
    x = np.random.default_rng(0).normal(size=(5, 4))
    assert len(graph.phase(training=True).penalties) == 2
    assert graph.phase(training=False).penalties == ()
    shown = {f"penalty {i}": ref for i, ref in enumerate(graph.penalties)}
    (name,) = graph.outputs
    with_penalties = replace(graph, outputs={**graph.outputs, **shown})
    outputs, _ = run_numpy(with_penalties, weights, {next(iter(graph.inputs)): x})
    kernel = weights[weight_names(model)[0]].astype("float64")
    of_kernel = 0.1 * np.abs(kernel).sum() + 0.2 * np.square(kernel).sum()
    of_activity = 0.01 * np.square(outputs[name]).sum() / 5  # Keras divides by the number of examples
    penalties = sorted(float(outputs[key]) for key in shown)
    assert penalties == pytest.approx(sorted([of_kernel, of_activity]), rel=1e-12)


def test_weight_names_are_unique_and_in_order() -> None:
    inputs = keras.Input((4,))
    first, second = kl.Dense(2, name="same"), keras.Sequential([keras.Input((2,)), kl.Dense(2, name="same")])
    model = keras.Model(inputs, second(first(inputs)))
    names = weight_names(model)
    assert len(set(names)) == len(names) == 4
    graph, weights = import_model(model)
    for name, variable in zip(names, model.weights, strict=True):
        np.testing.assert_array_equal(weights[name], np.asarray(variable))
    assert list(graph.weights)[:4] == names
