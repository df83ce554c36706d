"""A single-shot detector with anchors on maps of several sizes."""

from __future__ import annotations

import itertools
import math
from typing import Any

import keras
from keras import layers

from crosstrain.zoo.detection.backbones import backbone as backbone_of
from crosstrain.zoo.detection.backbones import normalised
from crosstrain.zoo.detection.regions import Anchors
from crosstrain.zoo.layers import scaled

RATIOS = (0.5, 1.0, 2.0)
MAPS = 128
"""Of the stages behind the backbone."""


def ssd_lite(
    input_shape: tuple[int, ...] = (320, 320, 3), classes: int = 20, *, backbone: str = "small",
    width: float = 1.0, stride: int = 8, stages: int = 4, smallest: float = 0.1, largest: float = 0.8,
) -> keras.Model:  # fmt: skip
    """A single-shot detector (Liu et al. 2016) with separable heads, as SSDLite has them (Sandler et al.
    2018, section 6.2), on ``stages`` maps, each half as large as the one before.

    An anchor has three ratios and, at each map, two sizes: those of the map and the geometric mean with the
    next one's; sizes grow evenly from ``smallest`` to ``largest`` of the picture's shorter side. The output
    is ``ssd``, whose rows are ``detection/anchored.py``'s. The paper's maps come from MobileNetV2; here
    ``backbone`` and separable convolutions behind it give them.
    """
    picture = (input_shape[0], input_shape[1])
    inputs, x = backbone_of(backbone, input_shape, stride, width)
    rows = []
    for stage, sizes in enumerate(_sizes(stages, smallest, largest), 1):
        if stage > 1:
            x = _separable(x, scaled(MAPS, width), 2, f"extra{stage}")
        pixels = [size * min(picture) for size in sizes]
        anchors = Anchors(picture, pixels, RATIOS, name=f"anchors{stage}")(x)
        each = len(sizes) * len(RATIOS)
        parts: list[Any] = [anchors]
        for name, size in (("logits", classes + 1), ("codes", 4)):
            y = layers.SeparableConv2D(each * size, 3, padding="same", name=f"{name}{stage}")(x)
            parts.append(layers.Reshape((-1, size), name=f"{name}{stage}_rows")(y))
        rows.append(layers.Concatenate(name=f"rows{stage}" if stages > 1 else "ssd")(parts))
    output = layers.Concatenate(axis=1, name="ssd")(rows) if stages > 1 else rows[0]
    return keras.Model(inputs, output, name="ssd_lite")


def _separable(x: Any, maps: int, stride: int, name: str) -> Any:
    x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    return normalised(x, maps, 1, f"{name}_pointwise", 1)


def _sizes(stages: int, smallest: float, largest: float) -> list[tuple[float, float]]:
    """Two sizes for each stage (Liu et al. 2016, section 2.2)."""
    step = (largest - smallest) / max(stages - 1, 1)
    scales = [smallest + step * number for number in range(stages)] + [min(largest + step, 1.0)]
    return [(one, math.sqrt(one * after)) for one, after in itertools.pairwise(scales)]
