"""Kernels drawn anew, by one of Keras's initializers, in the place of those that layers began with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras.src.initializers.random_initializers import compute_fans

from crosstrain.training.initialisers import OVER_FAN_IN, spelled

KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
"""What Keras's layers call the weights that their input is multiplied or convolved with. The kernels of
recurrent states, embeddings and weights of other names stay as their layers made them."""


class UniformOverFanIn(keras.initializers.Initializer):  # type: ignore[misc]
    """Uniform in ± ``limit`` / fan-in: not in its square root, as Keras's variance scaling has it."""

    def __init__(self, limit: float, seed: int) -> None:
        self.limit, self.seed = limit, seed

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        fan_in, _ = compute_fans(shape)
        edge = self.limit / max(fan_in, 1)
        return keras.initializers.RandomUniform(-edge, edge, seed=self.seed)(shape, dtype=dtype)


def draw_kernels(layers: Sequence[keras.layers.Layer], spec: Mapping[str, Any], seed: int) -> str:
    """Draw the kernels of ``layers``, and of those in them, by the initializer ``spec``
    (``training.initialisers``) from ``seed``; returns a sentence about it, "" where there are none."""
    kernels: dict[int, Any] = {}
    for layer in layers:
        for each in layer._flatten_layers():
            kernels |= {id(v): v for v in each._trainable_variables if v.name in KERNELS}
    for number, kernel in enumerate(kernels.values()):
        draw = _initializer(spec, int(np.random.SeedSequence((seed, number)).generate_state(1)[0]))
        shape = tuple(kernel.shape)  # TensorFlow's is no tuple, and would be drawn by TensorFlow
        kernel.assign(draw(shape, dtype=kernel.dtype))
    if not kernels:
        return ""
    count = "The new kernel is" if len(kernels) == 1 else f"All {len(kernels)} kernels are"
    return f"{count} drawn by {spelled(spec)}; other weights begin as the network says"


def _initializer(spec: Mapping[str, Any], seed: int) -> keras.initializers.Initializer:
    settings = {key: each for key, each in spec.items() if key != "name"}
    if spec["name"] == OVER_FAN_IN:
        return UniformOverFanIn(**settings, seed=seed)
    return keras.initializers.deserialize({"class_name": spec["name"], "config": {**settings, "seed": seed}})
