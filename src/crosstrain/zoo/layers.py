"""Parts of single papers' networks that Keras lacks, in ``keras.ops``; see also :mod:`crosstrain.layers`."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


def scaled(channels: int, width: float, multiple: int = 1) -> int:
    """``channels`` times ``width``, rounded to a positive multiple of ``multiple``."""
    return max(1, round(channels * width / multiple)) * multiple


@keras.saving.register_keras_serializable("crosstrain")
class LayerScale(layers.Layer):
    """Multiplies each channel by a weight that begins near 0 (Touvron et al. 2021, section 2)."""

    def __init__(self, initial: float = 1e-6, **settings: Any) -> None:
        super().__init__(**settings)
        self.initial = initial

    def build(self, input_shape: Any) -> None:
        self.gamma = self.add_weight(
            shape=(input_shape[-1],), initializer=keras.initializers.Constant(self.initial), name="gamma"
        )

    def call(self, inputs: Any) -> Any:
        return inputs * self.gamma

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "initial": self.initial}


@keras.saving.register_keras_serializable("crosstrain")
class ClassToken(layers.Layer):
    """Puts a learned token before the patches and adds a learned position to each (Dosovitskiy et al. 2021,
    equation 1). Input (batch, patches, size), output (batch, 1 + patches, size)."""

    def build(self, input_shape: Any) -> None:
        _, patches, size = input_shape
        normal = keras.initializers.TruncatedNormal(stddev=0.02)
        self.token = self.add_weight(shape=(1, 1, size), initializer="zeros", name="token")
        self.positions = self.add_weight(shape=(1, 1 + patches, size), initializer=normal, name="positions")

    def call(self, inputs: Any) -> Any:
        # Padding with zeros and adding gives the token to every example without knowing how many there are.
        token = ops.pad(self.token, ((0, 0), (0, inputs.shape[1]), (0, 0)))
        return ops.pad(inputs, ((0, 0), (1, 0), (0, 0))) + token + self.positions

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, patches, size = input_shape
        return batch, 1 + patches, size


@keras.saving.register_keras_serializable("crosstrain")
class LearnedPositions(layers.Layer):
    """Adds a learned vector to each step (Gehring et al. 2017, section 3.1). Input and output (batch, steps,
    size)."""

    def build(self, input_shape: Any) -> None:
        _, steps, size = input_shape
        normal = keras.initializers.RandomNormal(stddev=0.02)
        self.positions = self.add_weight(shape=(1, steps, size), initializer=normal, name="positions")

    def call(self, inputs: Any) -> Any:
        return inputs + self.positions

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape
