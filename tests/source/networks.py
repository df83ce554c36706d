"""Small networks that sources are written of."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers


def branched() -> keras.Model:
    """Words and numbers to a class and a size: two inputs, two outputs, values that several layers read."""
    words, numbers = keras.Input((6,), name="words"), keras.Input((3,), name="numbers")
    x = layers.GlobalAveragePooling1D()(layers.Embedding(12, 5, name="embedding")(words))
    y = layers.Dense(4, activation="elu", name="dense1")(numbers)
    x = layers.Concatenate()([x, y])
    gate = layers.Dense(9, activation="sigmoid", name="gate")(x)
    x = layers.LayerNormalization(name="norm1")(layers.Multiply()([x, gate]))
    return keras.Model(
        {"words": words, "numbers": numbers},
        {"topic": layers.Dense(4, name="topic")(x), "size": layers.Dense(2, name="size")(x)},
        name="branched",
    )


def named_by_keras() -> keras.Model:
    """Residual blocks whose layers Keras has named: conv2d, conv2d_1, …"""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    for filters, stride in ((4, 1), (8, 2), (8, 1)):
        shortcut = layers.Conv2D(filters, 1, strides=stride)(x) if stride != 1 else x
        y = layers.ReLU()(layers.BatchNormalization()(x))
        y = layers.Conv2D(filters, 3, strides=stride, padding="same")(y)
        x = layers.Add()([y, shortcut])
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalMaxPooling2D()(x)), name="named_by_keras")


def dense_blocks() -> keras.Model:
    """Six equal pairs of a dense layer and an activation: a loop without branches."""
    x = inputs = keras.Input((7,))
    for number in range(6):
        x = layers.Dense(7, name=f"hidden{number}")(x)
        x = layers.Activation("tanh", name=f"tanh{number}")(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x), name="dense_blocks")


def penalised() -> keras.Model:
    """A regulariser."""
    inputs = keras.Input((4,))
    return keras.Model(
        inputs, layers.Dense(3, kernel_regularizer="l2", name="logits")(inputs), name="penalised"
    )


class Counter(layers.Layer):
    """Counts its calls in training, and is none of Keras's."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.steps = self.add_weight(name="steps", shape=(), initializer="zeros", trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        if training:
            self.steps.assign(self.steps + 1)
        return x + self.steps


def counting() -> keras.Model:
    """A layer that changes a weight by itself."""
    inputs = keras.Input((4,))
    return keras.Model(inputs, Counter(name="counter")(layers.Dense(3, name="logits")(inputs)))
