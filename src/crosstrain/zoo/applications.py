"""The networks of ``keras.applications``, as they are there."""

from __future__ import annotations

import importlib
from typing import Any

import keras

from crosstrain.zoo.layers import scaled

WIDTHS = dict.fromkeys(("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large"), "alpha")
"""What ``keras.applications`` calls the width of those that have one."""


def application(
    input_shape: tuple[int, ...] = (224, 224, 3), classes: int = 1000, *, kind: str, width: float = 1.0,
    **settings: Any,
) -> keras.Model:  # fmt: skip
    """``keras.applications.KIND`` with random weights and logits, (batch, classes).

    ``width`` scales the maps of every layer: by ``alpha`` where the network has it, else in a copy.
    ``kind`` may also be ``module.function`` of ``keras.src.applications``, which takes sizes as
    ``settings``. Rescaling of pictures to the network's range is in the network where Keras has it there,
    and else the data's part.
    """
    if kind in WIDTHS:
        settings[WIDTHS[kind]] = width
    module, _, function = kind.rpartition(".")
    home = importlib.import_module(f"keras.src.applications.{module}") if module else keras.applications
    model = getattr(home, function)(
        input_shape=input_shape, weights=None, classes=classes, classifier_activation=None, **settings
    )
    return model if width == 1 or kind in WIDTHS else _narrowed(model, width)


def _narrowed(model: keras.Model, width: float) -> keras.Model:
    """A copy with ``width`` times the maps in every convolution; the last dense layer keeps its classes."""

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        if config.get("filters"):
            config["filters"] = scaled(config["filters"], width)
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=copy)
