"""Transformers: an encoder for series and texts, and a small language model."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from crosstrain.zoo.layers import LearnedPositions
from crosstrain.zoo.sequences.inputs import steps
from crosstrain.zoo.sequences.recurrent import WINDOW


def encoder(
    input_shape: tuple[int, ...] = WINDOW, classes: int = 1, *, size: int = 64, depth: int = 2,
    heads: int = 4, dropout: float = 0.0, vocabulary: int = 0,
) -> keras.Model:  # fmt: skip
    """``depth`` layers of the transformer's encoder (Vaswani et al. 2017, section 3.1), the mean over all
    steps into a dense layer.

    Each step becomes ``size`` numbers and a learned position is added. Normalisation stands before attention
    and perceptron (Xiong et al. 2020), GELU in place of ReLU; padding of texts takes part, as a token of its
    own. Output (batch, classes).
    """
    inputs, x = steps(input_shape, vocabulary, size=size)
    x = x if vocabulary else layers.Dense(size, name="projection")(x)
    x = LearnedPositions(name="positions")(x)
    for number in range(1, depth + 1):
        x = block(x, f"block{number}", heads, dropout=dropout)
    x = layers.GlobalAveragePooling1D(name="mean")(layers.LayerNormalization(epsilon=1e-5, name="norm")(x))
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="transformer-encoder")


def gpt(
    input_shape: tuple[int, ...] = (64,), classes: int = 65, *, size: int = 48, depth: int = 3,
    heads: int = 3, dropout: float = 0.0, vocabulary: int = 65,
) -> keras.Model:  # fmt: skip
    """minGPT's ``gpt-nano`` (Karpathy 2020; Radford et al. 2019, section 2.3): 3 layers, 3 heads, 48 numbers.

    Tokens and learned positions, blocks of causal attention and a perceptron four times as wide, each after a
    layer normalisation, and a last one before the scores of the next token, at every step. GELU is the exact
    one, attention has no dropout, and weights begin as Keras begins them, not as N(0, 0.02). Logits, (batch,
    steps, classes).
    """
    inputs, x = steps(input_shape, vocabulary, size=size)
    x = LearnedPositions(name="positions")(x)
    for number in range(1, depth + 1):
        x = block(x, f"block{number}", heads, dropout=dropout, causal=True)
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    return keras.Model(inputs, layers.Dense(classes, use_bias=False, name="logits")(x), name="gpt")


def block(x: Any, name: str, heads: int, *, dropout: float = 0.0, causal: bool = False) -> Any:
    """Attention and a perceptron, each after a normalisation and beside a shortcut; (batch, steps, size)."""
    size = x.shape[-1]
    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm1")(x)
    y = layers.MultiHeadAttention(heads, max(1, size // heads), name=f"{name}_attention")(
        y, y, use_causal_mask=causal
    )
    if dropout:
        y = layers.Dropout(dropout, name=f"{name}_dropout1")(y)
    x = layers.Add(name=f"{name}_add1")([x, y])
    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm2")(x)
    y = layers.Dense(4 * size, activation="gelu", name=f"{name}_dense1")(y)
    y = layers.Dense(size, name=f"{name}_dense2")(y)
    if dropout:
        y = layers.Dropout(dropout, name=f"{name}_dropout2")(y)
    return layers.Add(name=f"{name}_add2")([x, y])
