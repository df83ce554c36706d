"""Networks with the layers that certain faults need: small ones, and two hundred layers deep."""

from __future__ import annotations

import math
import time
from typing import Any

import keras
import numpy as np
from keras import layers


def pictures() -> keras.Model:
    """Convolution with stride 2 and padding, BatchNorm, padded average pooling, a convolution without bias,
    dropout: 8×8×3 to 5 classes."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(6, 3, strides=2, padding="same", name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.ReLU(name="relu1"),
            layers.AveragePooling2D(3, strides=1, padding="same", name="pool1"),
            layers.Conv2D(4, 3, use_bias=False, name="conv2"),
            layers.Activation("tanh", name="tanh2"),
            layers.Flatten(name="flatten"),
            layers.Dense(10, activation="relu", name="dense1"),
            layers.Dropout(0.5, name="dropout1"),
            layers.Dense(5, name="logits"),
        ],
        name="pictures",
    )


def lstm() -> keras.Model:
    """Sequences of 5 by 4 to 3 classes."""
    return keras.Sequential(
        [keras.Input((5, 4)), layers.LSTM(6, name="lstm1"), layers.Dense(3, name="logits")], name="lstm"
    )


def gru() -> keras.Model:
    """Sequences of 5 by 4 to 3 classes."""
    return keras.Sequential(
        [keras.Input((5, 4)), layers.GRU(6, name="gru1"), layers.Dense(3, name="logits")], name="gru"
    )


class Gate(layers.Layer):
    """A user's own layer, in ``keras.ops``: x · sigmoid(x w), with an L2 penalty."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.w = self.add_weight((shape[-1], shape[-1]), regularizer=keras.regularizers.L2(0.01), name="w")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return x * keras.ops.sigmoid(keras.ops.matmul(x, self.w))


def own_loss(y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
    """A user's own loss: log cosh, by hand."""
    off = y_pred - y_true
    return keras.ops.mean(keras.ops.softplus(-2.0 * off) + off - math.log(2.0), axis=-1)


def several() -> keras.Model:
    """Texts of 6 words (of 12) and 3 numbers to a class of 4 and two numbers, by a layer of one's own."""
    words, numbers = keras.Input((6,), name="words"), keras.Input((3,), name="numbers")
    x = layers.GlobalAveragePooling1D()(layers.Embedding(12, 5, name="embedding")(words))
    x = layers.Concatenate()([x, layers.Dense(4, activation="gelu", name="dense1")(numbers)])
    x = layers.LayerNormalization(name="norm1")(Gate(name="gate")(x))
    return keras.Model(
        {"words": words, "numbers": numbers},
        {"topic": layers.Dense(4, name="topic")(x), "size": layers.Dense(2, name="size")(x)},
        name="several",
    )


class CausalAttention(layers.Layer):
    """Attention by hand that looks back only: softmax over time, later words masked."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        scores = keras.ops.matmul(x, keras.ops.transpose(x, (0, 2, 1)))
        length = x.shape[1]
        past = keras.ops.tril(keras.ops.ones((length, length), dtype="bool"))
        weights = keras.ops.softmax(keras.ops.where(past, scores, -1e9), axis=-1)
        return keras.ops.matmul(weights, x)


def attention() -> keras.Model:
    """Sequences of 5 by 4 to 3 classes; a mask, a softmax along the last axis, a mean over time."""
    words = keras.Input((5, 4), name="words")
    x = CausalAttention(name="look")(layers.Dense(6, name="dense1")(words))
    x = layers.GlobalAveragePooling1D(name="average")(x)
    return keras.Model(words, layers.Dense(3, name="logits")(x), name="attention")


def wide() -> keras.Model:
    """70,000 weights without a kink, of whose gradients many entries lie near 0."""
    x = keras.Input((20,), name="numbers")
    y = layers.Dense(256, activation="tanh", name="first")(x)
    y = layers.Dense(256, activation="tanh", name="second")(y)
    return keras.Model(x, layers.Dense(3, name="logits")(y), name="wide")


def enlarged() -> keras.Model:
    """Pictures of 4×4×3, enlarged four times by bilinear interpolation, to 5 classes."""
    return keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            layers.Conv2D(4, 3, padding="same", name="conv1"),
            layers.UpSampling2D(4, interpolation="bilinear", name="larger"),
            layers.Conv2D(4, 3, name="conv2"),
            layers.UpSampling2D(2, interpolation="bilinear", name="larger_still"),
            layers.GlobalMaxPooling2D(name="largest"),
            layers.Dense(5, name="logits"),
        ],
        name="enlarged",
    )


class Doubled(layers.Layer):
    """Twice the height and width by bilinear interpolation between the centres of cells. Keras's own layer is
    in float32 on TensorFlow, whatever its dtype."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        small = x.shape[1]
        at = (np.arange(2 * small) + 0.5) / 2 - 0.5
        near = np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(small)))
        matrix = keras.ops.convert_to_tensor(near / near.sum(axis=1, keepdims=True), x.dtype)
        x = keras.ops.einsum("nijc,oi->nojc", x, matrix)
        return keras.ops.einsum("nijc,oj->nioc", x, matrix)


def tailed(body: keras.Model, name: str) -> keras.Model:
    """A deep network that ends in one of every layer that a fault needs and its body may lack."""
    x = layers.Dense(64, name="narrow")(layers.Flatten(name="flat")(body.output))
    x = layers.Reshape((4, 4, 4), name="picture")(x)
    x = Doubled(name="larger")(x)
    x = layers.Conv2D(6, 3, strides=2, padding="same", name="halved")(x)
    x = layers.AveragePooling2D(3, strides=1, padding="same", name="averaged")(x)
    x = layers.Conv2D(6, 3, padding="same", use_bias=False, name="plain")(x)
    x = layers.Reshape((12, 8), name="series")(x)
    x = layers.LSTM(6, return_sequences=True, name="lstm1")(CausalAttention(name="look")(x))
    x = layers.GlobalAveragePooling1D(name="average")(layers.GRU(6, return_sequences=True, name="gru1")(x))
    return keras.Model(body.input, layers.Dense(10, name="logits")(x), name=name)


def resnet50_v2() -> keras.Model:
    """ResNet50V2 of keras.applications at 32×32×3, with a tail, to 10 classes."""
    return tailed(keras.applications.ResNet50V2(False, None, input_shape=(32, 32, 3)), "resnet50_v2")


def inception_v3() -> keras.Model:
    """InceptionV3 of keras.applications at 75×75×3, with a tail, to 10 classes."""
    return tailed(keras.applications.InceptionV3(False, None, input_shape=(75, 75, 3)), "inception_v3")


def saturated() -> keras.Model:
    """A classifier whose softmax is saturated, as after long training: its loss is clipped everywhere."""
    strong = keras.initializers.RandomNormal(stddev=2000.0, seed=1)
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu", name="conv2d"),
            layers.Flatten(name="flatten"),
            layers.Dense(6, activation="softmax", kernel_initializer=strong, name="logits"),
        ],
        name="saturated",
    )


def dead() -> keras.Model:
    """A ReLU that no unit of ever opens, and a head that starts at 0."""
    return keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(
                6, activation="relu", bias_initializer=keras.initializers.Constant(-100.0), name="dense1"
            ),
            layers.Dense(4, activation="tanh", name="dense2"),
            layers.Dense(3, kernel_initializer="zeros", name="logits"),
        ],
        name="dead",
    )


def shut() -> keras.Model:
    """A network whose form lets nothing through, whatever its weights: a ReLU of what is never positive."""
    x = inputs = keras.Input((8,))
    x = layers.Dense(6, name="dense1")(x)
    x = layers.ReLU(name="closed")(-1.0 - keras.ops.square(x))
    return keras.Model(inputs, keras.ops.sum(x, axis=-1, keepdims=True), name="shut")


def embedded_constant() -> keras.Model:
    """An embedding called on an array: Keras computes it while defining, anew each time."""
    inputs = keras.Input((6, 4))
    positions = layers.Embedding(6, 4, name="position")(keras.ops.arange(6))
    return keras.Model(
        inputs, layers.Dense(3)(layers.Flatten()(inputs + positions)), name="embedded_constant"
    )


def random_constant() -> keras.Model:
    """A table of NumPy's random numbers."""
    inputs = keras.Input((40,))
    table = np.random.default_rng().normal(size=(40,)).astype("float32")
    return keras.Model(inputs, layers.Dense(3)(inputs * table), name="random_constant")


class Clock(layers.Layer):
    """Reads the time when it is called."""

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return x * (1.0 + time.perf_counter() % 1.0)


def clock() -> keras.Model:
    """No two calls give the same."""
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Dense(3)(Clock(name="late")(inputs)), name="clock")


def tagger() -> keras.Model:
    """Texts of 7 words (of 9; 0 is none) to a class of 3 for each word: the mask reaches the loss."""
    words = keras.Input((7,), dtype="int32", name="words")
    x = layers.Embedding(9, 5, mask_zero=True, name="embedding")(words)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(x)
    return keras.Model(words, layers.Dense(3, activation="softmax", name="tags")(x), name="tagger")


def masked_series() -> keras.Model:
    """Series of 6 steps by 2 (rows of 0 are none) to a number for each step and one for the whole."""
    x = keras.Input((6, 2), name="series")
    h = layers.GRU(4, return_sequences=True, name="steps")(layers.Masking(0.0, name="there")(x))
    whole = layers.Dense(1, name="whole")(layers.GlobalAveragePooling1D(name="mean")(h))
    return keras.Model(x, [layers.Dense(1, name="each")(h), whole], name="masked_series")


class StochasticDepth(layers.Layer):
    """Leaves out a branch for some examples; ``rate`` is a name that Keras's Dropout has too."""

    def __init__(self, rate: float, **settings: Any) -> None:
        super().__init__(**settings)
        self.rate = rate

    def call(self, x: Any, training: bool = False) -> Any:
        if not training:
            return x
        drawn = 1 - self.rate + keras.random.uniform((keras.ops.shape(x)[0], 1))
        return (x / (1 - self.rate)) * keras.ops.floor(drawn)


def stochastic_depth() -> keras.Model:
    """A residual branch that training leaves out now and then, behind a dropout of Keras's."""
    x = keras.Input((6,), name="x")
    branch = layers.Dropout(0.5, name="dropout1")(layers.Dense(6, activation="tanh", name="branch")(x))
    y = x + StochasticDepth(0.25, name="depth")(branch)
    return keras.Model(x, layers.Dense(3, name="logits")(y), name="stochastic_depth")
