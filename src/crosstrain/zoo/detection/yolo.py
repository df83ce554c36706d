"""YOLO, version 1: one look at the picture, a grid of cells, boxes and classes from each."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from crosstrain.detection.yolo import OF_BOX, PREDICTORS
from crosstrain.zoo.layers import scaled

SLOPE = 0.1
"""Of the leaky rectifier where its input is below 0 (Redmon et al. 2016, equation 2)."""
POOL = (0, 0)
STAGES: tuple[tuple[int, int], ...] = (
    POOL, (192, 3),
    POOL, (128, 1), (256, 3), (256, 1), (512, 3),
    POOL, *((256, 1), (512, 3)) * 4, (512, 1), (1024, 3),
    POOL, *((512, 1), (1024, 3)) * 2, (1024, 3),
)  # fmt: skip
"""(maps, size) of the convolutions of figure 3 after the first, up to the second with a stride."""
TINY = (16, 32, 64, 128, 256, 512)
"""Maps of the small network's convolutions that a pooling follows."""


def yolo(
    input_shape: tuple[int, ...] = (448, 448, 3), classes: int = 20, *, width: float = 1.0,
    predictors: int = PREDICTORS, dropout: float = 0.5,
) -> keras.Model:  # fmt: skip
    """YOLO (Redmon, Divvala, Girshick and Farhadi 2016, section 2.1 and figure 3): 271,703,550 parameters.

    24 convolutions with leaky rectifiers, of which the first and the twenty-second have a stride of 2, four
    poolings, a dense layer of 4096 with dropout behind it, and one that gives the grid, (batch, height / 64,
    width / 64, 5 · predictors + classes). The paper's convolutions begin with ImageNet's weights, these with
    Glorot's.
    """
    inputs = keras.Input(input_shape)
    x = _convolved(inputs, scaled(64, width), 7, "conv1", stride=2)
    number = 1
    for stage in STAGES:
        if stage == POOL:
            x = layers.MaxPooling2D(2, padding="same", name=f"pool{number}")(x)
            continue
        number += 1
        x = _convolved(x, scaled(stage[0], width), stage[1], f"conv{number}")
    for stride in (2, 1, 1):
        number += 1
        x = _convolved(x, scaled(1024, width), 3, f"conv{number}", stride=stride)
    grid = x.shape[1:3]
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(scaled(4096, width), name="dense")(x)
    x = layers.Dropout(dropout, name="dropout")(layers.LeakyReLU(SLOPE, name="dense_leaky")(x))
    return keras.Model(inputs, _dense_grid(x, grid, OF_BOX * predictors + classes), name="yolo")


def yolo_tiny(
    input_shape: tuple[int, ...] = (448, 448, 3), classes: int = 20, *, width: float = 1.0,
    predictors: int = PREDICTORS, poolings: int = 6, dense: bool = True, dropout: float = 0.0,
) -> keras.Model:  # fmt: skip
    """The small YOLO of its authors (darknet, ``cfg/yolov1-tiny.cfg``): 27,095,374 parameters; the paper's
    Fast YOLO has nine convolutions too.

    Six 3×3 convolutions of 16 to 512 maps, each normalised, rectified and pooled, two more of 1024 and 256,
    and a dense layer that gives the grid. ``poolings`` says how many of the six are pooled: the grid has a
    cell for each 2^poolings pixels. With ``dense=false`` a 1×1 convolution, ``dropout`` before it, gives each
    cell its numbers: far fewer parameters, which small data sets and large pictures ask for.
    """
    inputs = x = keras.Input(input_shape)
    for number, maps in enumerate((*TINY, 1024, 256), 1):
        x = _normalized(x, scaled(maps, width), f"conv{number}")
        if number <= min(poolings, len(TINY)):
            x = layers.MaxPooling2D(2, padding="same", name=f"pool{number}")(x)
    numbers = OF_BOX * predictors + classes
    if dense:
        outputs = _dense_grid(layers.Flatten(name="flatten")(x), x.shape[1:3], numbers)
    else:
        x = layers.Dropout(dropout, name="dropout")(x) if dropout else x
        outputs = layers.Conv2D(numbers, 1, name="yolo")(x)
    return keras.Model(inputs, outputs, name="yolo_tiny")


def _convolved(x: Any, maps: int, size: int, name: str, stride: int = 1) -> Any:
    x = layers.Conv2D(maps, size, stride, padding="same", name=name)(x)
    return layers.LeakyReLU(SLOPE, name=f"{name}_leaky")(x)


def _normalized(x: Any, maps: int, name: str) -> Any:
    x = layers.Conv2D(maps, 3, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
    return layers.LeakyReLU(SLOPE, name=f"{name}_leaky")(x)


def _dense_grid(x: Any, grid: tuple[int, int], numbers: int) -> Any:
    x = layers.Dense(grid[0] * grid[1] * numbers, name="grid")(x)
    return layers.Reshape((*grid, numbers), name="yolo")(x)
