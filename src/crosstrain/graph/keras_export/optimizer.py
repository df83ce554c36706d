"""Keras's own optimizers with a recipe's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from crosstrain.graph.keras_export.by_rule import ByRule
from crosstrain.training.optimizers import AVERAGE, FAMILIES, Optimizer

OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "adagrad": keras.optimizers.Adagrad,
    "adadelta": keras.optimizers.Adadelta,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "adamax": keras.optimizers.Adamax,
    "nadam": keras.optimizers.Nadam,
}
SETTINGS = {
    "initial_accumulator": "initial_accumulator_value",
    "ema": "ema_momentum",
    "accumulate": "gradient_accumulation_steps",
}
"""Hyper-parameters that have another name in Keras."""

_ADAM = {"momentum": "_momentums", "velocity": "_velocities", "largest_velocity": "_velocity_hats"}
_RULES: Mapping[str, Mapping[str, str]] = {
    "sgd": {"momentum": "momentums"},
    "rmsprop": {
        "velocity": "_velocities", "momentum": "_momentums", "average_gradient": "_average_gradients",
    },
    "adagrad": {"accumulator": "_accumulators"},
    "adadelta": {
        "accumulated_gradient": "_accumulated_grads", "accumulated_delta": "_accumulated_delta_vars",
    },
    "adam": _ADAM,
    "adamw": _ADAM,
    "adamax": {"momentum": "_m", "norm": "_u"},
    "nadam": {"momentum": "_momentums", "velocity": "_velocities", "product": "_u_product"},
}  # fmt: skip
_AROUND = {"accumulated": "_accumulated_gradients", AVERAGE: "_model_variables_moving_average"}

SLOTS: Mapping[str, Mapping[str, str]] = {
    name: {**_RULES.get(name, ByRule.ATTRIBUTES), **_AROUND} for name in FAMILIES
}
"""crosstrain's slots → the attribute of Keras's optimizer: a variable for each weight, or one for all."""


def keras_optimizer(settings: Optimizer) -> keras.optimizers.Optimizer:
    """Keras's own optimizer with the recipe's settings, or one that runs the rule where Keras has none;
    settings that its class lacks are not passed."""
    options = {SETTINGS.get(k, k): v for k, v in settings.to_json().items() if k != "name"}
    kind = OPTIMIZERS.get(settings.name)
    known = set((kind or ByRule).__init__.__code__.co_varnames)
    options = {k: v for k, v in options.items() if k in known} | {"use_ema": settings.ema is not None}
    optimizer = kind(**options) if kind else ByRule(settings, **options)
    if optimizer.weight_decay is not None:
        # TensorFlow makes float32 of a Python number before it casts it to the weight's dtype.
        optimizer.weight_decay = np.float64(optimizer.weight_decay)
    if settings.l2:
        _penalize(optimizer, settings.l2)
    return optimizer


def _penalize(optimizer: keras.optimizers.Optimizer, l2: float) -> None:
    """Have the optimizer add l2 · w to every gradient, before it clips: what a regulariser of all weights
    does to it."""
    own = optimizer.apply

    def apply(grads: Any, trainable_variables: Any = None) -> Any:
        variables = optimizer._trainable_variables if trainable_variables is None else trainable_variables
        grown = [
            g if g is None else keras.ops.convert_to_tensor(g) + keras.ops.cast(l2, v.dtype) * v
            for g, v in zip(grads, variables, strict=True)
        ]
        return own(grown, trainable_variables)

    optimizer.apply = apply
