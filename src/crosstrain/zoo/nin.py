"""Network in network."""

from __future__ import annotations

import keras
from keras import layers

from crosstrain.zoo.layers import scaled

STAGES = ((5, 192, 160, 96), (5, 192, 192, 192))
"""Window of the first convolution and the maps of all three, of the stages before the last."""


def nin(
    input_shape: tuple[int, ...] = (32, 32, 3), classes: int = 10, *, width: float = 1.0, dropout: float = 0.5
) -> keras.Model:
    """Network in network for CIFAR-10 (Lin, Chen and Yan, ICLR 2014, section 4.2 and figure 2): 966,986
    parameters at 10 classes.

    Three stages of a convolution and two 1×1 convolutions (a perceptron at each pixel); the last stage's
    maps, one for each class, are averaged. The paper leaves sizes and pooling to its public Caffe file,
    followed here: maximum after the first stage, average after the second. Logits, (batch, classes).
    """
    inputs = x = keras.Input(input_shape)
    pools = (layers.MaxPooling2D, layers.AveragePooling2D)
    for stage, ((window, *maps), pool) in enumerate(zip(STAGES, pools, strict=True), 1):
        x = _stage(x, window, [scaled(each, width) for each in maps], stage)
        x = pool(3, 2, padding="same", name=f"pool{stage}")(x)
        x = layers.Dropout(dropout, name=f"dropout{stage}")(x)
    x = _stage(x, 3, [scaled(192, width), scaled(192, width), classes], 3)
    return keras.Model(inputs, layers.GlobalAveragePooling2D(name="logits")(x), name="nin")


def _stage(x: keras.KerasTensor, window: int, maps: list[int], stage: int) -> keras.KerasTensor:
    for number, (size, filters) in enumerate(zip((window, 1, 1), maps, strict=True), 1):
        x = layers.Conv2D(
            filters, size, padding="same", activation="relu", kernel_initializer="he_normal",
            name=f"conv{stage}_{number}",
        )(x)  # fmt: skip
    return x
