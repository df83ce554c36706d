"""U-Net: an encoder and a decoder with connections between their stages."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from crosstrain.zoo.layers import scaled
from crosstrain.zoo.segmentation.cropping import cropped_like

MAPS = (64, 128, 256, 512, 1024)


def unet(
    input_shape: tuple[int, ...] = (512, 512, 1), classes: int = 2, *, width: float = 1.0, depth: int = 4,
    dropout: float = 0.5, batch_norm: bool = False,
) -> keras.Model:  # fmt: skip
    """U-Net (Ronneberger, Fischer and Brox 2015, figure 1): 31,030,658 parameters.

    Stages of two 3×3 convolutions, 64 to 1024 maps, pooled ``depth`` times; on the way up 2×2 transposed
    convolutions, each beside the maps of its stage on the way down. Dropout in the last two stages, He's
    initial weights (section 3). Logits, (batch, height, width, classes). Convolutions here are padded, so
    that the output has the input's size (the paper's 572×572 gives 388×388), and its weights by the distance
    from borders are left out. ``batch_norm`` normalises each convolution, as later implementations do.
    """
    inputs = x = keras.Input(input_shape)
    skips = []
    for stage in range(depth + 1):
        if stage:
            x = layers.MaxPooling2D(2, padding="same", name=f"pool{stage}")(x)
        x = _stage(x, scaled(MAPS[stage], width), f"down{stage}", batch_norm=batch_norm)
        if stage >= depth - 1:
            x = layers.Dropout(dropout, name=f"down{stage}_dropout")(x)
        skips.append(x)
    for stage in range(depth - 1, -1, -1):
        maps = scaled(MAPS[stage], width)
        x = layers.Conv2DTranspose(
            maps, 2, 2, activation="relu", kernel_initializer="he_normal", name=f"up{stage}"
        )(x)
        x = layers.Concatenate(name=f"beside{stage}")([skips[stage], cropped_like(x, skips[stage])])
        x = _stage(x, maps, f"level{stage}", batch_norm=batch_norm)
    return keras.Model(inputs, layers.Conv2D(classes, 1, name="logits")(x), name="unet")


def _stage(x: Any, maps: int, name: str, *, batch_norm: bool) -> Any:
    for number in (1, 2):
        conv = layers.Conv2D(
            maps, 3, padding="same", use_bias=not batch_norm, kernel_initializer="he_normal",
            name=f"{name}_conv{number}",
        )  # fmt: skip
        x = conv(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn{number}")(x)
        x = layers.ReLU(name=f"{name}_relu{number}")(x)
    return x
