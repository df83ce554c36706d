"""Small networks to look into, in float64."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

from crosstrain.graph.graph import Graph, Weights
from crosstrain.graph.keras_import import import_model


def imported(model: keras.Model, seed: int = 0) -> tuple[Graph, Weights]:
    """The graph of a model and random float64 weights, which the model is given too."""
    random = np.random.default_rng(seed)
    model.set_weights([random.normal(0, 0.5, w.shape) for w in model.get_weights()])
    return import_model(model)


def signs(last: str | None = "softmax", activation: str = "relu") -> keras.Model:
    """Two convolutions with a pooling between them, dense layers: (8, 8, 3) to 4 classes."""
    conv: dict[str, Any] = {"activation": activation, "dtype": "float64"}
    return keras.Sequential(
        [
            keras.Input((8, 8, 3), dtype="float64"),
            layers.Conv2D(5, 3, padding="same", name="conv1", **conv),
            layers.MaxPooling2D(2, name="pool1", dtype="float64"),
            layers.Conv2D(6, 3, name="conv2", **conv),
            layers.Flatten(dtype="float64"),
            layers.Dense(7, name="hidden", **conv),
            layers.Dense(4, activation=last, name="scores", dtype="float64"),
        ],
        name="signs",
    )
