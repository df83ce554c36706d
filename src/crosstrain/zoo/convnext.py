"""A small modern convolutional network."""

from __future__ import annotations

import keras
from keras import layers

from crosstrain.zoo.layers import LayerScale, scaled


def convnext(
    input_shape: tuple[int, ...] = (224, 224, 3), classes: int = 1000, *,
    blocks: tuple[int, ...] = (2, 2, 6, 2), width: float = 1.0,
) -> keras.Model:  # fmt: skip
    """ConvNeXt-Femto (Wightman's size of Liu et al., "A ConvNet for the 2020s", CVPR 2022, section 2; timm's
    ``convnext_femto``): 5.22 million parameters.

    Stages of 48, 96, 192 and 384 maps; each block a 7×7 depthwise convolution, a layer normalisation and a
    perceptron four times as wide at each pixel, scaled by a weight for each map. No stochastic depth. Logits,
    (batch, classes).
    """
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(scaled(48, width), 4, strides=4, name="stem_conv")(inputs)
    x = layers.LayerNormalization(epsilon=1e-6, name="stem_norm")(x)
    for stage, count in enumerate(blocks, 1):
        maps = scaled(48 * 2 ** (stage - 1), width)
        if stage > 1:
            x = layers.LayerNormalization(epsilon=1e-6, name=f"stage{stage}_norm")(x)
            x = layers.Conv2D(maps, 2, strides=2, name=f"stage{stage}_conv")(x)
        for number in range(1, count + 1):
            x = _block(x, maps, f"stage{stage}_block{number}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="convnext-femto")


def _block(x: keras.KerasTensor, maps: int, name: str) -> keras.KerasTensor:
    y = layers.DepthwiseConv2D(7, padding="same", name=f"{name}_depthwise")(x)
    y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm")(y)
    y = layers.Dense(4 * maps, activation="gelu", name=f"{name}_dense1")(y)
    y = LayerScale(name=f"{name}_scale")(layers.Dense(maps, name=f"{name}_dense2")(y))
    return layers.Add(name=f"{name}_add")([x, y])
