"""Fully convolutional networks."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from crosstrain.zoo.layers import scaled
from crosstrain.zoo.segmentation.cropping import cropped_like
from crosstrain.zoo.vgg import CONVOLUTIONS


@keras.saving.register_keras_serializable("crosstrain")
class Bilinear(keras.initializers.Initializer):
    """The kernel of a transposed convolution that interpolates each map bilinearly (Long et al. 2015, section
    3.3)."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        height, width, outputs, inputs = shape
        kernel = np.zeros(tuple(shape))
        rows, columns = (1 - np.abs(np.arange(n) - (n - 1) / 2) / ((n + 1) // 2) for n in (height, width))
        for number in range(min(outputs, inputs)):
            kernel[:, :, number, number] = np.outer(rows, columns)
        return keras.ops.convert_to_tensor(kernel, dtype=dtype or keras.config.floatx())


def fcn8s(
    input_shape: tuple[int, ...] = (512, 512, 3), classes: int = 21, *, width: float = 1.0,
    dropout: float = 0.5,
) -> keras.Model:  # fmt: skip
    """FCN-8s (Long, Shelhamer and Darrell 2015, figure 3 and table 1) on VGG16: 134,489,759 parameters.

    VGG16 whose dense layers are convolutions, scores of its third and fourth pooling added to those of its
    end on the way up, transposed convolutions that begin as bilinear interpolation. Logits, (batch, height,
    width, classes). The paper says 134 million; it begins with ImageNet's weights, trains the finer outputs
    one after the other, pads pictures by 100 pixels and crops the result, where convolutions here are padded.
    """
    inputs = x = keras.Input(input_shape)
    pooled = []
    for stage, (count, maps) in enumerate(zip(CONVOLUTIONS[16], (64, 128, 256, 512, 512), strict=True), 1):
        for number in range(1, count + 1):
            conv = layers.Conv2D(
                scaled(maps, width), 3, padding="same", activation="relu", name=f"conv{stage}_{number}"
            )
            x = conv(x)
        x = layers.MaxPooling2D(2, padding="same", name=f"pool{stage}")(x)
        pooled.append(x)
    for name, size in (("fc6", 7), ("fc7", 1)):
        x = layers.Conv2D(scaled(4096, width), size, padding="same", activation="relu", name=name)(x)
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    x = layers.Conv2D(classes, 1, name="score")(x)
    for stage in (4, 3):
        finer = layers.Conv2D(classes, 1, name=f"score_pool{stage}")(pooled[stage - 1])
        x = layers.Add(name=f"fused{stage}")(
            [finer, cropped_like(_enlarged(x, classes, 2, f"up{stage}"), finer)]
        )
    logits = cropped_like(_enlarged(x, classes, 8, "up"), inputs)
    return keras.Model(inputs, logits, name="fcn8s")


def _enlarged(x: Any, classes: int, factor: int, name: str) -> Any:
    upscale = layers.Conv2DTranspose(
        classes, 2 * factor, factor, padding="same", use_bias=False, kernel_initializer=Bilinear(), name=name
    )
    return upscale(x)
