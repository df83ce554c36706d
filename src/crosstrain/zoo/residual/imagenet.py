"""Residual networks for photographs, of 18 to 152 layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import keras
from keras import layers

from crosstrain.zoo.layers import scaled
from crosstrain.zoo.residual.parts import conv, conv_norm, norm_relu

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks of each stage, by depth: the columns of table 1."""
BOTTLENECKS_FROM = 50
"""The depth from which blocks are bottlenecks."""


class Block(NamedTuple):
    """One residual block: its name, the maps of its 3×3 convolution and of its output, its stride, whether
    its shortcut projects."""

    name: str
    maps: int
    output: int
    stride: int
    projects: bool


def resnet(
    input_shape: tuple[int, ...] = (224, 224, 3), classes: int = 1000, *, depth: int = 50,
    blocks: tuple[int, ...] = (), width: float = 1.0,
) -> keras.Model:  # fmt: skip
    """ResNet (He, Zhang, Ren and Sun, "Deep residual learning for image recognition", 2015, table 1) of 18,
    34, 50, 101 or 152 layers: 11,689,512, 21,797,672, 25,557,032, 44,549,160 and 60,192,808 parameters.

    Blocks of two 3×3 convolutions, or from 50 layers bottlenecks of 1×1, 3×3 and 1×1; shortcuts project
    where the shape changes (option B). As in the paper a bottleneck's stride is in its first 1×1
    convolution; torchvision has it in the 3×3, with the same parameters and more work. ``blocks`` replaces
    the depth's blocks for each stage. Logits, (batch, classes).
    """
    inputs = keras.Input(input_shape)
    x = layers.ReLU(name="stem_relu")(conv_norm(inputs, scaled(64, width), 7, 2, "stem"))
    x = layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)
    bottleneck = depth >= BOTTLENECKS_FROM
    for block in _blocks(depth, blocks, width, x.shape[-1]):
        shortcut = x
        if block.projects:
            shortcut = conv_norm(x, block.output, 1, block.stride, f"{block.name}_shortcut")
        for number, (maps, size, stride) in enumerate(_convolutions(block, bottleneck), 1):
            if number > 1:
                x = layers.ReLU(name=f"{block.name}_relu{number - 1}")(x)
            x = conv_norm(x, maps, size, stride, f"{block.name}_{number}")
        x = layers.ReLU(name=f"{block.name}_relu")(layers.Add(name=f"{block.name}_add")([x, shortcut]))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=f"resnet{depth}")


def resnet_v2(
    input_shape: tuple[int, ...] = (224, 224, 3), classes: int = 1000, *, depth: int = 50,
    blocks: tuple[int, ...] = (), width: float = 1.0,
) -> keras.Model:  # fmt: skip
    """The same with full pre-activation (He, Zhang, Ren and Sun, "Identity mappings in deep residual
    networks", 2016, figure 1 b and appendix).

    BatchNorm and ReLU stand before each convolution. The first block, and every block that projects, shares
    its first activation with its shortcut; after the last block come a BatchNorm and a ReLU. A bottleneck's
    stride is in its 3×3 convolution, as in the authors' code for these networks. Logits, (batch, classes).
    """
    inputs = keras.Input(input_shape)
    x = norm_relu(conv(inputs, scaled(64, width), 7, 2, "stem"), "stem")
    x = layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)
    bottleneck = depth >= BOTTLENECKS_FROM
    for index, block in enumerate(_blocks(depth, blocks, width, x.shape[-1])):
        y = norm_relu(x, f"{block.name}_1") if index else x
        shortcut = conv(y, block.output, 1, block.stride, f"{block.name}_shortcut") if block.projects else x
        sizes = _convolutions(block, bottleneck, stride_in=2 if bottleneck else 1)
        for number, (maps, size, stride) in enumerate(sizes, 1):
            if number > 1:
                y = norm_relu(y, f"{block.name}_{number}")
            y = conv(y, maps, size, stride, f"{block.name}_{number}")
        x = layers.Add(name=f"{block.name}_add")([y, shortcut])
    x = layers.GlobalAveragePooling2D(name="pool")(norm_relu(x, "last"))
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name=f"resnet{depth}v2")


def _blocks(depth: int, counts: tuple[int, ...], width: float, channels: int) -> Iterator[Block]:
    """The blocks of all stages, for an input of ``channels`` maps."""
    for stage, count in enumerate(counts or BLOCKS[depth]):
        maps = scaled(64 * 2**stage, width)
        output = maps * 4 if depth >= BOTTLENECKS_FROM else maps
        for number in range(1, count + 1):
            stride = 2 if stage and number == 1 else 1
            name = f"stage{stage + 1}_block{number}"
            yield Block(name, maps, output, stride, stride > 1 or channels != output)
            channels = output


def _convolutions(block: Block, bottleneck: bool, stride_in: int = 1) -> list[tuple[int, int, int]]:
    """Maps, window and stride of a block's convolutions; the stride is that of number ``stride_in``."""
    sizes = [(block.maps, 1), (block.maps, 3), (block.output, 1)] if bottleneck else [(block.maps, 3)] * 2
    return [
        (maps, size, block.stride if number == stride_in else 1)
        for number, (maps, size) in enumerate(sizes, 1)
    ]
