"""Small networks, each with the layers that certain faults need."""

from __future__ import annotations

import keras
from keras import layers


def pictures() -> keras.Model:
    """Convolution with stride 2 and padding, BatchNorm, padded average pooling, a convolution without bias,
    dropout: 8×8×3 to 5 classes."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(6, 3, strides=2, padding="same", name="conv1"),
            layers.BatchNormalization(name="norm1"),
            layers.ReLU(name="relu1"),
            layers.AveragePooling2D(3, strides=1, padding="same", name="pool1"),
            layers.Conv2D(4, 3, use_bias=False, name="conv2"),
            layers.Activation("tanh", name="tanh2"),
            layers.Flatten(name="flatten"),
            layers.Dense(10, activation="relu", name="dense1"),
            layers.Dropout(0.5, name="dropout1"),
            layers.Dense(5, name="logits"),
        ],
        name="pictures",
    )


def lstm() -> keras.Model:
    """Sequences of 5 by 4 to 3 classes."""
    return keras.Sequential(
        [keras.Input((5, 4)), layers.LSTM(6, name="lstm1"), layers.Dense(3, name="logits")], name="lstm"
    )


def gru() -> keras.Model:
    """Sequences of 5 by 4 to 3 classes."""
    return keras.Sequential(
        [keras.Input((5, 4)), layers.GRU(6, name="gru1"), layers.Dense(3, name="logits")], name="gru"
    )
