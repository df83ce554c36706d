"""GoogLeNet: nine inception modules and two auxiliary classifiers."""

from __future__ import annotations

from typing import NamedTuple

import keras
from keras import layers

from crosstrain.layers import LocalResponseNormalization
from crosstrain.zoo.layers import scaled


class Inception(NamedTuple):
    """The maps of one module's four branches: 1×1; 1×1 before 3×3; 1×1 before 5×5; 1×1 after the pooling."""

    one: int
    reduce3: int
    three: int
    reduce5: int
    five: int
    pooled: int


MODULES = {
    "3a": Inception(64, 96, 128, 16, 32, 32), "3b": Inception(128, 128, 192, 32, 96, 64),
    "4a": Inception(192, 96, 208, 16, 48, 64), "4b": Inception(160, 112, 224, 24, 64, 64),
    "4c": Inception(128, 128, 256, 24, 64, 64), "4d": Inception(112, 144, 288, 32, 64, 64),
    "4e": Inception(256, 160, 320, 32, 128, 128), "5a": Inception(256, 160, 320, 32, 128, 128),
    "5b": Inception(384, 192, 384, 48, 128, 128),
}  # fmt: skip
"""The rows of the paper's table 1."""
POOLED = ("3b", "4e")
"""Modules before a pooling."""
CLASSIFIED = {"4a": "auxiliary1", "4d": "auxiliary2"}
"""Modules whose output an auxiliary classifier reads too."""


def googlenet(
    input_shape: tuple[int, ...] = (224, 224, 3), classes: int = 1000, *, batch_norm: bool = False,
    auxiliary: bool = True, width: float = 1.0,
) -> keras.Model:  # fmt: skip
    """GoogLeNet (Szegedy et al., "Going deeper with convolutions", CVPR 2015, table 1): 6,998,552 parameters,
    13,378,280 with the two auxiliary classifiers.

    Outputs ``logits``, ``auxiliary1`` and ``auxiliary2``, each (batch, classes); the auxiliary losses count
    0.3 and all are trained on one target. ``batch_norm`` (``googlenet-bn``) puts batch normalisation after
    every convolution in place of biases and of the response normalisation (Ioffe and Szegedy 2015, section
    4.2, but with the modules as they were). The paper gives the second auxiliary classifier no sizes of its
    own; both have those of the first. Glorot's initial weights: the paper names none.
    """
    parts = _Parts(batch_norm, width)
    inputs = keras.Input(input_shape)
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(parts.conv(inputs, 64, 7, "conv1", stride=2))
    x = parts.conv(parts.response(x, "norm1"), 64, 1, "conv2_reduce")
    x = parts.response(parts.conv(x, 192, 3, "conv2"), "norm2")
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool2")(x)
    heads = []
    for name, module in MODULES.items():
        x = parts.inception(x, module, name)
        if auxiliary and name in CLASSIFIED:
            heads.append(parts.classifier(x, classes, CLASSIFIED[name]))
        if name in POOLED:
            x = layers.MaxPooling2D(3, 2, padding="same", name=f"pool{name[0]}")(x)
    x = layers.Dropout(0.4, name="dropout")(layers.GlobalAveragePooling2D(name="pool5")(x))
    logits = layers.Dense(classes, name="logits")(x)
    name = "googlenet-bn" if batch_norm else "googlenet"
    return keras.Model(inputs, [logits, *heads] if heads else logits, name=name)


class _Parts:
    """What the network is made of, with or without batch normalisation."""

    def __init__(self, batch_norm: bool, width: float) -> None:
        self.batch_norm, self.width = batch_norm, width

    def conv(
        self, x: keras.KerasTensor, maps: int, size: int, name: str, stride: int = 1
    ) -> keras.KerasTensor:
        maps = scaled(maps, self.width)
        if not self.batch_norm:
            return layers.Conv2D(
                maps, size, strides=stride, padding="same", activation="relu", name=name
            )(x)  # fmt: skip
        x = layers.Conv2D(maps, size, strides=stride, padding="same", use_bias=False, name=name)(x)
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    def response(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        return x if self.batch_norm else LocalResponseNormalization(bias=1.0, alpha=2e-5, name=name)(x)

    def inception(self, x: keras.KerasTensor, module: Inception, name: str) -> keras.KerasTensor:
        name = f"inception{name}"
        one = self.conv(x, module.one, 1, f"{name}_1x1")
        three = self.conv(x, module.reduce3, 1, f"{name}_3x3_reduce")
        three = self.conv(three, module.three, 3, f"{name}_3x3")
        five = self.conv(x, module.reduce5, 1, f"{name}_5x5_reduce")
        five = self.conv(five, module.five, 5, f"{name}_5x5")
        pooled = layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x)
        pooled = self.conv(pooled, module.pooled, 1, f"{name}_pool_1x1")
        return layers.Concatenate(name=f"{name}_concat")([one, three, five, pooled])

    def classifier(self, x: keras.KerasTensor, classes: int, name: str) -> keras.KerasTensor:
        """Section 5's auxiliary network: 5×5 average, 1×1 convolution, 1024 units, 70 % dropout."""
        x = layers.AveragePooling2D(5, 3, name=f"{name}_pool")(x)
        x = layers.Flatten(name=f"{name}_flatten")(self.conv(x, 128, 1, f"{name}_conv"))
        x = layers.Dense(scaled(1024, self.width), activation="relu", name=f"{name}_dense")(x)
        x = layers.Dropout(0.7, name=f"{name}_dropout")(x)
        return layers.Dense(classes, name=name)(x)
