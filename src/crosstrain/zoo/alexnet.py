"""AlexNet and the networks that followed it within a year."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from crosstrain.layers import LocalResponseNormalization
from crosstrain.zoo.layers import scaled


def alexnet(
    input_shape: tuple[int, ...] = (227, 227, 3), classes: int = 1000, *, width: float = 1.0,
    dropout: float = 0.5,
) -> keras.Model:  # fmt: skip
    """AlexNet (Krizhevsky, Sutskever and Hinton, NIPS 2012, figure 2): 60,965,224 parameters.

    Two groups stand for the paper's two GPUs: convolutions 2, 4 and 5 see the maps of their own group. Local
    response normalisation after the first two, overlapping 3×3 pooling, dropout 0.5; weights from N(0, 0.01),
    biases 1 in convolutions 2, 4, 5 and the hidden dense layers. The paper says 224×224 pixels, but its 55×55
    maps need 227. Logits, (batch, classes).
    """
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(scaled(96, width, 2), 11, strides=4, **_start(0), name="conv1")(inputs)
    x = layers.MaxPooling2D(3, 2, name="pool1")(LocalResponseNormalization(name="norm1")(x))
    x = layers.Conv2D(scaled(256, width, 2), 5, padding="same", groups=2, **_start(1), name="conv2")(x)
    x = layers.MaxPooling2D(3, 2, name="pool2")(LocalResponseNormalization(name="norm2")(x))
    x = layers.Conv2D(scaled(384, width, 2), 3, padding="same", **_start(0), name="conv3")(x)
    x = layers.Conv2D(scaled(384, width, 2), 3, padding="same", groups=2, **_start(1), name="conv4")(x)
    x = layers.Conv2D(scaled(256, width, 2), 3, padding="same", groups=2, **_start(1), name="conv5")(x)
    x = layers.Flatten()(layers.MaxPooling2D(3, 2, name="pool5")(x))
    for name in ("fc6", "fc7"):
        x = layers.Dense(scaled(4096, width), **_start(1), name=name)(x)
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    logits = layers.Dense(
        classes, kernel_initializer=keras.initializers.RandomNormal(stddev=0.01), name="logits"
    )
    return keras.Model(inputs, logits(x), name="alexnet")


def _start(bias: float) -> dict[str, Any]:
    """ReLU, with the initial weights of the paper's section 5."""
    return {
        "activation": "relu",
        "kernel_initializer": keras.initializers.RandomNormal(stddev=0.01),
        "bias_initializer": keras.initializers.Constant(bias),
    }


def alexnet_one_tower(
    input_shape: tuple[int, ...] = (224, 224, 3), classes: int = 1000, *, width: float = 1.0,
    dropout: float = 0.5,
) -> keras.Model:  # fmt: skip
    """AlexNet in one tower (Krizhevsky, "One weird trick for parallelizing convolutional neural networks",
    2014, section 5), as torchvision has it: 61,100,840 parameters.

    64, 192, 384, 256 and 256 maps, no groups, no response normalisation. he_normal weights;
    logits, (batch, classes).
    """
    relu = {"activation": "relu", "kernel_initializer": "he_normal"}
    inputs = keras.Input(input_shape)
    x = layers.ZeroPadding2D(2)(inputs)
    x = layers.Conv2D(scaled(64, width), 11, strides=4, **relu, name="conv1")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    x = layers.Conv2D(scaled(192, width), 5, padding="same", **relu, name="conv2")(x)
    x = layers.MaxPooling2D(3, 2, name="pool2")(x)
    for number, maps in ((3, 384), (4, 256), (5, 256)):
        x = layers.Conv2D(scaled(maps, width), 3, padding="same", **relu, name=f"conv{number}")(x)
    x = layers.Flatten()(layers.MaxPooling2D(3, 2, name="pool5")(x))
    for name in ("fc6", "fc7"):
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
        x = layers.Dense(scaled(4096, width), **relu, name=name)(x)
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="alexnet-one-tower")


def zfnet(
    input_shape: tuple[int, ...] = (224, 224, 3), classes: int = 1000, *, width: float = 1.0,
    dropout: float = 0.5,
) -> keras.Model:  # fmt: skip
    """ZFNet (Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, figure 3):
    62,357,608 parameters.

    AlexNet without groups, with 7×7 windows and stride 2 in the first convolution and stride 2 in the second.
    The paper's contrast normalisation across maps is AlexNet's response normalisation. Weights from
    N(0, 0.01), as in the paper; biases 0. Logits, (batch, classes).
    """
    inputs = keras.Input(input_shape)
    x = layers.ZeroPadding2D(1)(inputs)
    x = layers.Conv2D(scaled(96, width), 7, strides=2, **_start(0), name="conv1")(x)
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(x)
    x = LocalResponseNormalization(name="norm1")(x)
    x = layers.Conv2D(scaled(256, width), 5, strides=2, **_start(0), name="conv2")(x)
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool2")(x)
    x = LocalResponseNormalization(name="norm2")(x)
    for number, maps in ((3, 384), (4, 384), (5, 256)):
        x = layers.Conv2D(scaled(maps, width), 3, padding="same", **_start(0), name=f"conv{number}")(x)
    x = layers.Flatten()(layers.MaxPooling2D(3, 2, name="pool5")(x))
    for name in ("fc6", "fc7"):
        x = layers.Dense(scaled(4096, width), **_start(0), name=name)(x)
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    logits = layers.Dense(
        classes, kernel_initializer=keras.initializers.RandomNormal(stddev=0.01), name="logits"
    )
    return keras.Model(inputs, logits(x), name="zfnet")
