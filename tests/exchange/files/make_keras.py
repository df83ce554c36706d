"""Files from Keras's ``model.export(format="onnx")`` (tf2onnx), and Keras's outputs: ``python make_keras.py``
(Keras 3.15 on TensorFlow, tf2onnx)."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
from keras import layers

HERE = Path(__file__).parent


def residual() -> keras.Model:
    """Separable convolutions, BatchNorm, global pooling; Keras's NHWC."""
    x = keras.Input((16, 16, 3), name="x")
    y = layers.Activation("relu")(layers.BatchNormalization()(layers.Conv2D(8, 3, padding="same")(x)))
    z = layers.BatchNormalization()(layers.SeparableConv2D(8, 3, padding="same")(y))
    y = layers.MaxPooling2D(2)(layers.add([y, layers.Activation("silu")(z)]))
    y = layers.GlobalAveragePooling2D()(layers.Conv2D(12, 3, strides=2, padding="same", activation="elu")(y))
    return keras.Model(x, layers.Dense(5, activation="softmax", name="y")(y))


def lenet() -> keras.Model:
    """A flatten behind convolutions, average pooling, upsampling."""
    x = keras.Input((16, 16, 1), name="x")
    y = layers.AveragePooling2D(2)(layers.Conv2D(4, 5, activation="tanh")(x))
    y = layers.ZeroPadding2D(1)(layers.UpSampling2D(2)(y))
    y = layers.Flatten()(layers.Conv2D(3, 3, strides=2)(y))
    return keras.Model(x, layers.Dense(4, name="y")(y))


def series() -> keras.Model:
    """An LSTM unrolled by its length, and layer normalisation."""
    x = keras.Input((6, 3), name="x")
    y = layers.LayerNormalization()(layers.LSTM(5, return_sequences=True, unroll=True)(x))
    return keras.Model(x, layers.Dense(2, name="y")(layers.GlobalAveragePooling1D()(y)))


def main() -> None:
    random = np.random.default_rng(0)
    for build in (residual, lenet, series):
        keras.utils.set_random_seed(0)
        model = build()
        for weight in model.weights:
            weight.assign(weight.numpy() + 0.1 * np.abs(random.standard_normal(weight.shape)))
        x = random.standard_normal((4, *model.input_shape[1:])).astype("float32")
        np.savez(HERE / f"keras_{build.__name__}.npz", x=x, y=model.predict(x, verbose=0))
        model.export(HERE / f"keras_{build.__name__}.onnx", format="onnx", verbose=False)


if __name__ == "__main__":
    main()
