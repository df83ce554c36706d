"""A network of perceptrons alone."""

from __future__ import annotations

import keras
from keras import layers

from crosstrain.zoo.layers import scaled


def mixer(
    input_shape: tuple[int, ...] = (224, 224, 3), classes: int = 1000, *, patch: int = 16, depth: int = 8,
    width: float = 1.0,
) -> keras.Model:  # fmt: skip
    """MLP-Mixer S/16 (Tolstikhin et al., NeurIPS 2021, table 1): 18,528,264 parameters.

    Patches of 16×16 pixels as 512 numbers; ``depth`` blocks, each a perceptron of 256 units across the
    patches and one of 2048 units across the numbers, after layer normalisations. No dropout, no stochastic
    depth. Logits, (batch, classes).
    """
    size = scaled(512, width)
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(size, patch, strides=patch, name="patches")(inputs)
    x = layers.Reshape((-1, size), name="sequence")(x)
    for number in range(1, depth + 1):
        name = f"block{number}"
        y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm1")(x)
        y = layers.Permute((2, 1), name=f"{name}_across")(y)
        y = _perceptron(y, scaled(256, width), f"{name}_tokens")
        x = layers.Add(name=f"{name}_add1")([x, layers.Permute((2, 1), name=f"{name}_back")(y)])
        y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm2")(x)
        x = layers.Add(name=f"{name}_add2")([x, _perceptron(y, scaled(2048, width), f"{name}_channels")])
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="mlp-mixer")


def _perceptron(x: keras.KerasTensor, hidden: int, name: str) -> keras.KerasTensor:
    y = layers.Dense(hidden, activation="gelu", name=f"{name}_dense1")(x)
    return layers.Dense(x.shape[-1], name=f"{name}_dense2")(y)
