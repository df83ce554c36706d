"""Fast and Faster R-CNN: detectors that look twice."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from crosstrain.layers.roi import RoIAlign
from crosstrain.zoo.detection.backbones import backbone as backbone_of
from crosstrain.zoo.detection.regions import Anchors, GivenRegions, Proposals, SamplingOffset
from crosstrain.zoo.layers import scaled

RATIOS = (0.5, 1.0, 2.0)


def faster_rcnn(
    input_shape: tuple[int, ...] = (600, 800, 3), classes: int = 20, *, backbone: str = "vgg16",
    width: float = 1.0, stride: int = 16, anchor: float = 128.0, scales: int = 3, maps: int = 512,
    hidden: int = 4096, grid: int = 7, considered: int = 2000, proposals: int = 300, dropout: float = 0.5,
) -> keras.Model:  # fmt: skip
    """Faster R-CNN (Ren, He, Girshick and Sun 2015) with VGG16: 137,057,234 parameters
    at 20 classes.

    A 3×3 convolution with ``maps`` maps over the backbone's last maps and two 1×1 ones give each anchor
    (three ratios, ``scales`` sizes from ``anchor`` pixels, each twice the last) the logit of an object and a
    code: the output ``rpn``. Of the ``considered`` best those ``proposals`` stay that suppression leaves; RoI
    align of ``grid`` × ``grid`` and two dense layers of ``hidden`` units give each the logits of the classes
    and of background and a code for each class: the output ``rois``. Rows of both are
    ``detection/anchored.py``'s.

    Both stages learn at once, by the sum of their losses (the authors' "approximate joint training"), from
    Glorot's weights in place of ImageNet's. The paper pools regions where this aligns them (He et al. 2017);
    it scales the shorter side of pictures to 600 pixels.
    """
    picture = (input_shape[0], input_shape[1])
    inputs, features = backbone_of(backbone, input_shape, stride, width)
    sizes = [anchor * 2**number for number in range(scales)]
    x = layers.Conv2D(
        scaled(maps, width), 3, padding="same", activation="relu", name="rpn_conv",
        kernel_initializer=_normal(0.01),
    )(features)  # fmt: skip
    anchors = Anchors(picture, sizes, RATIOS, name="anchors")(x)
    each = len(sizes) * len(RATIOS)
    score = layers.Conv2D(each, 1, name="rpn_score", kernel_initializer=_normal(0.01))(x)
    codes = layers.Conv2D(4 * each, 1, name="rpn_codes", kernel_initializer=_normal(0.01))(x)
    logits, codes = (
        layers.Reshape((-1, size), name=f"{name}_rows")(y)
        for size, name, y in ((1, "rpn_score", score), (4, "rpn_codes", codes))
    )
    offset = SamplingOffset(name="rpn_offset")(anchors)
    rpn = layers.Concatenate(name="rpn")([anchors, offset, logits, codes])
    regions = Proposals(picture, considered, proposals, name="proposals")
    boxes, counts = regions(anchors, logits, codes)
    rois = _second_stage(features, boxes, counts, classes, stride, grid, scaled(hidden, width), dropout)
    return keras.Model(inputs, [rois, rpn], name="faster_rcnn")


def faster_rcnn_small(
    input_shape: tuple[int, ...] = (240, 320, 3), classes: int = 3, *, backbone: str = "small",
    width: float = 1.0, stride: int = 8, anchor: float = 16.0, scales: int = 3, maps: int = 128,
    hidden: int = 256, grid: int = 7, considered: int = 200, proposals: int = 64, dropout: float = 0.0,
) -> keras.Model:  # fmt: skip
    """Faster R-CNN for small pictures on a CPU: six normalised convolutions, a row of maps for every 8
    pixels, 64 proposals. Everything else is ``faster_rcnn``'s."""
    return faster_rcnn(
        input_shape, classes, backbone=backbone, width=width, stride=stride, anchor=anchor, scales=scales,
        maps=maps, hidden=hidden, grid=grid, considered=considered, proposals=proposals, dropout=dropout,
    )  # fmt: skip


def fast_rcnn(
    input_shape: tuple[int, ...] = (600, 800, 3), classes: int = 20, *, backbone: str = "vgg16",
    width: float = 1.0, stride: int = 16, hidden: int = 4096, grid: int = 7, proposals: int = 2000,
    dropout: float = 0.5,
) -> keras.Model:  # fmt: skip
    """Fast R-CNN (Girshick 2015) with VGG16, 134,674,341 parameters at 20 classes: the second stage of
    Faster R-CNN, of proposals that are given.

    Inputs are the picture and ``proposals``, (batch, proposals, 4): boxes as shares of the picture's sides,
    zeros to fill up. The output is ``rois``, whose rows are ``detection/anchored.py``'s. The departures are
    those of ``faster_rcnn``.
    """
    picture = (input_shape[0], input_shape[1])
    inputs, features = backbone_of(backbone, input_shape, stride, width)
    shares = keras.Input((proposals, 4), name="proposals")
    boxes, counts = GivenRegions(picture, name="regions")(shares)
    rois = _second_stage(features, boxes, counts, classes, stride, grid, scaled(hidden, width), dropout)
    return keras.Model([inputs, shares], rois, name="fast_rcnn")


def _second_stage(
    features: Any, boxes: Any, counts: Any, classes: int, stride: int, grid: int, hidden: int, dropout: float
) -> Any:
    """The rows ``rois`` of boxes (batch, n, 4)."""
    x = RoIAlign((grid, grid), stride, name="roi_align")(features, boxes)
    x = layers.Reshape((x.shape[1], -1), name="roi_rows")(x)
    for name in ("fc6", "fc7"):
        x = layers.Dense(hidden, activation="relu", name=name)(x)
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x) if dropout else x
    logits = layers.Dense(classes + 1, name="logits", kernel_initializer=_normal(0.01))(x)
    codes = layers.Dense(4 * classes, name="codes", kernel_initializer=_normal(0.001))(x)
    return layers.Concatenate(name="rois")(
        [boxes, counts, SamplingOffset(name="roi_offset")(boxes), logits, codes]
    )


def _normal(deviation: float) -> keras.initializers.Initializer:
    """As the papers draw the weights of new layers."""
    return keras.initializers.RandomNormal(stddev=deviation)
