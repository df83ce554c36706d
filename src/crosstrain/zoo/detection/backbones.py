"""Convolutions that detectors begin with, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
from keras import layers

from crosstrain.errors import CrosstrainError
from crosstrain.zoo.layers import scaled
from crosstrain.zoo.residual.imagenet import resnet
from crosstrain.zoo.vgg import CONVOLUTIONS

SMALL = (16, 32, 48, 64, 96)
"""Maps of ``small`` at each halving of the picture; deeper ones have the last number."""


def backbone(name: str, input_shape: tuple[int, ...], stride: int, width: float) -> tuple[Any, Any]:
    """The input and the last maps of one row for each ``stride`` of the picture; ``CrosstrainError`` for a
    name or a stride that there is not."""
    if name not in BACKBONES:
        raise CrosstrainError(f"there is no backbone {name!r}; there are {', '.join(BACKBONES)}")
    if stride not in STRIDES:
        raise CrosstrainError(f"the stride of a backbone is {', '.join(map(str, STRIDES))}, not {stride}")
    return BACKBONES[name](input_shape, stride, width)


def small(input_shape: tuple[int, ...], stride: int, width: float) -> tuple[Any, Any]:
    """For CPUs: at each halving of the picture a 3×3 convolution with stride 2 and one without, normalised
    and rectified."""
    inputs = x = keras.Input(input_shape, name="picture")
    stage = 0
    while 2**stage < stride:
        maps = scaled(SMALL[min(stage, len(SMALL) - 1)], width)
        x = normalised(x, maps, 2, f"stage{stage + 1}_1")
        x = normalised(x, maps, 1, f"stage{stage + 1}_2")
        stage += 1
    return inputs, x


def normalised(x: Any, maps: int, stride: int, name: str, size: int = 3) -> Any:
    """A convolution, normalised and rectified."""
    x = layers.Conv2D(maps, size, stride, padding="same", use_bias=False, name=name,
                      kernel_initializer="he_normal")(x)  # fmt: skip
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def vgg16(input_shape: tuple[int, ...], stride: int, width: float) -> tuple[Any, Any]:
    """VGG16's convolutions (Simonyan and Zisserman 2015), up to its pooling at ``stride``."""
    inputs = x = keras.Input(input_shape, name="picture")
    maps = (64, 128, 256, 512, 512)
    for stage, (count, each) in enumerate(zip(CONVOLUTIONS[16], maps, strict=True), 1):
        if stage > 1:
            if 2 ** (stage - 1) > stride:
                break
            x = layers.MaxPooling2D(2, padding="same", name=f"pool{stage - 1}")(x)
        for number in range(1, count + 1):
            conv = layers.Conv2D(
                scaled(each, width), 3, padding="same", activation="relu", name=f"conv{stage}_{number}"
            )
            x = conv(x)
    return inputs, x


def of_resnet(input_shape: tuple[int, ...], stride: int, width: float, *, depth: int) -> tuple[Any, Any]:
    """A residual network for photographs up to the last block at ``stride``."""
    model = resnet(input_shape, 1, depth=depth, width=width)
    rows = -(-input_shape[0] // stride)
    maps = [layer.output for layer in model.layers if len(layer.output.shape) == 4]
    return model.input, [x for x in maps if x.shape[1] == rows][-1]


STRIDES = (4, 8, 16)
BACKBONES: Mapping[str, Callable[[tuple[int, ...], int, float], tuple[Any, Any]]] = {
    "small": small,
    "vgg16": vgg16,
    "resnet18": partial(of_resnet, depth=18),
    "resnet50": partial(of_resnet, depth=50),
}
"""What a detector's argument ``backbone`` may name."""
