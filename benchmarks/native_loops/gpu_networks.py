"""The networks of benchmarks/gpu.py that are not in the zoo, in Keras."""

from __future__ import annotations

import keras
from keras import layers

TOKENS = 10_000


class Positions(layers.Layer):
    """Adds a learned vector to each place of a sequence."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.table = self.add_weight(shape=shape[1:], initializer=keras.initializers.RandomNormal(0, 0.02))

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return x + self.table


def mlp() -> keras.Model:
    return keras.Sequential([
        keras.Input((20,), name="x"), layers.Dense(64, "relu"), layers.Dense(64, "relu"), layers.Dense(3),
    ])  # fmt: skip


def lstm() -> keras.Model:
    return keras.Sequential([
        keras.Input((100,), dtype="int32", name="x"), layers.Embedding(TOKENS, 64), layers.LSTM(128),
        layers.Dense(2),
    ])  # fmt: skip


def gru2() -> keras.Model:
    return keras.Sequential([
        keras.Input((20,), dtype="int32", name="x"), layers.Embedding(TOKENS, 16),
        layers.GRU(32, return_sequences=True), layers.GRU(32), layers.Dense(2),
    ])  # fmt: skip


def transformer() -> keras.Model:
    """Two blocks with layer norms behind (Vaswani et al. 2017), learned positions, mean over the tokens."""
    x = keras.Input((64,), dtype="int32", name="x")
    y = Positions()(layers.Embedding(TOKENS, 128)(x))
    for _ in range(2):
        y = layers.LayerNormalization(epsilon=1e-5)(y + layers.MultiHeadAttention(4, 32)(y, y))
        y = layers.LayerNormalization(epsilon=1e-5)(y + layers.Dense(128)(layers.Dense(512, "gelu")(y)))
    return keras.Model(x, layers.Dense(10)(layers.GlobalAveragePooling1D()(y)))


def mobilenetv2() -> keras.Model:
    return keras.applications.MobileNetV2(
        input_shape=(64, 64, 3), weights=None, classes=10, classifier_activation=None
    )
