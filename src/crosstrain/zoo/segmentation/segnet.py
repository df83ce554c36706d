"""SegNet: a decoder that unpools with the places of the encoder's maxima."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from crosstrain.zoo.layers import scaled
from crosstrain.zoo.segmentation.pooling import MaxPoolingWithPlaces, Unpooling

ENCODER: tuple[tuple[int, ...], ...] = (
    (64, 64),
    (128, 128),
    (256, 256, 256),
    (512, 512, 512),
    (512, 512, 512),
)
"""Maps of VGG16's convolutions by stage."""
DECODER: tuple[tuple[int, ...], ...] = ((512, 512, 512), (512, 512, 256), (256, 256, 128), (128, 64), (64,))
"""Maps of the decoder's, deepest first; the last convolution of all gives the classes."""


def segnet_basic(
    input_shape: tuple[int, ...] = (360, 480, 3), classes: int = 11, *, width: float = 1.0
) -> keras.Model:
    """SegNet-Basic (Badrinarayanan, Kendall and Cipolla 2017, section 3.1): 1,416,075 parameters.

    Four encoders and four decoders of one 7×7 convolution with 64 maps each, normalised; rectifiers in the
    encoder alone, no biases; a 1×1 convolution gives logits, (batch, height, width, classes). The paper
    normalises the contrast of pictures first, and says 1.425 million.
    """
    maps = scaled(64, width)
    inputs = x = keras.Input(input_shape)
    places = []
    for stage in range(1, 5):
        x = _normalized(x, maps, 7, f"conv{stage}")
        x = layers.ReLU(name=f"conv{stage}_relu")(x)
        x, where = MaxPoolingWithPlaces(name=f"pool{stage}")(x)
        places.append(where)
    for stage in range(4, 0, -1):
        x = Unpooling(name=f"unpool{stage}")(x, places[stage - 1])
        x = _normalized(x, maps, 7, f"conv{stage}_decode")
    return keras.Model(inputs, layers.Conv2D(classes, 1, name="logits")(x), name="segnet_basic")


def segnet(
    input_shape: tuple[int, ...] = (360, 480, 3), classes: int = 11, *, width: float = 1.0, stages: int = 5
) -> keras.Model:
    """SegNet (Badrinarayanan, Kendall and Cipolla 2017, figure 2 and section 3): 29,441,419 parameters.

    The 13 convolutions of VGG16, each normalised and rectified, and their mirror image, whose last one gives
    logits, (batch, height, width, classes). The paper says 29.5 million: its convolutions have biases, which
    the normalisation behind them takes away. Its encoder begins with ImageNet's weights, this one with
    Glorot's; its pooling counts an odd last row, this one leaves it out. ``stages`` (5) may be fewer.
    """
    inputs = x = keras.Input(input_shape)
    places = []
    for stage, maps in enumerate(ENCODER[:stages], 1):
        for number, count in enumerate(maps, 1):
            x = _rectified(x, scaled(count, width), f"conv{stage}_{number}")
        x, where = MaxPoolingWithPlaces(name=f"pool{stage}")(x)
        places.append(where)
    for stage, maps in zip(range(stages, 0, -1), DECODER[-stages:], strict=True):
        x = Unpooling(name=f"unpool{stage}")(x, places[stage - 1])
        if stage == stages:  # fewer stages begin with fewer maps
            maps = (ENCODER[stage - 1][0], *maps[1:])
        for number, count in enumerate(maps, 1):
            x = _rectified(x, scaled(count, width), f"conv{stage}_{number}_decode")
    logits = layers.Conv2D(classes, 3, padding="same", name="logits")(x)
    return keras.Model(inputs, logits, name="segnet")


def _normalized(x: Any, maps: int, size: int, name: str) -> Any:
    x = layers.Conv2D(maps, size, padding="same", use_bias=False, name=name)(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)


def _rectified(x: Any, maps: int, name: str) -> Any:
    return layers.ReLU(name=f"{name}_relu")(_normalized(x, maps, 3, name))
