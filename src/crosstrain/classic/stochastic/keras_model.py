"""A stack of layers as a Keras model."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np


def sigmoid_classifier(
    coefs: Sequence[np.ndarray], intercepts: Sequence[np.ndarray], name: str = "belief"
) -> keras.Model:
    """Sigmoid layers and a last one that gives logits, with the weights given: ``coefs`` are (inputs, units)
    each, ``intercepts`` (units,). In float64."""
    layers: list[keras.Layer] = [keras.Input((coefs[0].shape[0],), dtype="float64")]
    for number, bias in enumerate(intercepts):
        last = number == len(intercepts) - 1
        layers.append(
            keras.layers.Dense(
                len(bias),
                activation=None if last else "sigmoid",
                dtype="float64",
                name="logits" if last else f"hidden_{number + 1}",
            )
        )
    model = keras.Sequential(layers, name=name)
    model.set_weights([array for pair in zip(coefs, intercepts, strict=True) for array in pair])
    return model
