"""A small vision transformer."""

from __future__ import annotations

import keras
from keras import layers

from crosstrain.zoo.layers import ClassToken, scaled


def vit(
    input_shape: tuple[int, ...] = (224, 224, 3), classes: int = 1000, *, patch: int = 16, depth: int = 12,
    heads: int = 3, width: float = 1.0,
) -> keras.Model:  # fmt: skip
    """ViT-Ti/16 (Touvron et al., "Training data-efficient image transformers", ICML 2021, table 1; the
    network is that of Dosovitskiy et al., ICLR 2021, section 3.1): 5,717,416 parameters.

    Patches of 16×16 pixels as 192 numbers, a class token, learned positions, ``depth`` blocks of attention
    with ``heads`` heads of 64 numbers and a perceptron four times as wide, each after a layer
    normalisation. ``width`` scales the heads. No dropout, no stochastic depth, no distillation token.
    Logits, (batch, classes).
    """
    head = scaled(64, width)
    size = heads * head
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(size, patch, strides=patch, name="patches")(inputs)
    x = layers.Reshape((-1, size), name="sequence")(x)
    x = ClassToken(name="tokens")(x)
    for number in range(1, depth + 1):
        name = f"block{number}"
        y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm1")(x)
        y = layers.MultiHeadAttention(heads, head, name=f"{name}_attention")(y, y)
        x = layers.Add(name=f"{name}_add1")([x, y])
        y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm2")(x)
        y = layers.Dense(4 * size, activation="gelu", name=f"{name}_dense1")(y)
        x = layers.Add(name=f"{name}_add2")([x, layers.Dense(size, name=f"{name}_dense2")(y)])
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x[:, 0]), name="vit-tiny")
